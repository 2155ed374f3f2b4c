"""The client's calls about backups and what becomes of them, kept apart from the others for their number."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Protocol, TypeVar

from kronkeep_common import api
from kronkeep_common.client.transport import part
from kronkeep_common.models import (
    BackupExecution,
    Retention,
    RetentionApproval,
    RetentionPlan,
    RetentionPreview,
)

T = TypeVar("T")


class Calls(Protocol):
    """What these calls need of a Client."""

    async def call(self, method: str, path: str, answer: type[T], body: object = None, /, **query: Any) -> T:
        """One request."""
        ...

    async def _operate(self, path: str, body: object = ...) -> api.Operation: ...

    def stream(
        self, path: str, query: dict[str, Any], headers: dict[str, str] | None = None
    ) -> AsyncIterator[bytes]: ...


class BackupCalls:
    """What a Client can ask about backups."""

    async def back_up(
        self: Calls,
        namespace: str,
        name: str,
        backup_type: Any = None,
        compression: Any = None,
    ) -> BackupExecution:
        """Archives what the CronJob's claims hold now."""
        body = api.BackupRequest(backup_type=backup_type, compression=compression)
        where = f"/v1/cronjobs/{part(namespace)}/{part(name)}/backup"
        return await self.call("POST", where, BackupExecution, body)

    async def backup(self: Calls, backup_id: str) -> BackupExecution:
        """One backup; raises BackupNotFound."""
        return await self.call("GET", f"/v1/backups/{part(backup_id)}", BackupExecution)

    async def cancel_backup(self: Calls, backup_id: str) -> BackupExecution:
        """Stops a backup that has not ended."""
        return await self.call("POST", f"/v1/backups/{part(backup_id)}/cancel", BackupExecution, api.Empty())

    async def pin_backup(self: Calls, backup_id: str, pinned: bool = True) -> BackupExecution:
        """Keeps retention from a backup's snapshot, or lets it go on."""
        verb = "pin" if pinned else "unpin"
        return await self.call("POST", f"/v1/backups/{part(backup_id)}/{verb}", BackupExecution, api.Empty())

    async def backup_log(self: Calls, backup_id: str) -> AsyncGenerator[bytes, None]:
        """What a backup's Jobs said; raises LogNotFound."""
        async for chunk in self.stream(f"/v1/backups/{part(backup_id)}/logs", {}):
            yield chunk

    async def retention(self: Calls, policy_id: str) -> RetentionPlan:
        """What a policy's retention would do now."""
        return await self.call("GET", f"/v1/policies/{part(policy_id)}/retention", RetentionPlan)

    async def try_retention(self: Calls, namespace: str, name: str, rules: Retention) -> RetentionPlan:
        """What other rules would do to a CronJob's snapshots."""
        body = RetentionPreview(namespace=namespace, cronjob=name, retention=rules)
        return await self.call("POST", "/v1/retention/preview", RetentionPlan, body)

    async def apply_retention(self: Calls, policy_id: str) -> api.Operation:
        """Removes what no rule keeps; raises NotAllowedNow where that needs approval."""
        return await self._operate(f"/v1/policies/{part(policy_id)}/retention/apply")

    async def approve_retention(self: Calls, policy_id: str, token: str) -> api.Operation:
        """Removes exactly what the plan of that token names; raises PreconditionFailed."""
        body = RetentionApproval(token=token)
        return await self._operate(f"/v1/policies/{part(policy_id)}/retention/approve", body)

    async def prune_storage(self: Calls, name: str) -> api.Operation:
        """Gives back the space of what retention has forgotten."""
        return await self._operate(f"/v1/storages/{part(name)}/prune")
