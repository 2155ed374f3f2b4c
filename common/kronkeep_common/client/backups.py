"""Backups: their logs, their snapshots' files, restoring and verifying them."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

from kronkeep_common import api
from kronkeep_common.client.connection import Connection, page_query, path_part
from kronkeep_common.client.operations import run_operation
from kronkeep_common.errors import StillReading, VerificationFailed
from kronkeep_common.models import BackupExecution, Restore, RestorePlan, RestoreRequest, SnapshotFolder
from kronkeep_common.models.file_changes import BackupDiff, FileMatches
from kronkeep_common.models.tar_download import TarDownload

T = TypeVar("T")
POLL_SECONDS = 0.5
TRIES = 170  # about an hour: the daemon itself waits 20 s before it answers StillReading


class BackupCalls:
    """`client.backups`; calls with an id raise BackupNotFound."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def list(
        self,
        filter: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        cronjob_id: str | None = None,
        cronjob: str | None = None,
    ) -> api.ListOf[BackupExecution]:
        """Return a page of backups, newest first.

        cronjob: the name of their CronJob, which may have been deleted.
        """
        query = page_query(filter, limit, cursor, cronjob_id) | {"cronjob": cronjob}
        return await self._connection.get("/v1/backups", api.ListOf[BackupExecution], query)

    async def get(self, backup_id: str) -> BackupExecution:
        """Return the backup with an id."""
        return await self._connection.get(_path(backup_id), BackupExecution)

    async def cancel(self, backup_id: str) -> BackupExecution:
        """Stop a backup that has not ended."""
        return await self._connection.post(f"{_path(backup_id)}/cancel", BackupExecution)

    async def pin(self, backup_id: str) -> BackupExecution:
        """Exempt a backup's snapshot from retention."""
        return await self._connection.post(f"{_path(backup_id)}/pin", BackupExecution)

    async def unpin(self, backup_id: str) -> BackupExecution:
        """End the exemption from retention."""
        return await self._connection.post(f"{_path(backup_id)}/unpin", BackupExecution)

    async def log(self, backup_id: str) -> AsyncGenerator[bytes, None]:
        """Yield the log of a backup's Jobs; raise LogNotFound."""
        async with aclosing(self._connection.stream(f"{_path(backup_id)}/logs")) as chunks:
            async for chunk in chunks:
                yield chunk

    async def files(
        self, backup_id: str, path: str = "/", limit: int | None = None, cursor: str | None = None
    ) -> SnapshotFolder:
        """Return a folder of a backup's snapshot, waiting while it is being read; raise PathNotFound."""
        query = {"path": path, "limit": limit, "cursor": cursor}

        async def ask() -> SnapshotFolder:
            return await self._connection.get(f"{_path(backup_id)}/files", SnapshotFolder, query)

        return await self._wait_for(ask)

    async def download(self, backup_id: str, path: str) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of one regular file of the snapshot.

        Raise PathNotFound, FileTooLarge, or DaemonUnreachable where the bytes end before the file does.
        """
        for _ in range(TRIES):
            try:
                target = f"{_path(backup_id)}/download"
                async with aclosing(self._connection.stream(target, {"path": path})) as chunks:
                    async for chunk in chunks:
                        yield chunk
                return
            except StillReading:
                await self._connection.pause(POLL_SECONDS)

    async def download_tar(
        self, backup_id: str, path: str, offset: int = 0, sha256: str = ""
    ) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of a folder as a tar archive, from an offset on.

        sha256: of the bytes before the offset, a multiple of 64 KiB, in hexadecimal.

        Raise PathNotFound, Conflict where the archive begins with other bytes, or DaemonUnreachable where the
        bytes end before the archive does.
        """
        query: dict[str, str | int | None] = {"path": path, "offset": offset, "sha256": sha256 or None}
        for _ in range(TRIES):
            try:
                async with aclosing(self._connection.stream(f"{_path(backup_id)}/tar", query)) as chunks:
                    async for chunk in chunks:
                        yield chunk
                return
            except StillReading:
                await self._connection.pause(POLL_SECONDS)

    async def tar_state(self, backup_id: str, path: str) -> TarDownload:
        """Return how far the last download of a folder has come, or how large one will be."""

        async def ask() -> TarDownload:
            return await self._connection.get(f"{_path(backup_id)}/tar/state", TarDownload, {"path": path})

        return await self._wait_for(ask)

    async def diff(
        self, older_id: str, newer_id: str, *, path: str = "/", limit: int | None = None
    ) -> BackupDiff:
        """Return what differs between two backups, waiting while their snapshots are being read."""
        query = {"other": newer_id, "path": path, "limit": limit}

        async def ask() -> BackupDiff:
            return await self._connection.get(f"{_path(older_id)}/diff", BackupDiff, query)

        return await self._wait_for(ask)

    async def find(self, namespace: str, name: str, pattern: str, *, limit: int | None = None) -> FileMatches:
        """Return the files that match in the snapshots of a CronJob, waiting while those are being read."""
        query = {"pattern": pattern, "limit": limit}
        path = f"/v1/cronjobs/{path_part(namespace)}/{path_part(name)}/find"

        async def ask() -> FileMatches:
            return await self._connection.get(path, FileMatches, query)

        return await self._wait_for(ask)

    async def plan_restore(self, backup_id: str, request: RestoreRequest) -> RestorePlan:
        """Return what a restore would write and overwrite, without changing anything."""

        async def ask() -> RestorePlan:
            query = {"dry_run": "true"}
            return await self._connection.post(
                f"{_path(backup_id)}/restore", RestorePlan, request, query=query
            )

        return await self._wait_for(ask)

    async def restore(self, backup_id: str, request: RestoreRequest) -> Restore:
        """Start a restore; raise ConfirmationMissing, NotAllowedNow, PathNotFound."""

        async def ask() -> Restore:
            return await self._connection.post(f"{_path(backup_id)}/restore", Restore, request)

        return await self._wait_for(ask)

    async def verify(self, backup_id: str, from_copy: str | None = None) -> BackupExecution:
        """Restore a backup to scratch, compare it, and return it afterwards; raise VerificationFailed.

        from_copy: the storage of the copy that is verified.
        """
        path = f"{_path(backup_id)}/verify"
        request = api.VerifyRequest(from_copy=from_copy)
        operation = await run_operation(self._connection, path, request, poll_seconds=POLL_SECONDS)
        if operation.status == "failed":
            raise VerificationFailed(operation.message or "It failed.", next_step=operation.next_step)
        return await self.get(backup_id)

    async def _wait_for(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask again while the daemon is still reading the snapshot, for about an hour."""
        for _ in range(TRIES):
            try:
                return await ask()
            except StillReading:
                await self._connection.pause(POLL_SECONDS)
        return await ask()


def _path(backup_id: str) -> str:
    return f"/v1/backups/{path_part(backup_id)}"
