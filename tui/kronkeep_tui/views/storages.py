"""Where backups are kept: how full, how checked."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from kronkeep_common.models import BackupStorage, CronJob, StorageUsage
from kronkeep_common.text import age, days, growth, size
from kronkeep_tui import storing
from kronkeep_tui.actions import ANY, TABLE, Action
from kronkeep_tui.pages.words import CAPACITY_WARNING, bar, blocks, cause, fill, state
from kronkeep_tui.prompt import Prompt, confirm
from kronkeep_tui.store import Store
from kronkeep_tui.views.table import Order, TableView
from kronkeep_tui.widgets.cells import Text
from kronkeep_tui.widgets.row_table import Column, Row


class StorageFacts(NamedTuple):
    """What the filter may ask of a storage."""

    id: str
    name: str
    status: str
    storage_id: str
    created_at: datetime


def _until_full(storage: BackupStorage) -> float:
    left = storage.usage.days_until_full if storage.usage else None
    return float("inf") if left is None else left


class StoragesView(TableView[BackupStorage]):
    """Storages, one row each."""

    SCOPES = ("storages", TABLE, ANY)
    COLUMNS = (
        Column("ST", 5, letter="s"),
        Column("STORAGE", 14, grow=2, letter="n"),
        Column("KIND", 8, drop=4),
        Column("USED", 26, drop=1),
        Column("FULL IN", 8, drop=3, letter="f", right=True),
        Column("GROWTH", 13, drop=6, right=True),
        Column("SNAPSHOTS", 10, drop=5, right=True),
        Column("CHECKED", 14, drop=2),
        Column("POLICIES", 9, drop=7, right=True),
        Column("REPOSITORY", 20, drop=8, grow=3),
    )
    EMPTY = (
        "No storage yet. A storage is a named place for one restic repository.",
        "",
        "n  makes one: a folder, an NFS export, S3, SFTP, Azure, ... in one line",
    )
    ORDERS = {
        "s": Order("state", lambda s: (s.status == "active", s.status)),
        "n": Order("name", lambda s: s.id),
        "u": Order("used", lambda s: fill(s) or 0, True),
        "f": Order("full in", _until_full),
    }

    def __init__(self, of: str = "") -> None:
        super().__init__(of)
        self._figures: dict[str, list[StorageUsage]] = {}

    def crumb(self, store: Store) -> str:
        """Where one is."""
        return "Storages"

    def records(self, store: Store) -> Sequence[BackupStorage]:
        """Every storage."""
        return sorted(store.storages.newest(), key=lambda s: s.id)

    def version(self, store: Store) -> object:
        """The storages."""
        return store.storages

    def facts(self, record: BackupStorage) -> Any:
        """What the filter looks at."""
        return StorageFacts(record.id, record.id, record.status, record.id, record.created_at)

    def is_fault(self, record: BackupStorage) -> bool:
        """Failed, found faulty, or nearly full."""
        return (
            record.status == "failed" or record.check_ok is False or (fill(record) or 0) >= CAPACITY_WARNING
        )

    def row(self, record: BackupStorage, store: Store, now: datetime) -> Row:
        """One storage."""
        shown, kind = state(record.status)
        used = fill(record)
        held = size(record.usage.used_bytes) if record.usage else "not measured"
        full = "bad" if used is not None and used >= CAPACITY_WARNING else ""
        policies = sum(1 for c in store.cronjobs if c.policy and c.policy.storage_id == record.id)
        cells = (
            shown,
            record.id,
            record.kind,
            ((bar(100 * used, 12) if used is not None else held, full),),
            days(record.usage.days_until_full) if record.usage else "-",
            growth(record.usage.growth_bytes_per_day) if record.usage else "-",
            str(record.usage.snapshots) if record.usage else "-",
            _checked(record, now),
            str(policies),
            record.repository,
        )
        return Row(record.id, cells, kind)

    def detail(self, record: BackupStorage, store: Store, now: datetime, width: int) -> list[Text]:
        """State, figures, who uses it."""
        lines: list[Text] = [
            (state(record.status), (f"  {record.id}", "strong"), (f"  {record.repository}", "quiet"))
        ]
        lines += cause(record.message, record.next_step, width, "bad")
        if record.usage is not None:
            lines += _figures(record.usage, now)
        lines += self._past(record, width)
        lines.append((("check ", "quiet"), *_checked(record, now)))
        names = [c.name for c in store.cronjobs if c.policy and c.policy.storage_id == record.id]
        return [*lines, (("policies ", "quiet"), (", ".join(names) or "none", ""))]

    def _past(self, record: BackupStorage, width: int) -> list[Text]:
        """What it held over time, once that was read."""
        figures = self._figures.get(record.id)
        if not figures:
            return []
        held = [float(figure.used_bytes) for figure in reversed(figures)]
        since = f"  since {figures[-1].measured_at:%d %b}"
        return [(("held   ", "quiet"), (blocks(held, max(10, width - 24), size), "accent"), (since, "quiet"))]

    def on_row_table_moved(self) -> None:
        """Reads what another storage held over time."""
        self._ask_past()

    def show(self, store: Store, now: datetime) -> None:
        """Shows the rows; what the storage under the cursor held is read once there is one."""
        super().show(store, now)
        self._ask_past()

    def _ask_past(self) -> None:
        storage = self.subject()
        if storage is not None and storage.id not in self._figures:
            self._figures[storage.id] = []
            self.kronkeep.attempt(self._read(storage.id), "storage usage")

    async def _read(self, storage_id: str) -> None:
        self._figures[storage_id] = (await self.kronkeep.client.storage_usage(storage_id, 200)).items
        self.show_detail()

    def refusal(self, action: Action) -> str:
        """A storage that is used is not forgotten; only one that failed is tried again."""
        storage = self.subject()
        if storage is None:
            return ""
        used = [c.name for c in self.kronkeep.reader.store.cronjobs if _uses(c, storage)]
        if action.name == "delete" and used:
            return f"{storage.id} is used by {', '.join(used[:3])}."
        if action.name == "retry" and storage.status != "failed":
            return f"{storage.id} is {storage.status}; only one that failed is tried again."
        return ""

    def do_create(self) -> None:
        """Asks for a storage in one line, with an example to change."""
        self.frame.ask(Prompt("New storage: ", self._create, text=storing.EXAMPLE, complete=storing.complete))

    def _create(self, line: str) -> None:
        self.frame.attempt(lambda: self.kronkeep.changes.create_storage(storing.parse(line)))

    def do_check(self) -> None:
        """Runs restic check."""
        self._ask("check")

    def do_measure(self) -> None:
        """Measures it."""
        self._ask("measure")

    def do_retry(self) -> None:
        """Tries to make it again."""
        self._ask("retry")

    def _ask(self, what: str) -> None:
        if (storage := self.subject()) is not None:
            self.kronkeep.changes.storage(what, storage)

    def do_delete(self) -> None:
        """Forgets it, once its name is typed."""
        if (storage := self.subject()) is not None:
            question = f"Forget {storage.id}? What it holds stays there."
            self.frame.ask(
                confirm(question, storage.id, lambda: self.kronkeep.changes.delete_storage(storage))
            )

    def do_choose(self) -> None:
        """Shows the record."""
        self.do_yaml()

    def do_yaml(self) -> None:
        """Shows the record."""
        if (storage := self.subject()) is not None:
            self.frame.enter("yaml", f"storage {storage.id}")


def _uses(cronjob: CronJob, storage: BackupStorage) -> bool:
    return cronjob.policy is not None and cronjob.policy.storage_id == storage.id


def _figures(usage: StorageUsage, now: datetime) -> list[Text]:
    """How much of how much, how it grows and when it is full."""
    of = f" of {size(usage.capacity_bytes)}" if usage.capacity_bytes else ""
    level = {"critical": "bad", "warning": "warn"}.get(usage.level, "")
    lines: list[Text] = [
        (
            (f"{size(usage.used_bytes)}{of}", level),
            (f", {usage.snapshots} snapshots", ""),
            (f"  measured {age(usage.measured_at, now)} ago", "quiet"),
        )
    ]
    if usage.growth_bytes_per_day is not None:
        full = f", full in {days(usage.days_until_full)}" if usage.days_until_full is not None else ""
        lines.append(((f"grows {growth(usage.growth_bytes_per_day)}{full}", level),))
    return lines


def _checked(storage: BackupStorage, now: datetime) -> Text:
    if storage.check_ok is None:
        return (("never", "quiet"),)
    words = "ok" if storage.check_ok else "FAILED"
    return ((f"{words} {age(storage.checked_at, now)} ago", "ok" if storage.check_ok else "bad"),)
