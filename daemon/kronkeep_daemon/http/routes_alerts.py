"""The routes of alerts and silences."""

from kronkeep_common import api
from kronkeep_common.alert_codes import AlertCode
from kronkeep_common.models import Alert, Silence, SilenceRequest, SilenceView
from kronkeep_common.models.alert import ChannelTestRequest, ChannelTrial
from kronkeep_daemon.http import access
from kronkeep_daemon.http.access import Level
from kronkeep_daemon.http.list_pages import (
    LIST_QUERY,
    check_filter,
    filter_of,
    limit_of,
    page_of,
    with_cluster_names,
)
from kronkeep_daemon.http.route import ApiCall, RouteTable

ALERTS = "/v1/alerts"
ALERT = ALERTS + "/{id}"
SILENCES = "/v1/silences"
SILENCE = SILENCES + "/{id}"

routes = RouteTable()


@routes.get(ALERTS, query=LIST_QUERY)
async def list_alerts(call: ApiCall[None]) -> api.ListOf[Alert]:
    """List the alerts, newest first."""
    return with_cluster_names(call, await page_of(call, call.services.history.alerts, kind="alerts"))


@routes.get(ALERT)
async def get_alert(call: ApiCall[None]) -> Alert:
    """Show one alert by its id."""
    return call.services.alerts.get(call.id)


@routes.post(ALERT + "/acknowledge", Level.OPERATE)
async def acknowledge(call: ApiCall[api.Empty]) -> Alert:
    """Acknowledge an alert: reminders stop; missing snapshots and unusual backups hold nothing back now."""
    user = access.user_of(call.request)
    alert = await call.services.alerts.acknowledge(call.id, user)
    if alert.code == AlertCode.SNAPSHOT_MISSING:
        await call.services.retention.acknowledge_missing_of(alert.object_id)
    if alert.code == AlertCode.BACKUP_UNUSUAL:
        await call.services.backups.acknowledge_unusual(alert.object_id, user)
    return alert


@routes.post(ALERT + "/unacknowledge", Level.OPERATE)
async def unacknowledge(call: ApiCall[api.Empty]) -> Alert:
    """Take the acknowledgement of an alert back, so that people are reminded again."""
    return await call.services.alerts.unacknowledge(call.id)


@routes.post("/v1/channels/test", Level.OPERATE)
async def test_channels(call: ApiCall[ChannelTestRequest]) -> api.ListOf[ChannelTrial]:
    """Send a test message to channels, and answer how each ended."""
    trials = call.services.alerts.trials
    return api.ListOf(items=await trials.try_channels(call.body.channels, access.user_of(call.request)))


@routes.get(SILENCES, query=("filter", "limit"))
async def list_silences(call: ApiCall[None]) -> api.ListOf[SilenceView]:
    """List the silences, newest first; `status:active` are those that hold alerts back now."""
    accepted = filter_of(call, "silences")
    now = call.services.clock.now()
    views = call.services.alerts.silence_views(call.services.alerts.silences.newest())
    return api.ListOf(items=[view for view in views if accepted.matches(view, now)][: limit_of(call)])


@routes.get(SILENCE)
async def get_silence(call: ApiCall[None]) -> SilenceView:
    """Show one silence by its id."""
    return _silence_view(call, call.services.alerts.silences.get(call.id))


@routes.post(SILENCES, Level.OPERATE, status=201)
async def create_silence(call: ApiCall[SilenceRequest]) -> SilenceView:
    """Send no alerts that match a filter, for a while; they stay visible."""
    user = access.user_name(access.peer_of(call.request).uid)
    check_filter(call, call.body.filter, "alerts")
    return _silence_view(call, await call.services.alerts.silences.create(call.body, user))


@routes.post(SILENCE + "/end", Level.OPERATE)
async def end_silence(call: ApiCall[api.Empty]) -> SilenceView:
    """End a silence: what is still wrong is sent now."""
    user = access.user_name(access.peer_of(call.request).uid)
    return _silence_view(call, await call.services.alerts.silences.end(call.id, user))


def _silence_view(call: ApiCall[object], silence: Silence) -> SilenceView:
    (view,) = call.services.alerts.silence_views([silence])
    return view
