"""What a restore would do, before it is begun."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from kronkeep_common.models import RestorePlan, RestoreRequest
from kronkeep_tui.actions import ANY, PAGE, Action
from kronkeep_tui.pages.restores import plan_lines
from kronkeep_tui.prompt import confirm
from kronkeep_tui.restore_target_line import written
from kronkeep_tui.store import Store
from kronkeep_tui.views.files import ask
from kronkeep_tui.views.page_view import PageView
from kronkeep_tui.widgets.cells import Text


class PlanView(PageView):
    """`of` is the backup's id and, after a space, the request in JSON."""

    SCOPES = ("plan", PAGE, ANY)

    def __init__(self, of: str = "") -> None:
        super().__init__(of)
        self.backup_id, _, text = of.partition(" ")
        self._request = msgspec.json.decode(text, type=RestoreRequest)
        self._plan: RestorePlan | None = None

    def crumb(self, store: Store) -> str:
        """What it is."""
        return "plan"

    def lines(self, store: Store, now: datetime, width: int) -> Sequence[Text]:
        """The plan."""
        if self._plan is None:
            return [(("Looking at the snapshot and at the target ...", "quiet"),)]
        found = plan_lines(self._plan, self._request.include, width)
        begins = "" if self._plan.refusal else "enter begins it, "
        return [*found, (), ((f"{begins}r names another target, esc leaves it.", ""),)]

    async def load(self) -> None:
        """Asks for the plan as it would be once the CronJob's name is typed."""
        client = self.kronkeep.client
        if self._request.target.kind == "in-place":
            backup = await client.backup(self.backup_id)
            self._request = msgspec.structs.replace(self._request, confirm=backup.cronjob)
        self._plan = await client.plan_restore(self.backup_id, self._request)
        self.again()

    def do_resync(self) -> None:
        """Asks again."""
        self.kronkeep.attempt(self.load(), "plan")

    def refusal(self, action: Action) -> str:
        """A restore begins with a plan that the daemon accepts."""
        if action.name != "begin":
            return ""
        if self._plan is None:
            return "The plan is not there yet."
        return self._plan.refusal or ""

    def do_retarget(self) -> None:
        """Asks for the target again, as it was written."""
        ask(self, self.backup_id, self._request.include, written(self._request))

    def do_begin(self) -> None:
        """Begins the restore, once the CronJob's name is typed where files are overwritten in place."""
        plan = self._plan
        if plan is None:
            return
        question = f"Restore {plan.files} files, {plan.overwritten} of them overwritten?"
        begin = lambda: self.kronkeep.attempt(self._begin(), "restore")  # noqa: E731
        self.frame.ask(confirm(question, plan.confirm or "y", begin))

    async def _begin(self) -> None:
        restore = await self.kronkeep.client.restore(self.backup_id, self._request)
        self.kronkeep.reader.resync()
        if self.frame.view is self:
            self.frame.instead("restored", restore.id)
