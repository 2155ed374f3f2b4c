"""The client's calls about the copies of backups in other storages."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from kronkeep_common import api
from kronkeep_common.client.connection import Connection, page_query, path_part
from kronkeep_common.models import BackupCopy


class CopyCalls:
    """`client.copies`; calls with an id raise CopyNotFound."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def list(
        self,
        filter: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        cronjob_id: str | None = None,
    ) -> api.ListOf[BackupCopy]:
        """Return a page of copies, newest first."""
        query = page_query(filter, limit, cursor, cronjob_id)
        return await self._connection.get("/v1/copies", api.ListOf[BackupCopy], query)

    async def get(self, copy_id: str) -> BackupCopy:
        """Return the copy with an id."""
        return await self._connection.get(_path(copy_id), BackupCopy)

    async def of_backup(self, backup_id: str) -> api.ListOf[BackupCopy]:
        """Return the copies of a backup; raise BackupNotFound."""
        return await self._connection.get(_path_of_backup(backup_id), api.ListOf[BackupCopy])

    async def start(self, backup_id: str, storage_id: str) -> BackupCopy:
        """Copy a backup to another storage now; raise BackupNotFound, StorageNotFound, NotAllowedNow."""
        request = api.CopyRequest(storage_id=storage_id)
        return await self._connection.post(_path_of_backup(backup_id), BackupCopy, request)

    async def cancel(self, copy_id: str) -> BackupCopy:
        """Stop a copy that has not ended."""
        return await self._connection.post(f"{_path(copy_id)}/cancel", BackupCopy)

    async def log(self, copy_id: str) -> AsyncGenerator[bytes, None]:
        """Yield the log of a copy's Job; raise LogNotFound."""
        async with aclosing(self._connection.stream(f"{_path(copy_id)}/logs")) as chunks:
            async for chunk in chunks:
                yield chunk


def _path(copy_id: str) -> str:
    return f"/v1/copies/{path_part(copy_id)}"


def _path_of_backup(backup_id: str) -> str:
    return f"/v1/backups/{path_part(backup_id)}/copies"
