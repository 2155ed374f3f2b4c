"""What a policy's retention would remove now, what stays and why; and the approval of the removals."""

from collections.abc import Sequence
from datetime import datetime

from kronkeep_common.models import CronJob, RetentionPlan
from kronkeep_tui import actions
from kronkeep_tui.actions import Action, Scope, handles
from kronkeep_tui.context import Context
from kronkeep_tui.navigation import Place
from kronkeep_tui.pages import clusters
from kronkeep_tui.pages.retention import plan_lines
from kronkeep_tui.prompt import name_prompt
from kronkeep_tui.store import Store
from kronkeep_tui.views.page_view import PageView
from kronkeep_tui.widgets.cells import Text


class RetentionView(PageView):
    """The retention of the policy whose CronJob's id is the argument."""

    SCOPES = (Scope.RETENTION, Scope.PAGE, Scope.ANY)

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        self._plan: RetentionPlan | None = None

    def crumb(self, store: Store) -> str:
        cronjob = self._cronjob(store)
        return f"retention of {cronjob.name}" if cronjob else "retention"

    def _cronjob(self, store: Store) -> CronJob | None:
        return next((c for c in store.cronjobs if c.id == self.argument), None)

    def lines(self, store: Store, now: datetime, width: int) -> Sequence[Text]:
        cronjob = self._cronjob(store)
        if cronjob is None or cronjob.policy is None:
            return [(("The CronJob or its policy is gone.", "quiet"),)]
        if self._plan is None:
            return [(("Fetching the plan ...", "quiet"),)]
        return plan_lines(self._plan, cronjob, now, width)

    async def load(self) -> None:
        """Fetch the plan; it is not fetched again by itself, as people approve what they have read."""
        cronjob = self._cronjob(self.store)
        if cronjob is not None and cronjob.policy is not None:
            self._plan = await self.context.client.for_cluster(cronjob.cluster).policies.retention(
                cronjob.policy.id, cronjob.namespace
            )
            self.update()

    @handles(actions.RESYNC)
    def reload(self) -> None:
        """Fetch the plan again."""
        self.context.start_work(self.load(), "retention")

    def refusal(self, action: Action) -> str:
        if action != actions.APPROVE:
            return ""
        if self._plan is None:
            return "The plan has not been fetched yet."
        return "" if self._plan.blocked_by is not None else "Nothing waits for an approval."

    @handles(actions.APPROVE)
    def ask_approval(self) -> None:
        """Approve exactly the removals that the page shows, once the CronJob's name is typed."""
        plan = self._plan
        cronjob = self._cronjob(self.store)
        if plan is None or cronjob is None:
            return
        name = clusters.label(cronjob, self.store)
        question = f"Remove {len(plan.remove)} snapshots of {name} for good?"

        def approve() -> None:
            self.context.start_work(self._approve(cronjob, plan), "approve")

        self.context.ask(name_prompt(question, cronjob.name, approve))

    async def _approve(self, cronjob: CronJob, plan: RetentionPlan) -> None:
        self.context.tell(f"{len(plan.remove)} snapshots are being removed.", "quiet")
        await self.context.client.for_cluster(cronjob.cluster).policies.approve_retention(
            plan.policy_id, plan.token, cronjob.namespace
        )
        self.context.tell(f"{len(plan.remove)} snapshots were removed; pruning frees their space.")
        await self.load()
