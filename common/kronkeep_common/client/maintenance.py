"""The client's calls about maintenances."""

from kronkeep_common import api
from kronkeep_common.client.connection import Connection, page_query, path_part
from kronkeep_common.models.maintenance import MaintenanceRequest, MaintenanceView


class MaintenanceCalls:
    """`client.maintenance`; calls with an id raise MaintenanceNotFound."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def list(self, filter: str | None = None, limit: int | None = None) -> api.ListOf[MaintenanceView]:
        """Return the maintenances, newest first; `status:active` selects those that suspend CronJobs now."""
        query = page_query(filter, limit, None, None)
        return await self._connection.get("/v1/maintenance", api.ListOf[MaintenanceView], query)

    async def get(self, maintenance_id: str) -> MaintenanceView:
        """Return the maintenance with an id."""
        return await self._connection.get(_path(maintenance_id), MaintenanceView)

    async def start(self, filter: str, *, because: str, for_seconds: float | None = None) -> MaintenanceView:
        """Suspend the CronJobs that match a filter (all for an empty one), for some seconds or until it is
        ended; raise InvalidFilter, NotAllowedNow.
        """
        request = MaintenanceRequest(filter=filter, for_seconds=for_seconds, because=because)
        return await self._connection.post("/v1/maintenance", MaintenanceView, request)

    async def end(self, maintenance_id: str) -> MaintenanceView:
        """End a maintenance; raise NotAllowedNow where it has ended already."""
        return await self._connection.post(f"{_path(maintenance_id)}/end", MaintenanceView)


def _path(maintenance_id: str) -> str:
    return f"/v1/maintenance/{path_part(maintenance_id)}"
