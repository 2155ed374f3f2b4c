"""What a policy's retention would remove now, what stays and why; and the approval where it waits for one."""

from collections.abc import Sequence
from datetime import datetime

from kronkeep_common.models import CronJob, RetentionPlan
from kronkeep_tui.actions import ANY, PAGE, Action
from kronkeep_tui.pages.retention import plan_lines
from kronkeep_tui.prompt import confirm
from kronkeep_tui.store import Store
from kronkeep_tui.views.page_view import PageView
from kronkeep_tui.widgets.cells import Text


class RetentionView(PageView):
    """`of` is the id of the CronJob that carries the policy."""

    SCOPES = ("retention", PAGE, ANY)

    def __init__(self, of: str = "") -> None:
        super().__init__(of)
        self._plan: RetentionPlan | None = None

    def crumb(self, store: Store) -> str:
        """What it is."""
        cronjob = self._cronjob(store)
        return f"retention of {cronjob.name}" if cronjob else "retention"

    def _cronjob(self, store: Store) -> CronJob | None:
        return next((c for c in store.cronjobs if c.id == self.of), None)

    def lines(self, store: Store, now: datetime, width: int) -> Sequence[Text]:
        """The plan."""
        cronjob = self._cronjob(store)
        if cronjob is None or cronjob.policy is None:
            return [(("The CronJob or its policy is gone.", "quiet"),)]
        if self._plan is None:
            return [(("Asking what would go ...", "quiet"),)]
        return plan_lines(self._plan, cronjob, now, width)

    async def load(self) -> None:
        """Asks for the plan; it is not asked again by itself, for one approves what one has seen."""
        cronjob = self._cronjob(self.kronkeep.reader.store)
        if cronjob is not None and cronjob.policy is not None:
            self._plan = await self.kronkeep.client.on(cronjob.cluster).retention(cronjob.policy.id)
            self.again()

    def do_resync(self) -> None:
        """Asks again."""
        self.kronkeep.attempt(self.load(), "retention")

    def refusal(self, action: Action) -> str:
        """Only removals that wait are approved."""
        if action.name != "approve":
            return ""
        if self._plan is None:
            return "The plan is not there yet."
        return "" if self._plan.blocked_by is not None else "Nothing waits for an approval."

    def do_approve(self) -> None:
        """Approves exactly what the page shows, once the CronJob's name is typed."""
        plan = self._plan
        cronjob = self._cronjob(self.kronkeep.reader.store)
        if plan is None or cronjob is None:
            return
        question = f"Remove {len(plan.remove)} snapshots for good?"
        approve = lambda: self.kronkeep.attempt(self._approve(cronjob, plan), "approve")  # noqa: E731
        self.frame.ask(confirm(question, cronjob.name, approve))

    async def _approve(self, cronjob: CronJob, plan: RetentionPlan) -> None:
        self.frame.tell(f"{len(plan.remove)} snapshots are being removed.", "quiet")
        await self.kronkeep.client.on(cronjob.cluster).approve_retention(plan.policy_id, plan.token)
        self.frame.tell(f"{len(plan.remove)} snapshots are removed; pruning gives their space back.")
        await self.load()
