"""Backup policies, their schedules and their retention. `client.cronjobs.set_policy` sets a CronJob's."""

from kronkeep_common import api
from kronkeep_common.client.connection import Connection, Query, path_part
from kronkeep_common.client.operations import complete_operation
from kronkeep_common.models import (
    BackupPolicySpec,
    CronJob,
    Retention,
    RetentionApproval,
    RetentionPlan,
    RetentionPreview,
    ScheduleCheckRequest,
    ScheduleVerdict,
)


class PolicyCalls:
    """`client.policies`; calls with an id raise PolicyNotFound."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def list(
        self, namespace: str | None = None, *, filter: str | None = None
    ) -> api.ListOf[api.PolicyView]:
        """Return every backup policy that passes the filter, with the CronJob that has it."""
        query: Query = {"namespace": namespace, "filter": filter}
        return await self._connection.get("/v1/policies", api.ListOf[api.PolicyView], query)

    async def set_for_claim(
        self, namespace: str, claim: str, policy: BackupPolicySpec, *, dry_run: bool = False
    ) -> CronJob:
        """Give a claim a backup policy of its own, or change the one it has; raise InvalidPolicy."""
        query: Query = {"dry_run": "true"} if dry_run else {}
        return await self._connection.call("PUT", _claim_path(namespace, claim), CronJob, policy, query=query)

    async def remove_from_claim(self, namespace: str, claim: str) -> CronJob:
        """Remove the backup policy of a claim; backups and snapshots stay. Raise CronJobNotFound."""
        return await self._connection.call("DELETE", _claim_path(namespace, claim), CronJob)

    async def check_schedule(self, request: ScheduleCheckRequest) -> ScheduleVerdict:
        """Return how a backup's schedule fits a CronJob's."""
        return await self._connection.post("/v1/schedules/check", ScheduleVerdict, request)

    async def retention(
        self,
        policy_id: str,
        namespace: str | None = None,
        *,
        cronjob: str | None = None,
        copy: str | None = None,
    ) -> RetentionPlan:
        """Return what a policy's retention would remove now, and what it keeps and why.

        namespace, cronjob: those of its CronJob, in case another one carries the same id.
        copy: the storage of the policy's copy whose retention is meant.
        """
        query = _meant(namespace, cronjob, copy)
        return await self._connection.get(_path(policy_id), RetentionPlan, query)

    async def preview_retention(self, namespace: str, name: str, rules: Retention) -> RetentionPlan:
        """Return what other rules would do to a CronJob's snapshots."""
        body = RetentionPreview(namespace=namespace, cronjob=name, retention=rules)
        return await self._connection.post("/v1/retention/preview", RetentionPlan, body)

    async def apply_retention(
        self,
        policy_id: str,
        namespace: str | None = None,
        *,
        cronjob: str | None = None,
        copy: str | None = None,
    ) -> api.Operation:
        """Remove the snapshots that no rule keeps; raise NotAllowedNow where that needs approval."""
        query = _meant(namespace, cronjob, copy)
        return await complete_operation(self._connection, f"{_path(policy_id)}/apply", query=query)

    async def approve_retention(
        self,
        policy_id: str,
        token: str,
        namespace: str | None = None,
        *,
        cronjob: str | None = None,
        copy: str | None = None,
    ) -> api.Operation:
        """Remove exactly what the plan with that token names; raise PreconditionFailed."""
        body = RetentionApproval(token=token)
        query = _meant(namespace, cronjob, copy)
        return await complete_operation(self._connection, f"{_path(policy_id)}/approve", body, query=query)


def _meant(namespace: str | None, cronjob: str | None, copy: str | None) -> Query:
    """Return the query that says whose policy is meant, and which copy's retention."""
    return {"namespace": namespace, "cronjob": cronjob, "copy": copy}


def _path(policy_id: str) -> str:
    return f"/v1/policies/{path_part(policy_id)}/retention"


def _claim_path(namespace: str, claim: str) -> str:
    return f"/v1/claims/{path_part(namespace)}/{path_part(claim)}/policy"
