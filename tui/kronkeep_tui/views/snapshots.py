"""The Restore view: the snapshots that can be restored."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from operator import attrgetter

from kronkeep_common.models import BackupExecution
from kronkeep_common.text import size
from kronkeep_tui import actions
from kronkeep_tui.actions import Action, Scope, handles
from kronkeep_tui.context import Context
from kronkeep_tui.navigation import Place
from kronkeep_tui.pages import previews
from kronkeep_tui.pages.moments import age_cell
from kronkeep_tui.pages.runs import backup_lines
from kronkeep_tui.pages.status_words import backup_state, cause, state
from kronkeep_tui.prompt import YesNoPrompt
from kronkeep_tui.store import Store
from kronkeep_tui.views.files import open_restore_form
from kronkeep_tui.views.log_preview import LogPreview
from kronkeep_tui.views.retention_outlook import RetentionOutlook
from kronkeep_tui.views.sort_orders import SortOrder, name_key
from kronkeep_tui.views.table_view import TableView
from kronkeep_tui.views.wait_text import waiting_lines
from kronkeep_tui.widgets.cells import Span, Text
from kronkeep_tui.widgets.row_table import Column, TableRow


def state_of(backup: BackupExecution, store: Store) -> Span:
    """Return the state of a backup, or why nothing can be restored from it now."""
    if backup.snapshot_missing_at is not None:
        return "missing", "bad"
    storage = store.storages.get(backup.storage_id)
    if storage is not None and storage.away_reason is not None:
        return "away", "bad"
    return backup_state(backup)


def _size_key(backup: BackupExecution) -> int:
    return backup.result.bytes_read if backup.result else 0


class SnapshotsView(TableView[BackupExecution]):
    """Backups whose snapshot is kept, the newest first."""

    SCOPES = (Scope.RESTORE, Scope.TABLE, Scope.ANY)
    FILTER_KIND = "backups"
    COLUMNS = (
        Column(title="ST", width=5),
        Column(title="SNAPSHOT", width=9),
        Column(title="AGE", width=6, right=True, letter="a", is_moment=True),
        Column(title="NAMESPACE", width=12, drop=5),
        Column(title="CRONJOB", width=21, grow=3, letter="n"),
        Column(title="STORAGE", width=12, drop=2, grow=1),
        Column(title="SIZE", width=10, drop=1, right=True, letter="z"),
        Column(title="NEW", width=10, drop=4, right=True),
        Column(title="FILES", width=7, drop=3, right=True),
        Column(title="VERIFIED", width=9, drop=2, right=True, is_moment=True),
    )
    CLUSTER_COLUMN_INDEX = 3
    EMPTY_LINES = ("No snapshot yet.", "", "b in Jobs backs a CronJob up now.")
    SORT_ORDERS = {
        "a": SortOrder("age", attrgetter("created_at"), True),
        "n": SortOrder("CronJob", name_key("cronjob", "namespace")),
        "z": SortOrder("size", _size_key, True),
    }
    SORT_FIELDS = {"a": "created_at", "n": "cronjob"}

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        self._retention = RetentionOutlook(context, self.show_detail)
        self._log = LogPreview(context, self.show_detail)

    def crumb(self, store: Store) -> str:
        return "Restore"

    def records(self, store: Store) -> Sequence[BackupExecution]:
        return [b for b in store.backups.newest() if b.snapshot_state in ("present", "missing")]

    def version(self, store: Store) -> object:
        return store.backups

    def row_of(self, record: BackupExecution, store: Store, now: datetime) -> TableRow:
        shown, kind = state_of(record, store)
        result = record.result
        cells = (
            shown,
            result.snapshot_id[:8] if result else "-",
            age_cell(record.ended_at or record.created_at, now),
            record.namespace,
            store.label(record.namespace, record.cronjob),
            record.storage_id,
            size(result.bytes_read) if result else "-",
            size(result.bytes_added) if result else "-",
            str(result.files_total) if result else "-",
            age_cell(record.verified_at, now),
        )
        return TableRow(record.id, cells, kind)

    def detail_lines(self, record: BackupExecution, store: Store, now: datetime, width: int) -> list[Text]:
        name = f"{record.namespace}/{record.cronjob}{store.cluster_suffix(record.cluster)}"
        lines: list[Text] = [((name, "strong"),), *backup_lines(record, store, now, width)]
        storage = store.storages.get(record.storage_id)
        if storage is not None and storage.away_reason is not None:
            words = f"The storage {storage.id} cannot be used now ({storage.away_reason})."
            lines += cause(words, storage.next_step, width, "bad")
        return lines + (self._preview(record, store, width) if self._log.is_shown else [])

    def _preview(self, record: BackupExecution, store: Store, width: int) -> list[Text]:
        """Return what becomes of the snapshot, and cause and log of its run."""
        cronjob = store.cronjob(record.cronjob_id)
        plan = self._retention.plan(cronjob, store) if cronjob is not None else None
        lines = previews.snapshot_lines(record, cronjob, plan, waiting_lines(self.context, width), width)
        run = store.executions.get(record.cronjob_execution_id)
        if run is not None:
            lines += [(), (("RUN   ", "title"), state(run.status), (f"  {run.job or run.cronjob}", ""))]
            lines += cause(run.message, run.next_step, width, state(run.status)[1])
        return lines + self._log.lines(run, width)

    def begin_again(self) -> None:
        """Put the cursor on the newest snapshot that is shown: most restores are of that one."""
        if not self._records or self.table.marks:
            return
        moments = [record.created_at for record in self._records]
        newest = moments.index(max(moments))
        self.table.go(newest)
        self.table.follows = newest > 0

    def copy_text(self, record: BackupExecution) -> str:
        return record.result.snapshot_id if record.result else record.id

    async def load(self) -> None:
        await self.read_backups()

    async def read_backups(self) -> None:
        await self.context.reader.read_older_backups()

    def refusal(self, action: Action) -> str:
        backup = self.subject()
        if backup is None:
            return ""
        if action == actions.OPEN_RUN and not backup.cronjob_execution_id:
            return "It was started by hand and belongs to no run; y shows its record."
        cronjob = self.store.cronjob(backup.cronjob_id)
        if action == actions.DRILL and (cronjob is None or cronjob.policy is None):
            name = self.store.label(backup.namespace, backup.cronjob)
            return f"{name} has no policy any more; v verifies this snapshot."
        return ""

    @handles(actions.CHOOSE)
    def show_files(self) -> None:
        """Show the files of the snapshot."""
        if (backup := self.subject()) is not None:
            self.context.enter("files", f"{backup.id} /")

    @handles(actions.RESTORE)
    def ask_restore(self) -> None:
        """Ask where to restore the whole snapshot."""
        if (backup := self.subject()) is not None:
            open_restore_form(self.context, backup.id, ())

    @handles(actions.VERIFY)
    def verify(self) -> None:
        """Restore the snapshot to scratch space and compare it."""
        if (backup := self.subject()) is not None:
            self.changes.verify(backup)

    @handles(actions.PIN)
    def toggle_pin(self) -> None:
        """Pin the marked backups, or the one under the cursor, or unpin them."""
        self.changes.toggle_pin(self.targets())

    @handles(actions.DRILL)
    def start_drill(self) -> None:
        """Start a drill of the CronJob's policy, after a question that says of which snapshot."""
        if (backup := self.subject()) is None:
            return
        name = self.store.label(backup.namespace, backup.cronjob)
        question = f"Drill {name}? That restores its newest good snapshot; v verifies the one of this row."
        self.context.ask(YesNoPrompt(question, partial(self.changes.drill, backup)))

    @handles(actions.DIFF)
    def compare(self) -> None:
        """Compare two marked snapshots, or the one under the cursor with the CronJob's one before it."""
        targets = self.targets()
        if len(targets) == 1:
            earlier = [
                backup
                for backup in self.records(self.store)
                if backup.cronjob_id == targets[0].cronjob_id and backup.created_at < targets[0].created_at
            ]
            targets += sorted(earlier, key=attrgetter("created_at"))[-1:]
        if len(targets) != 2:
            self.context.tell("Mark two snapshots with space, then D compares them.")
            return
        older, newer = sorted(targets, key=attrgetter("created_at"))
        self.context.enter("diff", f"{older.id} {newer.id}")

    @handles(actions.RESTORES)
    def show_restores(self) -> None:
        """Show restores, verifications and drills."""
        self.context.enter("restores")

    @handles(actions.OPEN_RUN)
    def show_run(self) -> None:
        """Show the run that the snapshot belongs to."""
        backup = self.subject()
        if backup is not None and backup.cronjob_execution_id:
            self.context.enter("run", backup.cronjob_execution_id)

    @handles(actions.YAML)
    def show_yaml(self) -> None:
        """Show the backup's record as YAML."""
        if (backup := self.subject()) is not None:
            self.context.enter("yaml", f"backup {backup.id}")
