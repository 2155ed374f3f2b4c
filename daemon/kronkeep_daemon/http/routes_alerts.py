"""The routes of alerts: look, acknowledge."""

from kronkeep_common import api
from kronkeep_common.models import Alert
from kronkeep_daemon.http import access, list_pages
from kronkeep_daemon.http.access import Level
from kronkeep_daemon.http.route import Call, Route

ONE = "/v1/alerts/{id}"


def one(call: Call) -> Alert:
    """The alert that a route is about."""
    return call.services.alerts.get(call.path["id"])


async def _one(call: Call) -> Alert:
    return one(call)


async def _list(call: Call) -> api.ListOf[Alert]:
    return list_pages.of_clusters(call, await list_pages.page(call, call.services.history.alerts))


async def _acknowledge(call: Call) -> Alert:
    user = access.user_name(access.peer_of(call.request).uid)
    return await call.services.alerts.acknowledge(call.path["id"], user)


ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="/v1/alerts",
        level=Level.READ,
        request=None,
        answer=api.ListOf[Alert],
        sentence="Alerts, newest first.",
        handler=_list,
        query=list_pages.LIST,
    ),
    Route(
        method="GET",
        path=ONE,
        level=Level.READ,
        request=None,
        answer=Alert,
        sentence="One alert.",
        handler=_one,
    ),
    Route(
        method="POST",
        path=ONE + "/acknowledge",
        level=Level.OPERATE,
        request=api.Empty,
        answer=Alert,
        sentence="Say that you know of an alert: nobody is told of it again.",
        handler=_acknowledge,
    ),
)
