"""What a policy's retention would remove now, what stays and why; and the approval of the removals.

The policy is that of a CronJob, or one that no CronJob carries any more: nothing is removed by itself then.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from kronkeep_common.errors import PreconditionFailed
from kronkeep_common.models import RetentionPlan
from kronkeep_common.text import count_words
from kronkeep_tui import actions
from kronkeep_tui.actions import Action, Scope, handles
from kronkeep_tui.context import Context
from kronkeep_tui.navigation import Place
from kronkeep_tui.pages.retention import PlanOwner, plan_lines
from kronkeep_tui.prompt import name_prompt
from kronkeep_tui.shell_commands import lines_of_change
from kronkeep_tui.store import Store
from kronkeep_tui.views.page_view import PageView
from kronkeep_tui.views.wait_text import again_text, waiting_lines
from kronkeep_tui.widgets.cells import Text


class _ShownPolicy(NamedTuple):
    """A policy, and the CronJob that carries it or did."""

    policy_id: str
    cluster: str
    namespace: str
    cronjob: str
    is_orphan: bool

    def owner(self, store: Store) -> PlanOwner:
        """Return whose plan it is, with the cluster if there are several."""
        name = f"{self.namespace}/{self.cronjob}"
        if len(store.clusters) > 1:
            name = f"{name} on {store.cluster_name(self.cluster)}"
        return PlanOwner(name, self.is_orphan)


def _parse_orphan(argument: str) -> _ShownPolicy:
    cluster, namespace, cronjob, policy_id = argument.split(" ")
    return _ShownPolicy(
        policy_id=policy_id, cluster=cluster, namespace=namespace, cronjob=cronjob, is_orphan=True
    )


class RetentionView(PageView):
    """The retention of the policy that the argument names: its CronJob's id, or `pages.orphans.key_of`."""

    SCOPES = (Scope.RETENTION, Scope.PAGE, Scope.ANY)

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        self._plan: RetentionPlan | None = None

    def shell_argument(self) -> str:
        policy = self._policy(self.store)
        if policy is None:
            return ""
        words = (
            f"{policy.namespace}/{policy.cronjob}",
            policy.policy_id,
            "orphan" if policy.is_orphan else "",
        )
        return " ".join(words).strip()

    def crumb(self, store: Store) -> str:
        policy = self._policy(store)
        return f"retention of {store.label(policy.namespace, policy.cronjob)}" if policy else "retention"

    def _policy(self, store: Store) -> _ShownPolicy | None:
        if " " in self.argument:
            return _parse_orphan(self.argument)
        cronjob = next((c for c in store.cronjobs if c.id == self.argument), None)
        if cronjob is None or cronjob.policy is None:
            return None
        return _ShownPolicy(
            policy_id=cronjob.policy.id,
            cluster=cronjob.cluster,
            namespace=cronjob.namespace,
            cronjob=cronjob.name,
            is_orphan=False,
        )

    def lines(self, store: Store, now: datetime, width: int) -> Sequence[Text]:
        policy = self._policy(store)
        if policy is None:
            return [(("The CronJob or its policy is gone.", "quiet"),)]
        if self._plan is None:
            return waiting_lines(self.context, width, "Fetching the plan ...")
        return plan_lines(self._plan, policy.owner(store), now, width)

    async def load(self) -> None:
        """Fetch the plan; it is not fetched again by itself, as people approve what they have read."""
        policy = self._policy(self.store)
        if policy is not None:
            calls = self.context.client.for_cluster(policy.cluster).policies
            self._plan = await calls.retention(policy.policy_id, policy.namespace)
            self.update()

    @handles(actions.RESYNC)
    def reload(self) -> None:
        """Fetch the plan again."""
        self.context.start_work(self.read(), "retention")
        self.context.tell(again_text(self.context), "quiet")

    def refusal(self, action: Action) -> str:
        if action != actions.APPROVE:
            return ""
        if self._plan is None:
            return "The plan has not been fetched yet."
        if self._plan.held_by is not None:
            return "Acknowledge the unusual backup first, in Alerts."
        policy = self._policy(self.store)
        if policy is not None and policy.is_orphan:
            return "" if self._plan.remove else "There is nothing to remove."
        return "" if self._plan.blocked_by is not None else "Nothing waits for an approval."

    @handles(actions.APPROVE)
    def ask_approval(self) -> None:
        """Approve exactly the removals that the page shows, once the CronJob's name is typed."""
        plan = self._plan
        policy = self._policy(self.store)
        if plan is None or policy is None:
            return
        name = policy.owner(self.store).name
        question = f"Remove {count_words(len(plan.remove), 'snapshot')} of {name} for good?"

        def approve() -> None:
            self.context.start_work(self._approve(policy, plan), "approve")

        self.context.ask(name_prompt(question, policy.cronjob, approve))

    async def _approve(self, policy: _ShownPolicy, plan: RetentionPlan) -> None:
        self.context.tell(f"Removing {count_words(len(plan.remove), 'snapshot')}.", "quiet")
        try:
            await self.context.client.for_cluster(policy.cluster).policies.approve_retention(
                plan.policy_id, plan.token, policy.namespace
            )
        except PreconditionFailed:
            await self.load()  # nothing was approved; the next approval is of the plan of now
            raise
        name = f"{policy.namespace}/{policy.cronjob}"
        by_id = ("--policy", plan.policy_id) if policy.is_orphan else ()
        self.context.last_change = lines_of_change(
            ("retention", name, *by_id, "--approve", plan.token),
            f"/v1/policies/{plan.policy_id}/retention/approve?namespace={policy.namespace}",
            body={"token": plan.token},
            cluster=self.store.cluster_option(policy.cluster),
        )
        self.context.tell(f"Removed {count_words(len(plan.remove), 'snapshot')}; pruning frees their space.")
        await self.load()
