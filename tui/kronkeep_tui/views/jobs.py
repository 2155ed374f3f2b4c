"""The Jobs view: every CronJob."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import CronJob
from kronkeep_common.natural_order import NaturalKey, natural_key
from kronkeep_tui import actions, hold_line
from kronkeep_tui.actions import Action, Scope, handles
from kronkeep_tui.context import Context
from kronkeep_tui.navigation import Place
from kronkeep_tui.pages import clusters
from kronkeep_tui.pages import jobs as page
from kronkeep_tui.pages import runs as runs_page
from kronkeep_tui.pages.status_words import FAULTS, UNENDED, last_outcome, present_state
from kronkeep_tui.prompt import LinePrompt, name_prompt
from kronkeep_tui.shell_commands import line_of_edit
from kronkeep_tui.store import Store
from kronkeep_tui.views.cronjob_table import CronJobTableView
from kronkeep_tui.views.log_preview import LogPreview
from kronkeep_tui.views.name_columns import cronjob_name, namespace_of
from kronkeep_tui.views.run_groups import RunGroups
from kronkeep_tui.views.sort_orders import SortOrder, moment_key, name_key, number_key
from kronkeep_tui.widgets.cells import Text
from kronkeep_tui.widgets.row_table import TableRow

_SEVERITIES = {"FAIL": 0, "MISS": 1, "late": 2, "?": 3, "run": 4}  # of states; any other comes last


def _next_run_key(cronjob: CronJob) -> float:
    return cronjob.next_at.timestamp() if cronjob.next_at and not cronjob.suspended else float("inf")


def _severity(cronjob: CronJob) -> int:
    outcome = _SEVERITIES.get(last_outcome(cronjob), len(_SEVERITIES))
    return min(outcome, _SEVERITIES.get(present_state(cronjob), len(_SEVERITIES)))


def _natural_order_key(cronjob: CronJob) -> tuple[int, NaturalKey, NaturalKey]:
    """Sort failures first, then by namespace and name; a run that begins moves no row."""
    severity = min(_severity(cronjob), _SEVERITIES["run"])
    return severity, natural_key(cronjob.namespace), natural_key(cronjob.name)


class JobsView(CronJobTableView):
    """CronJobs, a row each."""

    SCOPES = (Scope.JOBS, Scope.TABLE, Scope.ANY)
    COLUMNS = page.COLUMNS
    NAME_COLUMNS = {"NAMESPACE": namespace_of, "NAME": cronjob_name}
    CLUSTER_COLUMN_INDEX = 2
    EMPTY_LINES = (
        "No CronJob yet.",
        "",
        "n  creates the first one, with its backup",
        "?  shows every key of this view",
    )
    SORT_ORDERS = {
        "s": SortOrder("state", _severity),
        "a": SortOrder("name", name_key("name", "namespace")),
        "n": SortOrder("namespace", name_key("namespace", "name")),
        "x": SortOrder("next", _next_run_key),
        "l": SortOrder("last", moment_key("last_started_at"), True),
        "d": SortOrder("duration", number_key("last_duration_seconds"), True),
        "g": SortOrder("last good backup", moment_key("last_good_backup_at")),
    }
    SORT_FIELDS = {
        "a": "name",
        "n": "namespace",
        "x": "next_at",
        "l": "last_started_at",
        "d": "last_duration_seconds",
        "g": "last_good_backup_at",
    }

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        self._refused_texts: dict[str, bytes] = {}  # by CronJob: what was written in the editor
        self._preview = LogPreview(context, self.show_detail)
        self._groups = RunGroups()

    def crumb(self, store: Store) -> str:
        return "Jobs"

    def show(self, store: Store, now: datetime) -> None:
        is_wide = self.context.view_size.width >= runs_page.WITH_USUAL
        if is_wide:
            self._groups.update(store)
        else:
            self._groups.clear()
        super().show(store, now)

    def records(self, store: Store) -> Sequence[CronJob]:
        return sorted(store.cronjobs, key=_natural_order_key)

    def version(self, store: Store) -> object:
        return store.cronjobs

    def row_of(self, record: CronJob, store: Store, now: datetime) -> TableRow:
        return page.row(record, store, now, self._groups.runs_of(record.id))

    def is_faulty(self, record: CronJob) -> bool:
        """Return whether it failed, missed a run, is late, or has a policy that cannot be applied."""
        ended = [status for status in record.recent if status not in UNENDED]
        has_failed = bool(ended) and ended[-1] in FAULTS
        return has_failed or record.late_since is not None or record.policy_fault is not None

    def detail_lines(self, record: CronJob, store: Store, now: datetime, width: int) -> list[Text]:
        run = store.executions.get(record.last_execution_id)
        return [*page.detail(record, store, now, width), *self._preview.lines(run, width)]

    def refusal(self, action: Action) -> str:
        claims = [c for c in self.targets() if c.is_claim]
        if claims and action in (
            actions.TRIGGER,
            actions.SUSPEND,
            actions.DELETE,
            actions.CLONE,
            actions.LOG,
        ):
            return f"{clusters.label(claims[0], self.store)} is a claim: it has a policy and no runs."
        if action == actions.BACK_UP and (bare := [c for c in self.targets() if c.policy is None]):
            return f"{clusters.label(bare[0], self.store)} has no backup policy: e edits it."
        return ""

    @handles(actions.HISTORY)
    def show_history(self) -> None:
        """Show the CronJob's past."""
        if (cronjob := self.subject()) is not None:
            self.context.enter("history", cronjob.id)

    @handles(actions.LOG)
    def show_newest_log(self) -> None:
        """Show the log of the newest run."""
        cronjob = self.subject()
        if cronjob is not None and cronjob.last_execution_id:
            self.context.enter("run", cronjob.last_execution_id)
        else:
            self.context.tell("It has not run yet, so there is no log.")

    @handles(actions.CLONE)
    def open_copy_form(self) -> None:
        """Open the form with a copy of the CronJob."""
        if (cronjob := self.subject()) is not None:
            self.context.enter("form", f"copy {self.copy_text(cronjob)}@{cronjob.cluster}")

    @handles(actions.EDIT)
    def edit_in_editor(self) -> None:
        """Open the CronJob in the user's editor."""
        if (cronjob := self.subject()) is not None:
            self.context.start_work(self._edit(cronjob), "edit")

    async def _edit(self, cronjob: CronJob) -> None:
        from kronkeep_tui import editor

        client = self.context.client.for_cluster(cronjob.cluster)
        edited = await editor.open_for_editing(client, cronjob.namespace, cronjob.name)
        if cronjob.id in self._refused_texts:
            edited.path.write_bytes(self._refused_texts[cronjob.id])
        with self.app.suspend():
            code = editor.run_editor(edited.path)
        text = edited.path.read_bytes()
        try:
            is_changed = await edited.submit(client, code)
        except KronkeepError:
            self._refused_texts[cronjob.id] = text  # E opens what was written again
            raise
        self._refused_texts.pop(cronjob.id, None)
        if is_changed:
            self.context.last_change = (
                line_of_edit(
                    f"{cronjob.namespace}/{cronjob.name}", self.store.cluster_option(cronjob.cluster)
                ),
            )
            self.context.tell(f"Changed {cronjob.namespace}/{cronjob.name}.", "ok")
        else:
            self.context.tell("Nothing was changed.", "quiet")

    @handles(actions.TRIGGER)
    def ask_trigger(self) -> None:
        """Run the CronJobs now, after a question."""
        self.confirm_for_cronjobs("Run now", self.targets(), self.changes.trigger)

    @handles(actions.SUSPEND)
    def ask_suspend(self) -> None:
        """Suspend the CronJobs, or resume them, after a question."""
        verb = "Resume" if self.targets()[0].suspended else "Suspend"
        self.confirm_for_cronjobs(verb, self.targets(), self.changes.toggle_suspension)

    @handles(actions.MAINTAIN)
    def ask_maintenance(self) -> None:
        """Ask which CronJobs shall be suspended, beginning with those that are shown, how long and why."""
        shown = " ".join(filter(None, (self._namespace_term(), self.filter_text))) or "all"
        accept = self._start_maintenance
        question = actions.MAINTENANCE_QUESTION
        self.context.ask(
            LinePrompt("Maintenance: ", accept, question=question, text=f"{shown} for 4h because ")
        )

    def _namespace_term(self) -> str:
        return f"ns:{self.context.namespace}" if self.context.namespace else ""

    def _start_maintenance(self, line: str) -> None:
        request = hold_line.parse_maintenance(line)
        self.context.start_work(self.changes.start_maintenance(request), "maintenance")

    @handles(actions.BACK_UP)
    def ask_back_up(self) -> None:
        """Back up the CronJobs now, after a question."""
        self.confirm_for_cronjobs("Back up now", self.targets(), self.changes.back_up)

    @handles(actions.DELETE)
    def ask_delete(self) -> None:
        """Delete the CronJob once its name is typed."""
        cronjob = self.subject()
        if cronjob is not None:
            question = f"Delete {clusters.label(cronjob, self.store)}? Its history stays."
            self.context.ask(name_prompt(question, cronjob.name, partial(self.changes.delete, cronjob)))
