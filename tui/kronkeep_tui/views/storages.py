"""The Storages view: how full storages are and how they were checked; and the work on them."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from kronkeep_common.models import BackupStorage, StorageUsage
from kronkeep_common.natural_order import NaturalKey, natural_key
from kronkeep_common.text import clean
from kronkeep_tui import actions
from kronkeep_tui.actions import Action, Scope, handles
from kronkeep_tui.context import Context
from kronkeep_tui.form.storage_fields import KINDS
from kronkeep_tui.navigation import Place
from kronkeep_tui.pages import previews
from kronkeep_tui.pages import storages as page
from kronkeep_tui.pages.status_words import CAPACITY_WARNING, used_share
from kronkeep_tui.prompt import YesNoPrompt, name_prompt
from kronkeep_tui.store import Store
from kronkeep_tui.views.row_reader import FROM_COLUMNS
from kronkeep_tui.views.sort_orders import SortOrder, name_key
from kronkeep_tui.views.table_view import TableView
from kronkeep_tui.widgets.cells import Text
from kronkeep_tui.widgets.row_table import TableRow

_ACTIVE_ONLY = (actions.CHECK, actions.MEASURE, actions.TEST, actions.PRUNE, actions.RESCAN)


def _state_key(storage: BackupStorage) -> tuple[bool, bool, str]:
    """Sort storages that cannot be used first, then those that are not active yet."""
    return not storage.has_fault, storage.status == "active", storage.status


def _natural_order_key(storage: BackupStorage) -> tuple[bool, NaturalKey]:
    """Sort storages that are not active, cannot be used or are damaged first, then by name."""
    return storage.status == "active" and not storage.has_fault, natural_key(storage.id)


def _used_key(storage: BackupStorage) -> float:
    return used_share(storage) or 0.0


def _days_until_full(storage: BackupStorage) -> float:
    left = storage.usage.days_until_full if storage.usage else None
    return float("inf") if left is None else left


class StoragesView(TableView[BackupStorage]):
    """Storages, a row each."""

    SCOPES = (Scope.STORAGES, Scope.TABLE, Scope.ANY)
    FILTER_KIND = "storages"
    COLUMNS = page.COLUMNS
    CLUSTER_COLUMN_INDEX = 2
    DEFAULT_CSS = "StoragesView > .detail { height: 9; }"
    EMPTY_LINES = (
        "No storage yet. A storage is a named place for one restic repository.",
        "",
        "n  creates one: a folder, an NFS export, S3, SFTP, Azure, ...",
    )
    SORT_ORDERS = {
        "s": SortOrder("state", _state_key),
        "n": SortOrder("name", name_key("id")),
        "u": SortOrder("used", _used_key, True),
        "f": SortOrder("full in", _days_until_full),
    }
    SORT_FIELDS = {"n": "id"}

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        self._usage: dict[str, list[StorageUsage]] = {}
        self._read_at: dict[str, datetime | None] = {}  # when what was read of a storage was measured

    def crumb(self, store: Store) -> str:
        return "Storages"

    def on_mount(self) -> None:
        super().on_mount()
        if self.argument:
            self.call_after_refresh(self._select_argument)

    def _select_argument(self) -> None:
        """Put the cursor on the storage that the view was opened for."""
        if self.store.storages.get(self.argument) is None:
            self.context.tell(f"The storage {self.argument} no longer exists.")
        else:
            self.select_row(self.argument)

    def records(self, store: Store) -> Sequence[BackupStorage]:
        return sorted(store.storages.newest(), key=_natural_order_key)

    def version(self, store: Store) -> object:
        return store.storages

    def is_faulty(self, record: BackupStorage) -> bool:
        """Return whether the storage cannot be used, a check of it failed, or it is nearly full."""
        data = record.data_check
        is_damaged = data is not None and not data.ok
        return record.has_fault or is_damaged or (used_share(record) or 0) >= CAPACITY_WARNING

    def row_of(self, record: BackupStorage, store: Store, now: datetime) -> TableRow:
        return page.row(record, store, now)

    def detail_lines(self, record: BackupStorage, store: Store, now: datetime, width: int) -> list[Text]:
        lines = page.detail(record, self._usage.get(record.id, ()), store, now, width)
        if self.context.view_size.width < FROM_COLUMNS:
            return lines
        return lines + previews.storage_lines(record, page.users(record, store), store, now)

    def _on_cursor_rest(self) -> None:
        super()._on_cursor_rest()
        self._read_usage_if_new()

    def show(self, store: Store, now: datetime) -> None:
        """Show the rows, and read the past usage of the storage under the cursor."""
        super().show(store, now)
        self._read_usage_if_new()

    def _read_usage_if_new(self) -> None:
        storage = self.subject()
        if storage is None:
            return
        measured = storage.usage.measured_at if storage.usage else None
        if measured != self._read_at.get(storage.id) and self.context.reader.live:
            self._read_at[storage.id] = measured
            self.context.start_work(self._read_usage(storage.id), "storage usage")

    async def _read_usage(self, storage_id: str) -> None:
        self._usage[storage_id] = (await self.context.client.storages.usage(storage_id, 200)).items
        self.show_detail()

    def refusal(self, action: Action) -> str:
        storage = self.subject()
        if storage is None:
            return ""
        users = [self.store.label(c.namespace, c.name) for c in page.users(storage, self.store)]
        if action == actions.DELETE and users:
            return f"{storage.id} is used by {', '.join(users[:3])}."
        if action == actions.RETRY and storage.status != "failed":
            return f"{storage.id} is {storage.status}; only a failed one can be tried again."
        if action == actions.ACKNOWLEDGE and not (storage.snapshots and storage.snapshots.missing):
            return f"No snapshot of {storage.id} is missing."
        if action == actions.FORM and storage.kind not in KINDS:
            return f"This terminal is older than the daemon: it does not know {clean(storage.kind, 40)}."
        if action in _ACTIVE_ONLY and storage.status != "active":
            return f"{storage.id} is {storage.status}, not active."
        return ""

    @handles(actions.CREATE)
    def open_new_form(self) -> None:
        """Open the form for a new storage."""
        self.context.enter("storage_form")

    @handles(actions.CHECK)
    def start_check(self) -> None:
        """Run `restic check` on the storage."""
        self._with_storage(self.changes.check_storage)

    @handles(actions.MEASURE)
    def start_measuring(self) -> None:
        """Measure how full the storage is."""
        self._with_storage(self.changes.measure_storage)

    @handles(actions.RETRY)
    def start_retry(self) -> None:
        """Try again to create a storage that failed."""
        self._with_storage(self.changes.retry_storage)

    @handles(actions.TEST)
    def start_test(self) -> None:
        """Open the repository from the cluster."""
        self._with_storage(self.changes.test_storage)

    @handles(actions.RESCAN)
    def start_rescan(self) -> None:
        """Record the backups again that no record knows."""
        self._with_storage(self.changes.rescan_storage)

    @handles(actions.ACKNOWLEDGE)
    def ask_acknowledgement(self) -> None:
        """Acknowledge, after a question, that the missing snapshots are gone for good."""
        if (storage := self.subject()) is not None:
            question = (
                f"Are the missing snapshots of {storage.id} gone for good? A prune may then free space."
            )
            send = partial(self.changes.acknowledge_missing, storage)
            self.context.ask(YesNoPrompt(question, send))

    @handles(actions.PRUNE)
    def ask_prune(self) -> None:
        """Delete the data of removed snapshots, after a question."""
        if (storage := self.subject()) is not None:
            question = f"Prune {storage.id}? Data that no snapshot needs is deleted for good."
            self.context.ask(YesNoPrompt(question, partial(self.changes.prune_storage, storage)))

    @handles(actions.FORM)
    def open_form(self) -> None:
        """Open the form of what may change of the storage."""
        if (storage := self.subject()) is not None:
            self.context.enter("storage_change", storage.id)

    @handles(actions.RETENTION)
    def show_retention(self) -> None:
        """Show what retention would remove from the storage now, policy by policy."""
        if (storage := self.subject()) is not None:
            self.context.enter("removals", storage.id)

    @handles(actions.ORPHANS)
    def show_orphans(self) -> None:
        """Show the policies without a CronJob whose backups are in the storage."""
        if (storage := self.subject()) is not None:
            self.context.enter("orphans", storage.id)

    def _with_storage(self, change: Callable[[BackupStorage], None]) -> None:
        if (storage := self.subject()) is not None:
            change(storage)

    @handles(actions.DELETE)
    def ask_delete(self) -> None:
        """Forget the storage once its name is typed."""
        if (storage := self.subject()) is not None:
            question = f"Forget {storage.id}? Its data stays."
            self.context.ask(name_prompt(question, storage.id, partial(self.changes.delete_storage, storage)))

    @handles(actions.CHOOSE)
    def show_record(self) -> None:
        """Show the record as YAML."""
        self.show_yaml()

    @handles(actions.YAML)
    def show_yaml(self) -> None:
        """Show the record as YAML."""
        if (storage := self.subject()) is not None:
            self.context.enter("yaml", f"storage {storage.id}")
