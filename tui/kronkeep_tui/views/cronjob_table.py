"""The base of views with a CronJob in each row."""

from kronkeep_common.models import CronJob
from kronkeep_tui import actions
from kronkeep_tui.actions import handles
from kronkeep_tui.views.table_view import TableView


def full_name(cronjob: CronJob) -> str:
    """Return what the form and its YAML take for a CronJob."""
    return f"{cronjob.namespace}/{cronjob.name}@{cronjob.cluster}"


class CronJobTableView(TableView[CronJob]):
    """CronJobs as rows; a row opens its runs, its YAML or its form."""

    FILTER_KIND = "cronjobs"

    def form_target(self, cronjob: CronJob) -> str:
        """Return where the form opens, as the argument of its view says it: at its beginning."""
        return "edit"

    def copy_text(self, record: CronJob) -> str:
        return f"{record.namespace}/{record.name}"

    def names_of(self, record: CronJob) -> tuple[str, ...]:
        return (record.id, record.name, self.copy_text(record))

    @handles(actions.CHOOSE)
    def show_runs(self) -> None:
        """Show the CronJob's runs."""
        if (cronjob := self.subject()) is not None:
            self.context.enter("runs", cronjob.id)

    @handles(actions.YAML)
    def show_yaml(self) -> None:
        """Show the CronJob with its policy as YAML."""
        if (cronjob := self.subject()) is not None:
            self.context.enter("yaml", f"cronjob {full_name(cronjob)}")

    @handles(actions.CREATE)
    def open_new_form(self) -> None:
        """Open the form for a new CronJob with its policy."""
        self.context.enter("form")

    @handles(actions.FORM)
    def open_form(self) -> None:
        """Open the CronJob with its policy in the form, at the view's part of it."""
        if (cronjob := self.subject()) is not None:
            self.context.enter("form", f"{self.form_target(cronjob)} {full_name(cronjob)}")
