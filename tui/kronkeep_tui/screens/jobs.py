"""The first view: every CronJob, live."""

from datetime import UTC, datetime

from textual.widget import Widget

from kronkeep_common.models import CronJob
from kronkeep_tui import actions, rows
from kronkeep_tui.screens.base import BaseScreen
from kronkeep_tui.screens.form import FormScreen
from kronkeep_tui.screens.runs import RunsScreen
from kronkeep_tui.store import Store
from kronkeep_tui.widgets.row_table import RowTable

EMPTY = "  No CronJob yet. Press n to create the first one, with its backup."


class JobsScreen(BaseScreen):
    """CronJobs, one row each."""

    WHERE = actions.JOBS
    BINDINGS = actions.bindings(actions.JOBS)

    def crumbs(self) -> str:
        """Where we are."""
        return "Jobs"

    def body(self) -> list[Widget]:
        """The table."""
        table = RowTable(rows.JOB_COLUMNS, EMPTY, id="jobs")
        table.add_class("body")
        return [table]

    def show(self, store: Store) -> None:
        """Shows the CronJobs."""
        super().show(store)
        now = datetime.now(UTC)
        self.query_one(RowTable).show([rows.job_row(cronjob, store, now) for cronjob in store.cronjobs])

    def _chosen(self) -> CronJob | None:
        key = self.query_one(RowTable).key
        found = (c for c in self.kronkeep.store.cronjobs if f"{c.namespace}/{c.name}" == key)
        return next(found, None)

    def on_row_table_chosen(self) -> None:
        """Shows the CronJob's runs."""
        if (cronjob := self._chosen()) is not None:
            self.app.push_screen(RunsScreen(cronjob))

    def action_trigger(self) -> None:
        """Runs the CronJob under the cursor."""
        if (cronjob := self._chosen()) is not None:
            question = f"Run {cronjob.namespace}/{cronjob.name} now? y/n"
            self.confirm(question, "y", lambda: self.kronkeep.trigger(cronjob))

    def action_suspend(self) -> None:
        """Suspends or resumes it."""
        if (cronjob := self._chosen()) is not None:
            word = "Resume" if cronjob.suspended else "Suspend"
            question = f"{word} {cronjob.namespace}/{cronjob.name}? y/n"
            self.confirm(question, "y", lambda: self.kronkeep.toggle(cronjob))

    def action_back_up(self) -> None:
        """Backs it up now."""
        if (cronjob := self._chosen()) is not None:
            question = f"Back up {cronjob.namespace}/{cronjob.name} now? y/n"
            self.confirm(question, "y", lambda: self.kronkeep.back_up(cronjob))

    def action_delete(self) -> None:
        """Deletes it, once its name is typed."""
        if (cronjob := self._chosen()) is not None:
            question = f"Delete {cronjob.namespace}/{cronjob.name}? Type {cronjob.name} and enter:"
            self.confirm(question, cronjob.name, lambda: self.kronkeep.delete(cronjob))

    def action_create(self) -> None:
        """Opens the form."""
        self.app.push_screen(FormScreen())
