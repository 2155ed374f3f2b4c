"""The client's calls about restores, kept apart from the others for their number."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Protocol, TypeVar

from kronkeep_common import api
from kronkeep_common.client.transport import part
from kronkeep_common.errors import StillReading, VerificationFailed
from kronkeep_common.models import BackupExecution, Restore, RestorePlan, RestoreRequest, SnapshotFolder

T = TypeVar("T")
STEP = 0.5
TRIES = 170  # the daemon itself waits 20 s before it says StillReading


class Calls(Protocol):
    """What these calls need of a Client."""

    async def call(self, method: str, path: str, answer: type[T], body: object = None, /, **query: Any) -> T:
        """One request."""
        ...

    def stream(
        self, path: str, query: dict[str, Any], headers: dict[str, str] | None = None
    ) -> AsyncIterator[bytes]:
        """An answer that goes on."""
        ...

    async def pause(self, seconds: float) -> None:
        """Waits."""
        ...


async def _patiently(
    client: Calls, method: str, path: str, answer: type[T], body: object = None, /, **query: Any
) -> T:
    """One request, asked again while the daemon still reads the snapshot (at most about an hour)."""
    for _ in range(TRIES):
        try:
            return await client.call(method, path, answer, body, **query)
        except StillReading:
            await client.pause(STEP)
    return await client.call(method, path, answer, body, **query)


class RestoreCalls:
    """What a Client can ask about snapshots and restores."""

    async def files(
        self: Calls, backup_id: str, path: str = "/", limit: int | None = None, cursor: str | None = None
    ) -> SnapshotFolder:
        """A folder of a backup's snapshot; waits while its listing is read. Raises PathNotFound."""
        where = f"/v1/backups/{part(backup_id)}/files"
        return await _patiently(self, "GET", where, SnapshotFolder, path=path, limit=limit, cursor=cursor)

    async def plan_restore(self: Calls, backup_id: str, request: RestoreRequest) -> RestorePlan:
        """What a restore would write and overwrite; nothing is changed."""
        where = f"/v1/backups/{part(backup_id)}/restore"
        return await _patiently(self, "POST", where, RestorePlan, request, dry_run="true")

    async def restore(self: Calls, backup_id: str, request: RestoreRequest) -> Restore:
        """Begins a restore; raises ConfirmationMissing, NotAllowedNow, PathNotFound."""
        return await _patiently(self, "POST", f"/v1/backups/{part(backup_id)}/restore", Restore, request)

    async def download(self: Calls, backup_id: str, path: str) -> AsyncGenerator[bytes, None]:
        """The bytes of one regular file; DaemonUnreachable when they end before the file does.

        Raises PathNotFound, FileTooLarge.
        """
        for _ in range(TRIES):
            try:
                async for chunk in self.stream(f"/v1/backups/{part(backup_id)}/download", {"path": path}):
                    yield chunk
                return
            except StillReading:
                await self.pause(STEP)

    async def verify(self: Calls, backup_id: str) -> BackupExecution:
        """Restores a backup to scratch and compares it; answers when that has ended.

        Raises VerificationFailed with the reason.
        """
        where = f"/v1/backups/{part(backup_id)}"
        operation = await self.call("POST", f"{where}/verify", api.Operation, api.Empty())
        while operation.status == "running":
            await self.pause(STEP)
            operation = await self.call("GET", f"/v1/operations/{part(operation.id)}", api.Operation)
        if operation.status == "failed":
            raise VerificationFailed(operation.message or "It failed.", next_step=operation.next_step)
        return await self.call("GET", where, BackupExecution)

    async def drill(self: Calls, namespace: str, name: str) -> Restore:
        """Begins a drill of a CronJob's policy; raises PolicyNotFound."""
        where = f"/v1/cronjobs/{part(namespace)}/{part(name)}/drill"
        return await self.call("POST", where, Restore, api.Empty())

    async def restores(
        self: Calls,
        filter: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        cronjob_id: str | None = None,
    ) -> api.ListOf[Restore]:
        """Restores, drills and verifications, newest first."""
        answer = api.ListOf[Restore]
        return await self.call(
            "GET", "/v1/restores", answer, filter=filter, limit=limit, cursor=cursor, cronjob_id=cronjob_id
        )

    async def get_restore(self: Calls, restore_id: str) -> Restore:
        """One restore; raises RestoreNotFound."""
        return await self.call("GET", f"/v1/restores/{part(restore_id)}", Restore)

    async def cancel_restore(self: Calls, restore_id: str) -> Restore:
        """Stops a restore that has not ended."""
        return await self.call("POST", f"/v1/restores/{part(restore_id)}/cancel", Restore, api.Empty())

    async def restore_log(self: Calls, restore_id: str) -> AsyncGenerator[bytes, None]:
        """What restic and the check of a restore said; raises RestoreNotFound, LogNotFound."""
        async for chunk in self.stream(f"/v1/restores/{part(restore_id)}/logs", {}):
            yield chunk
