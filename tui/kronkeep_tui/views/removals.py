"""What retention would remove from one storage now, a row for each policy that uses it."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from kronkeep_common.errors import DaemonUnreachable, KronkeepError
from kronkeep_common.models import CronJob, RetentionPlan
from kronkeep_tui import actions
from kronkeep_tui.actions import Scope, handles
from kronkeep_tui.context import Context
from kronkeep_tui.navigation import Place
from kronkeep_tui.pages import retention as page
from kronkeep_tui.store import Store
from kronkeep_tui.views.sort_orders import SortOrder, name_key
from kronkeep_tui.views.table_view import TableView
from kronkeep_tui.widgets.cells import Text
from kronkeep_tui.widgets.row_table import TableRow

AT_ONCE = 4


class RemovalsView(TableView[CronJob]):
    """The policies of the storage whose name is the argument."""

    SCOPES = (Scope.REMOVALS, Scope.TABLE, Scope.ANY)
    COLUMNS = page.COLUMNS
    DEFAULT_CSS = "RemovalsView > .detail { height: 7; }"
    EMPTY_LINES = ("No policy keeps backups here, so retention removes nothing.",)
    SORT_ORDERS = {"n": SortOrder("name", name_key("namespace", "name"))}

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        self._plans: dict[str, RetentionPlan | KronkeepError] = {}

    def crumb(self, store: Store) -> str:
        return f"retention in {self.argument}"

    def records(self, store: Store) -> Sequence[CronJob]:
        return [c for c in store.cronjobs if c.policy is not None and c.policy.storage_id == self.argument]

    def version(self, store: Store) -> object:
        return (store, len(self._plans))

    def is_faulty(self, record: CronJob) -> bool:
        """Return whether the removals wait for an approval."""
        plan = self._plans.get(record.id)
        return isinstance(plan, RetentionPlan) and plan.blocked_by is not None

    def row_of(self, record: CronJob, store: Store, now: datetime) -> TableRow:
        return page.row(record, self._plans.get(record.id))

    def detail_lines(self, record: CronJob, store: Store, now: datetime, width: int) -> list[Text]:
        return page.detail(self._plans.get(record.id), now, width)

    async def load(self) -> None:
        """Fetch the plan of each policy, AT_ONCE at a time."""
        limit = asyncio.Semaphore(AT_ONCE)

        async def fetch_plan(cronjob: CronJob) -> None:
            assert cronjob.policy is not None
            async with limit:
                try:
                    self._plans[cronjob.id] = await self.context.client.for_cluster(
                        cronjob.cluster
                    ).policies.retention(cronjob.policy.id, cronjob.namespace)
                except KronkeepError as error:
                    self._plans[cronjob.id] = error
            self.update()

        await asyncio.gather(*map(fetch_plan, self.records(self.store)))
        missed = [plan for plan in self._plans.values() if isinstance(plan, DaemonUnreachable)]
        if missed:
            raise missed[0]

    @handles(actions.RESYNC)
    def reload(self) -> None:
        """Fetch the plans again."""
        self._plans.clear()
        self.context.start_work(self.read(), f"removals {self.argument}")

    @handles(actions.CHOOSE)
    def show_plan(self) -> None:
        """Show each snapshot of the policy's plan; the removals are approved there."""
        if (cronjob := self.subject()) is not None:
            self.context.enter("retention", cronjob.id)
