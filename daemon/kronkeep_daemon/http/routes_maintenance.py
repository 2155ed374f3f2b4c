"""The routes of maintenances."""

from kronkeep_common import api
from kronkeep_common.filter_words import FilterWords
from kronkeep_common.models.maintenance import Maintenance, MaintenanceRequest, MaintenanceView
from kronkeep_common.record_filter import parse_filter
from kronkeep_daemon.http import access
from kronkeep_daemon.http.access import Level
from kronkeep_daemon.http.filter_names import DaemonNames
from kronkeep_daemon.http.list_pages import filter_of, limit_of
from kronkeep_daemon.http.route import ApiCall, RouteTable

MAINTENANCES = "/v1/maintenance"
MAINTENANCE = MAINTENANCES + "/{id}"

routes = RouteTable()


@routes.get(MAINTENANCES, query=("filter", "limit"))
async def list_maintenances(call: ApiCall[None]) -> api.ListOf[MaintenanceView]:
    """List the maintenances, newest first; `status:active` are those that keep CronJobs suspended now."""
    accepted = filter_of(call, "maintenance")
    now = call.services.clock.now()
    views = call.services.maintenances.views(call.services.maintenances.newest())
    return api.ListOf(items=[view for view in views if accepted.matches(view, now)][: limit_of(call)])


@routes.get(MAINTENANCE)
async def get_maintenance(call: ApiCall[None]) -> MaintenanceView:
    """Show one maintenance by its id."""
    return _view(call, call.services.maintenances.get(call.id))


@routes.post(MAINTENANCES, Level.OPERATE, status=201)
async def start_maintenance(call: ApiCall[MaintenanceRequest]) -> MaintenanceView:
    """Suspend the CronJobs that match a filter now, until a time or until the maintenance is ended."""
    ids = {cluster.name: cluster.id for cluster in call.services.clusters}
    parse_filter(call.body.filter, ids, FilterWords(("cronjobs",), DaemonNames(call.services)))
    user = access.user_name(access.peer_of(call.request).uid)
    return _view(call, await call.services.maintenances.create(call.body, user))


@routes.post(MAINTENANCE + "/end", Level.OPERATE)
async def end_maintenance(call: ApiCall[api.Empty]) -> MaintenanceView:
    """End a maintenance: the CronJobs that it suspended run again, from their next slot on."""
    user = access.user_name(access.peer_of(call.request).uid)
    return _view(call, await call.services.maintenances.end(call.id, user))


def _view(call: ApiCall[object], maintenance: Maintenance) -> MaintenanceView:
    (view,) = call.services.maintenances.views([maintenance])
    return view
