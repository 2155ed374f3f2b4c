"""What a restore would do, before it begins."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from kronkeep_common.models import RestorePlan, RestoreRequest
from kronkeep_tui import actions
from kronkeep_tui.actions import Action, Scope, handles
from kronkeep_tui.context import Context
from kronkeep_tui.navigation import Place
from kronkeep_tui.pages.restores import plan_lines
from kronkeep_tui.pages.status_words import count_words
from kronkeep_tui.prompt import YesNoPrompt, name_prompt
from kronkeep_tui.restore_target_line import to_line
from kronkeep_tui.store import Store
from kronkeep_tui.views.files import ask_restore_target
from kronkeep_tui.views.page_view import PageView
from kronkeep_tui.widgets.cells import Text


class PlanView(PageView):
    """The plan of a restore; the argument is the backup's id, a space and the request as JSON."""

    SCOPES = (Scope.PLAN, Scope.PAGE, Scope.ANY)
    RETRY_HINT = "r changes the target, ctrl+r looks again, esc goes back."

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        self.backup_id, _, text = place.argument.partition(" ")
        self._request = msgspec.json.decode(text, type=RestoreRequest)
        self._plan: RestorePlan | None = None

    def crumb(self, store: Store) -> str:
        return "plan"

    def lines(self, store: Store, now: datetime, width: int) -> Sequence[Text]:
        if self._plan is None:
            return [(("Looking at the snapshot and at the target ...", "quiet"),)]
        lines = plan_lines(self._plan, self._request.include, width)
        begins = "" if self._plan.refusal else "enter begins the restore, "
        return [*lines, (), ((f"{begins}r changes the target, esc goes back.", ""),)]

    async def load(self) -> None:
        """Fetch the plan as it would be once the CronJob's name is typed."""
        client = self.context.client
        if self._request.target.kind == "in-place":
            backup = await client.backups.get(self.backup_id)
            self._request = msgspec.structs.replace(self._request, confirm=backup.cronjob)
        self._plan = await client.backups.plan_restore(self.backup_id, self._request)
        self.update()

    @handles(actions.RESYNC)
    def reload(self) -> None:
        """Fetch the plan again."""
        self.context.start_work(self.read(), "plan")

    def refusal(self, action: Action) -> str:
        if action != actions.BEGIN:
            return ""
        if self.load_error is not None:
            return f"{self.load_error.message} r changes the target."
        if self._plan is None:
            return "The plan has not been fetched yet."
        refusal = self._plan.refusal or ""
        return f"{refusal} r changes the target." if refusal else ""

    @handles(actions.RETARGET)
    def ask_target(self) -> None:
        """Ask for another target, beginning with this one."""
        ask_restore_target(self.context, self.backup_id, self._request.include, to_line(self._request))

    @handles(actions.BEGIN)
    def ask_begin(self) -> None:
        """Begin the restore after a question; in place, once the CronJob's name is typed."""
        plan = self._plan
        if plan is None:
            return
        question = f"Restore {count_words(plan.files, 'file')}, {plan.overwritten} of them overwritten?"
        if plan.type_changes:
            question = f"{question[:-1]}, {plan.type_changes} of another type and {plan.removed} more gone?"
        if plan.confirm:
            self.context.ask(name_prompt(question, plan.confirm, self._start_restore))
        else:
            self.context.ask(YesNoPrompt(question, self._start_restore))

    def _start_restore(self) -> None:
        self.context.start_work(self._begin(), "restore")

    async def _begin(self) -> None:
        restore = await self.context.client.backups.restore(self.backup_id, self._request)
        if self.is_in_front:
            self.context.replace("restore_page", restore.id)
