"""What a policy's retention does, beside a list."""

from collections.abc import Callable

import msgspec

from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import CronJob, RetentionPlan
from kronkeep_tui.context import Context
from kronkeep_tui.store import Store, newest_backup
from kronkeep_tui.views.row_reader import RowReader


class RetentionOutlook:
    """The plans of retention by CronJob, read again after each backup and each change of the rules."""

    def __init__(self, context: Context, on_read: Callable[[], None]) -> None:
        self._context = context
        self._plans = RowReader[RetentionPlan](context, self._read, on_read)

    def plan(self, cronjob: CronJob, store: Store) -> RetentionPlan | KronkeepError | None:
        """Return the plan of a CronJob's policy, or why there is none; None until it was read."""
        if cronjob.policy is None:
            return None
        newest = newest_backup(store, cronjob)
        state = f"{newest.id} {newest.status}" if newest is not None else ""
        rules = msgspec.json.encode(cronjob.policy.retention).decode()
        return self._plans.get(f"{cronjob.cluster} {cronjob.namespace} {cronjob.policy.id} {rules} {state}")

    async def _read(self, key: str) -> RetentionPlan:
        cluster, namespace, policy_id, *_ = key.split(" ")
        return await self._context.client.for_cluster(cluster).policies.retention(policy_id, namespace)
