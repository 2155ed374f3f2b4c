"""The snapshot that a client begins with, and the changes after it."""

from aiohttp import web

from kronkeep_common import api
from kronkeep_daemon.http import event_stream
from kronkeep_daemon.http.list_pages import cluster_views
from kronkeep_daemon.http.route import ApiCall, RouteTable
from kronkeep_daemon.http.streams import count_stream

RUNS = 200
BACKUPS = 200
ALERTS = 200
RESTORES = 50

routes = RouteTable()


@routes.get("/v1/snapshot")
async def get_snapshot(call: ApiCall[None]) -> api.Snapshot:
    """Show all that a first screen needs."""
    services = call.services
    history = services.history
    seq = history.seq  # read before the CronJobs: their later changes carry it or a later one
    cronjobs, watches = await services.live.current()
    runs = history.executions.newest(limit=RUNS).items
    return api.Snapshot(
        seq=seq,
        now=services.clock.now(),
        version=api.VERSION,
        cronjobs=cronjobs,
        executions=[services.backup_records.link_to_backup(run) for run in runs],
        backups=history.backups.newest(limit=BACKUPS).items,
        restores=history.restores.newest(limit=RESTORES).items,
        storages=services.storages.list(),
        alerts=services.alerts.active_alerts(ALERTS),
        watches=watches,
        clusters=cluster_views(services),
    )


@routes.get("/v1/events", query=("filter", "table"), media="text/event-stream")
async def send_events(call: ApiCall[None]) -> web.StreamResponse:
    """Send changes as they happen; Last-Event-ID resumes."""
    with count_stream(call):
        return await event_stream.send(call)
