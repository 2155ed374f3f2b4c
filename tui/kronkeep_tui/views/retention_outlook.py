"""What a policy's retention does, beside a list."""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import CronJob, RetentionPlan
from kronkeep_common.states import BackupStatus
from kronkeep_tui.context import Context
from kronkeep_tui.store import Store, newest_backup
from kronkeep_tui.views.row_reader import RowReader


class PlanKey(NamedTuple):
    """What decides a plan: the policy with its rules, and the newest backup with its status."""

    cluster: str
    namespace: str
    policy_id: str
    rules: bytes
    newest_backup: tuple[str, BackupStatus] | None


class RetentionOutlook:
    """The plans of retention by CronJob, read again after each backup and each change of the rules."""

    def __init__(self, context: Context, on_read: Callable[[], None]) -> None:
        self._context = context
        self._plans = RowReader[PlanKey, RetentionPlan](context, self._read, on_read)

    def plan(self, cronjob: CronJob, store: Store) -> RetentionPlan | KronkeepError | None:
        """Return the plan of a CronJob's policy, or why there is none; None until it was read."""
        if cronjob.policy is None:
            return None
        newest = newest_backup(store, cronjob)
        return self._plans.get(
            PlanKey(
                cluster=cronjob.cluster,
                namespace=cronjob.namespace,
                policy_id=cronjob.policy.id,
                rules=msgspec.json.encode(cronjob.policy.retention),
                newest_backup=(newest.id, newest.status) if newest is not None else None,
            )
        )

    async def _read(self, key: PlanKey) -> RetentionPlan:
        client = self._context.client.for_cluster(key.cluster)
        return await client.policies.retention(key.policy_id, key.namespace)
