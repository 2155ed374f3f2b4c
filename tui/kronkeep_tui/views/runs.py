"""The Runs view: all runs, or one CronJob's; older ones are read when the cursor comes near the end."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from operator import attrgetter

from kronkeep_common.models import CronJob, CronJobExecution
from kronkeep_common.text import count_words
from kronkeep_tui import actions
from kronkeep_tui.actions import Action, Scope, handles
from kronkeep_tui.context import Context
from kronkeep_tui.navigation import Place
from kronkeep_tui.pages import clusters
from kronkeep_tui.pages import runs as page
from kronkeep_tui.pages.status_words import FAULTS
from kronkeep_tui.prompt import YesNoPrompt
from kronkeep_tui.store import Store, backup_of, runs_of
from kronkeep_tui.views.log_preview import LogPreview
from kronkeep_tui.views.name_columns import name_of_its_cronjob, namespace_of
from kronkeep_tui.views.run_groups import RunGroups
from kronkeep_tui.views.sort_orders import SortOrder, name_key, number_key
from kronkeep_tui.views.table_view import TableView
from kronkeep_tui.widgets.cells import Text
from kronkeep_tui.widgets.row_table import Column, TableRow

NEAR_END_ROWS = 200  # rows before the end at which the next page is read


def _fault_key(run: CronJobExecution) -> tuple[bool, str]:
    """Sort faults first, then by status."""
    return run.status not in FAULTS, run.status


_OF_CRONJOB = (actions.TRIGGER, actions.BACK_UP)  # can be done from a list that is empty


class RunsView(TableView[CronJobExecution]):
    """Runs, a row each; the argument is a CronJob's id, or empty for all."""

    SCOPES = (Scope.RUNS, Scope.TABLE, Scope.ANY)
    FILTER_KIND = "executions"
    COLUMNS = page.COLUMNS
    NAME_COLUMNS = {"NAMESPACE": namespace_of, "CRONJOB": name_of_its_cronjob}
    CLUSTER_COLUMN_INDEX = 3
    EMPTY_LINES = ("No run yet.",)
    SORT_ORDERS = {
        "s": SortOrder("state", _fault_key),
        "a": SortOrder("started", attrgetter("created_at"), True),
        "d": SortOrder("duration", number_key("duration_seconds"), True),
        "n": SortOrder("CronJob", name_key("cronjob", "namespace")),
    }
    SORT_FIELDS = {"a": "created_at", "d": "duration_seconds", "n": "cronjob"}

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        self._is_reading = False
        self._is_at_end = False
        self._newest_seen = ""
        self._preview = LogPreview(context, self.show_detail)
        self._groups = RunGroups()
        self._with_backups: tuple[object, object] = (None, None)
        self._failed_runs = 0  # of those that are shown, while only faults are

    @property
    def cronjob(self) -> CronJob | None:
        """The CronJob of the argument, None if it is gone or the view shows all runs."""
        return self.store.cronjob(self.argument) if self.argument else None

    def crumb(self, store: Store) -> str:
        if not self.argument:
            return "Runs"
        cronjob = store.cronjob(self.argument)
        if cronjob is None:
            runs = runs_of(store, self.argument)
            return store.label(runs[0].namespace, runs[0].cronjob) if runs else "a deleted CronJob"
        return store.label(cronjob.namespace, cronjob.name) + store.cluster_suffix(cronjob.cluster)

    def headline(self) -> Text:
        """Return the counts, and whether there are older runs that were not read yet."""
        headline = super().headline()
        if headline and self._records and not self._is_at_end:
            headline = (*headline[:1], (" and older", "quiet"), *headline[1:])
        return (*headline, *self._fault_counts(), *self._arrivals())

    def _arrivals(self) -> Text:
        """Return how many runs have come out of sight, above the first row that is shown."""
        ids = [run.id for run in self._records[: self.table.top]]
        if self.order or self._newest_seen not in ids:
            return ()
        fresh = self._records[: ids.index(self._newest_seen)]
        failed = sum(1 for run in fresh if run.status in FAULTS)
        if not fresh:
            return ()
        failures: Text = ((f", {failed} FAIL", "bad"),) if failed else ()
        return ((f"  {len(fresh)} new above", "warn"), *failures, (": g", "quiet"))

    def show(self, store: Store, now: datetime) -> None:
        if self._has_usual:
            self._groups.update(store)
        super().show(store, now)
        self._note_newest()

    def _note_newest(self) -> None:
        """Note the newest run while the first row is in sight."""
        if self.table.top == 0 and self._records:
            self._newest_seen = self._records[0].id

    def records(self, store: Store) -> Sequence[CronJobExecution]:
        return runs_of(store, self.argument) if self.argument else store.executions.newest()

    def version(self, store: Store) -> object:
        """Return the runs, and with faults only also the backups, as their faults count."""
        if not self.faults_only:
            return store.executions
        if self._with_backups[0] is not store.executions or self._with_backups[1] is not store.backups:
            self._with_backups = (store.executions, store.backups)
        return self._with_backups

    def row_of(self, record: CronJobExecution, store: Store, now: datetime) -> TableRow:
        others = self._groups.runs_of(record.cronjob_id) if self._has_usual else None
        return page.row(record, store, now, others)

    @property
    def _has_usual(self) -> bool:
        return self.context.view_size.width >= page.WITH_USUAL

    def columns_for_width(self, width: int) -> tuple[Column, ...]:
        return page.columns_at(width)

    def is_faulty(self, record: CronJobExecution) -> bool:
        """Return whether the run or the backup that was made for it has failed."""
        backup = backup_of(self.store, record)
        return record.status in FAULTS or (backup is not None and backup.status in FAULTS)

    def _select(self, store: Store, now: datetime) -> Sequence[CronJobExecution]:
        runs = super()._select(store, now)
        self._failed_runs = sum(run.status in FAULTS for run in runs) if self.faults_only else 0
        return runs

    def _fault_counts(self) -> Text:
        """Return how many of the shown faults are of runs, and how many of backups after good runs."""
        if not self.faults_only or not self._records:
            return ()
        backups = len(self._records) - self._failed_runs
        words = (
            f"{count_words(self._failed_runs, 'run')} failed, {count_words(backups, 'backup')} of good ones"
        )
        return ((f"  ({words})", "warn"),)

    def detail_lines(self, record: CronJobExecution, store: Store, now: datetime, width: int) -> list[Text]:
        return [*page.detail(record, store, now, width), *self._preview.lines(record, width)]

    def copy_text(self, record: CronJobExecution) -> str:
        return record.id

    async def load(self) -> None:
        await self._read_older()

    async def read_backups(self) -> None:
        if self.argument:
            await self.context.reader.read_older_backups(cronjob_id=self.argument)

    async def _read_older(self) -> None:
        if self._is_reading or self._is_at_end:
            return
        self._is_reading = True
        try:
            reader = self.context.reader
            self._is_at_end = await reader.read_older_runs(self.filter_text, cronjob_id=self.argument) == 0
            if not self._is_at_end:
                await self.read_backups()
        finally:
            self._is_reading = False
        if self._is_at_end:
            self.update()
        elif self.filter_text and self._is_near_end():
            self.context.start_work(self._read_older(), "older runs")

    def _is_near_end(self) -> bool:
        return self.table.cursor + NEAR_END_ROWS >= len(self.table.rows) and self.table.cursor > 0

    def on_row_table_cursor_moved(self) -> None:
        """Read older runs when the cursor comes near the last row."""
        self._note_newest()
        if self._is_near_end() and not self._is_reading and not self._is_at_end:
            self.context.start_work(self._read_older(), "older runs")

    def accept_filter(self, text: str) -> None:
        """Filter, and read matching runs that the store does not have."""
        super().accept_filter(text)
        self._is_at_end = False
        self.context.start_work(self._read_older(), "older runs")

    def move_to_end(self) -> None:
        """Move to the last row, and read older runs."""
        super().move_to_end()
        self.on_row_table_cursor_moved()

    @handles(actions.CHOOSE)
    def show_run(self) -> None:
        """Open the run under the cursor."""
        if (run := self.subject()) is not None:
            self.context.enter("run", run.id)

    @handles(actions.LOG)
    def show_log(self) -> None:
        """Show the run with its log."""
        self.show_run()

    @handles(actions.HISTORY)
    def show_history(self) -> None:
        """Show the CronJob's past."""
        if (run := self.subject()) is not None:
            self.context.enter("history", run.cronjob_id)

    @handles(actions.YAML)
    def show_yaml(self) -> None:
        """Show the record as YAML."""
        if (run := self.subject()) is not None:
            self.context.enter("yaml", f"execution {run.id}")

    @handles(actions.EVENTS)
    def show_events(self) -> None:
        """Show the Kubernetes Events of the run."""
        if (run := self.subject()) is not None:
            self.context.enter("events", run.id)

    @handles(actions.MANIFEST)
    def show_manifest(self) -> None:
        """Show the run's Job as YAML."""
        if (run := self.subject()) is not None:
            self.context.enter("yaml", f"manifest {run.id}")

    @handles(actions.COMPARE)
    def compare(self) -> None:
        """Compare two marked runs, or the one under the cursor with the one before it."""
        targets = self.targets()
        if len(targets) == 1:
            older = runs_of(self.store, targets[0].cronjob_id)
            place = next((n for n, run in enumerate(older) if run.id == targets[0].id), 0)
            targets += older[place + 1 : place + 2]
        if len(targets) != 2:
            self.context.tell("Mark two runs with space, then = compares them.")
            return
        early, late = sorted(targets, key=attrgetter("created_at"))
        self.context.enter("compare", f"{early.id} {late.id}")

    def why_not(self, action: Action) -> str:
        cronjob = self.cronjob
        if cronjob is None or self.subject() is not None or action not in _OF_CRONJOB:
            return super().why_not(action)
        if action == actions.BACK_UP and cronjob.policy is None:
            return f"{clusters.label(cronjob, self.store)} has no backup policy."
        return super().why_not(action._replace(needs_row=False))

    def refusal(self, action: Action) -> str:
        run = self.subject()
        if action in (actions.TRIGGER, actions.BACK_UP) and run is not None:
            cronjob = self.store.cronjob(run.cronjob_id)
            if cronjob is None:
                return f"The CronJob {run.namespace}/{run.cronjob} no longer exists."
            if action == actions.BACK_UP and cronjob.policy is None:
                return f"{clusters.label(cronjob, self.store)} has no backup policy."
        if action == actions.CANCEL and self.targets() and not self._stoppable_runs():
            return "Only a run that has not ended can be stopped."
        return ""

    def _stoppable_runs(self) -> list[CronJobExecution]:
        return [run for run in self.targets() if run.status in ("running", "pending")]

    def _cronjob(self) -> CronJob | None:
        run = self.subject()
        return self.store.cronjob(run.cronjob_id) if run else self.cronjob

    @handles(actions.TRIGGER)
    def ask_trigger(self) -> None:
        """Run the CronJob now, after a question."""
        if (cronjob := self._cronjob()) is not None:
            self.confirm_for_cronjobs("Run now", [cronjob], self.changes.trigger)

    @handles(actions.BACK_UP)
    def ask_back_up(self) -> None:
        """Back up the CronJob now, after a question."""
        if (cronjob := self._cronjob()) is not None:
            self.confirm_for_cronjobs("Back up now", [cronjob], self.changes.back_up)

    @handles(actions.CANCEL)
    def ask_cancel(self) -> None:
        """Stop the marked runs, or the one under the cursor, after a question."""
        runs = self._stoppable_runs()
        name = page.label(runs[0]) if len(runs) == 1 else f"{len(runs)} runs"
        self.context.ask(YesNoPrompt(f"Stop {name}?", partial(self.changes.cancel, runs)))
