"""The client's calls about alerts and silences."""

from kronkeep_common import api
from kronkeep_common.client.connection import Connection, page_query, path_part
from kronkeep_common.models import Alert, SilenceRequest, SilenceView
from kronkeep_common.models.alert import ChannelTestRequest, ChannelTrial


class AlertCalls:
    """`client.alerts`; calls with an id raise AlertNotFound."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def list(
        self,
        filter: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        cronjob_id: str | None = None,
    ) -> api.ListOf[Alert]:
        """Return a page of alerts, newest first; `status:open` selects those nobody has acknowledged."""
        query = page_query(filter, limit, cursor, cronjob_id)
        return await self._connection.get("/v1/alerts", api.ListOf[Alert], query)

    async def get(self, alert_id: str) -> Alert:
        """Return the alert with an id."""
        return await self._connection.get(_path(alert_id), Alert)

    async def acknowledge(self, alert_id: str) -> Alert:
        """Record that somebody knows of an alert, which ends its notifications; raise NotAllowedNow."""
        return await self._connection.post(f"{_path(alert_id)}/acknowledge", Alert)

    async def unacknowledge(self, alert_id: str) -> Alert:
        """Take an acknowledgement back; raise NotAllowedNow for an alert that has none."""
        return await self._connection.post(f"{_path(alert_id)}/unacknowledge", Alert)

    async def test_channels(self, *names: str) -> api.ListOf[ChannelTrial]:
        """Send a test message to the channels of these names, or to all; return how each ended."""
        request = ChannelTestRequest(channels=names)
        return await self._connection.post("/v1/channels/test", api.ListOf[ChannelTrial], request)


class SilenceCalls:
    """`client.silences`; calls with an id raise SilenceNotFound."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def list(self, filter: str | None = None, limit: int | None = None) -> api.ListOf[SilenceView]:
        """Return the silences, newest first; `status:active` selects those that hold alerts back now."""
        query = page_query(filter, limit, None, None)
        return await self._connection.get("/v1/silences", api.ListOf[SilenceView], query)

    async def get(self, silence_id: str) -> SilenceView:
        """Return the silence with an id."""
        return await self._connection.get(f"/v1/silences/{path_part(silence_id)}", SilenceView)

    async def create(self, filter: str, *, for_seconds: float, because: str) -> SilenceView:
        """Send no alerts that match a filter for some seconds; raise InvalidFilter, NotAllowedNow."""
        request = SilenceRequest(filter=filter, for_seconds=for_seconds, because=because)
        return await self._connection.post("/v1/silences", SilenceView, request)

    async def end(self, silence_id: str) -> SilenceView:
        """End a silence; raise NotAllowedNow where it has ended already."""
        return await self._connection.post(f"/v1/silences/{path_part(silence_id)}/end", SilenceView)


def _path(alert_id: str) -> str:
    return f"/v1/alerts/{path_part(alert_id)}"
