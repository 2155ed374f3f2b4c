"""The client's calls about alerts."""

from typing import Any, Protocol, TypeVar

from kronkeep_common import api
from kronkeep_common.client.transport import part
from kronkeep_common.models import Alert

T = TypeVar("T")


class Calls(Protocol):
    """What these calls need of a Client."""

    async def call(self, method: str, path: str, answer: type[T], body: object = None, /, **query: Any) -> T:
        """One request."""
        ...


class AlertCalls:
    """What a Client can ask about alerts."""

    async def alerts(
        self: Calls,
        filter: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        cronjob_id: str | None = None,
    ) -> api.ListOf[Alert]:
        """Alerts, newest first; `status:open` is what nobody has acknowledged."""
        answer = api.ListOf[Alert]
        return await self.call(
            "GET", "/v1/alerts", answer, filter=filter, limit=limit, cursor=cursor, cronjob_id=cronjob_id
        )

    async def alert(self: Calls, alert_id: str) -> Alert:
        """One alert; raises AlertNotFound."""
        return await self.call("GET", f"/v1/alerts/{part(alert_id)}", Alert)

    async def acknowledge(self: Calls, alert_id: str) -> Alert:
        """Says that somebody knows of an alert; raises NotAllowedNow for one that has ended."""
        return await self.call("POST", f"/v1/alerts/{part(alert_id)}/acknowledge", Alert, api.Empty())
