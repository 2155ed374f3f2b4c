"""The routes of alerts."""

from kronkeep_common import api
from kronkeep_common.alert_codes import AlertCode
from kronkeep_common.models import Alert
from kronkeep_daemon.http import access
from kronkeep_daemon.http.access import Level
from kronkeep_daemon.http.list_pages import LIST_QUERY, page_of, with_cluster_names
from kronkeep_daemon.http.route import ApiCall, RouteTable

ALERTS = "/v1/alerts"
ALERT = ALERTS + "/{id}"

routes = RouteTable()


@routes.get(ALERTS, query=LIST_QUERY)
async def list_alerts(call: ApiCall[None]) -> api.ListOf[Alert]:
    """List the alerts, newest first."""
    return with_cluster_names(call, await page_of(call, call.services.history.alerts))


@routes.get(ALERT)
async def get_alert(call: ApiCall[None]) -> Alert:
    """Show one alert by its id."""
    return call.services.alerts.get(call.id)


@routes.post(ALERT + "/acknowledge", Level.OPERATE)
async def acknowledge(call: ApiCall[api.Empty]) -> Alert:
    """Acknowledge an alert: nobody is reminded of it any more, and missing snapshots hold up no prune."""
    user = access.user_name(access.peer_of(call.request).uid)
    alert = await call.services.alerts.acknowledge(call.id, user)
    if alert.code == AlertCode.SNAPSHOT_MISSING:
        await call.services.retention.acknowledge_missing_of(alert.object_id)
    return alert
