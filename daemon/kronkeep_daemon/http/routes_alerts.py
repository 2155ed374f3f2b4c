"""The routes of alerts: look, acknowledge."""

from kronkeep_common import api
from kronkeep_common.models import Alert
from kronkeep_daemon.http import access, list_handlers
from kronkeep_daemon.http.access import Level
from kronkeep_daemon.http.route import Call, Route

ONE = "/v1/alerts/{id}"


def one(call: Call) -> Alert:
    """The alert that a route is about."""
    return call.services.alerts.get(call.path["id"])


async def _one(call: Call) -> Alert:
    return one(call)


async def _list(call: Call) -> api.ListOf[Alert]:
    return list_handlers.of_clusters(call, await list_handlers.page(call, call.services.history.alerts))


async def _acknowledge(call: Call) -> Alert:
    user = access.user_name(access.peer_of(call.request).uid)
    return await call.services.alerts.acknowledge(call.path["id"], user)


ROUTES: tuple[Route, ...] = (
    Route("GET", "/v1/alerts", Level.READ, None, api.ListOf[Alert], "Alerts, newest first.",
          _list, list_handlers.LIST),
    Route("GET", ONE, Level.READ, None, Alert, "One alert.", _one),
    Route("POST", ONE + "/acknowledge", Level.OPERATE, api.Empty, Alert,
          "Say that you know of an alert: nobody is told of it again.", _acknowledge),
)  # fmt: skip
