"""The client's calls about restores, drills and verifications."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from kronkeep_common import api
from kronkeep_common.client.connection import Connection, page_query, path_part
from kronkeep_common.models import Restore
from kronkeep_common.models.restorable import RestorableBackup


class RestoreCalls:
    """`client.restores`; calls with an id raise RestoreNotFound. `client.backups.restore` starts one."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def list(
        self,
        filter: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        cronjob_id: str | None = None,
    ) -> api.ListOf[Restore]:
        """Return a page of restores, drills and verifications, newest first."""
        query = page_query(filter, limit, cursor, cronjob_id)
        return await self._connection.get("/v1/restores", api.ListOf[Restore], query)

    async def restorable(
        self, filter: str | None = None, namespace: str | None = None
    ) -> api.ListOf[RestorableBackup]:
        """Return what can be restored now: the newest such backup of each CronJob and claim."""
        query = {"filter": filter, "namespace": namespace}
        return await self._connection.get("/v1/restorable", api.ListOf[RestorableBackup], query)

    async def get(self, restore_id: str) -> Restore:
        """Return the restore with an id."""
        return await self._connection.get(_path(restore_id), Restore)

    async def cancel(self, restore_id: str) -> Restore:
        """Stop a restore that has not ended."""
        return await self._connection.post(f"{_path(restore_id)}/cancel", Restore)

    async def log(self, restore_id: str) -> AsyncGenerator[bytes, None]:
        """Yield the output of restic and of the check of a restore; raise LogNotFound."""
        async with aclosing(self._connection.stream(f"{_path(restore_id)}/logs")) as chunks:
            async for chunk in chunks:
                yield chunk


def _path(restore_id: str) -> str:
    return f"/v1/restores/{path_part(restore_id)}"
