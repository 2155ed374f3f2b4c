"""The runs of one CronJob, and one run's page."""

from datetime import UTC, datetime

from textual.widget import Widget

from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import CronJob
from kronkeep_common.text import clean
from kronkeep_tui import actions, rows
from kronkeep_tui.screens.base import BaseScreen
from kronkeep_tui.store import Store, backup_of, runs_of
from kronkeep_tui.widgets.lines import Line
from kronkeep_tui.widgets.row_table import Column, Row, RowTable

LOG_LINES = 5000
HEAD_LINES = 7


class RunsScreen(BaseScreen):
    """Runs, newest first."""

    WHERE = actions.RUNS
    BINDINGS = actions.bindings(actions.RUNS)

    def __init__(self, cronjob: CronJob) -> None:
        super().__init__()
        self._cronjob = cronjob

    def crumbs(self) -> str:
        """Where we are."""
        return f"Jobs > {self._cronjob.name}  ({self._cronjob.schedule_text})"

    def body(self) -> list[Widget]:
        """The table."""
        table = RowTable(rows.RUN_COLUMNS, "  No run yet.", id="runs")
        table.add_class("body")
        return [table]

    def show(self, store: Store) -> None:
        """Shows the runs."""
        super().show(store)
        now = datetime.now(UTC)
        found = runs_of(store, self._cronjob.id)
        self.query_one(RowTable).show([rows.run_row(run, store, now) for run in found])

    def on_row_table_chosen(self, event: RowTable.Chosen) -> None:
        """Shows one run."""
        self.app.push_screen(RunScreen(self._cronjob, event.key))

    def action_trigger(self) -> None:
        """Runs the CronJob again."""
        self.confirm(f"Run {self._cronjob.name} now? y/n", "y", lambda: self.kronkeep.trigger(self._cronjob))

    def action_back_up(self) -> None:
        """Backs it up now."""
        self.confirm(
            f"Back up {self._cronjob.name} now? y/n", "y", lambda: self.kronkeep.back_up(self._cronjob)
        )


class RunScreen(BaseScreen):
    """One run: its linked backup, its cause in words, its log, live or kept."""

    WHERE = actions.RUN
    BINDINGS = actions.bindings(actions.RUN)
    CSS = BaseScreen.CSS + f"\n#head {{ height: {HEAD_LINES}; }}"

    def __init__(self, cronjob: CronJob, run_id: str) -> None:
        super().__init__()
        self._cronjob = cronjob
        self._run_id = run_id
        self._lines: list[Row] = []

    def crumbs(self) -> str:
        """Where we are."""
        return f"Jobs > {self._cronjob.name} > run {self._run_id[:8]}"

    def body(self) -> list[Widget]:
        """Head and log."""
        log = RowTable((Column("LOG", 200),), "  No line yet.", id="log")
        log.add_class("body")
        return [*(Line(id=f"head-{i}") for i in range(HEAD_LINES)), log]

    def on_mount(self) -> None:
        """Fills the head and begins to read the log."""
        super().on_mount()
        self.run_worker(self._follow(), name="log", group="log", exclusive=True, exit_on_error=False)

    def show(self, store: Store) -> None:
        """Shows the run and its backup."""
        super().show(store)
        run = store.executions.get(self._run_id)
        if run is None:
            return
        lines = rows.run_lines(run, backup_of(store, run), datetime.now(UTC))
        for number in range(HEAD_LINES):
            self.query_one(f"#head-{number}", Line).say(lines[number] if number < len(lines) else "")

    async def _follow(self) -> None:
        rest = b""
        try:
            async for chunk in self.kronkeep.client.log(self._run_id, follow=True):
                *whole, rest = (rest + chunk).split(b"\n")
                self._add(whole)
        except KronkeepError as error:
            self.tell(f"{error.message} [{error.code}]")
        self._add([b"-- end of log --"])

    def _add(self, lines: list[bytes]) -> None:
        for line in lines:
            text = clean(line.decode(errors="replace"), 1000)
            self._lines.append(Row(str(len(self._lines)), (text,)))
        table = self.query_one("#log", RowTable)
        table.show(self._lines[-LOG_LINES:])

    def action_trigger(self) -> None:
        """Runs the CronJob again."""
        self.confirm(f"Run {self._cronjob.name} now? y/n", "y", lambda: self.kronkeep.trigger(self._cronjob))
