"""The snapshot that a client begins with, and the changes after it."""

from collections.abc import Iterable
from typing import TypeVar

import msgspec
from aiohttp import web

from kronkeep_common import api
from kronkeep_common.models.base import Record
from kronkeep_daemon.http import event_stream
from kronkeep_daemon.http.list_pages import cluster_views
from kronkeep_daemon.http.route import ApiCall, RouteTable
from kronkeep_daemon.http.routes_backups import without_policy
from kronkeep_daemon.http.streams import count_stream

RUNS = 200
BACKUPS = 200
ALERTS = 200
RESTORES = 50
RUN_BYTES = 600_000  # of the JSON of the runs in a snapshot, and so on
BACKUP_BYTES = 600_000
ALERT_BYTES = 300_000
RESTORE_BYTES = 150_000
COPIES = 100
COPY_BYTES = 100_000
R = TypeVar("R", bound=Record)

routes = RouteTable()


@routes.get("/v1/snapshot")
async def get_snapshot(call: ApiCall[None]) -> api.Snapshot:
    """Show all that a first screen needs; of the history, the newest records within a number and size."""
    services = call.services
    history = services.history
    seq = history.seq  # read before the CronJobs: their later changes carry it or a later one
    cronjobs, watches = await services.live.current()
    records = services.backup_records
    runs = take_newest(map(records.link_to_backup, history.executions.newest(limit=RUNS).items), RUN_BYTES)
    backups = map(without_policy, history.backups.newest(limit=BACKUPS).items)
    return api.Snapshot(
        seq=seq,
        now=services.clock.now(),
        version=api.VERSION,
        cronjobs=cronjobs,
        executions=runs,
        backups=take_newest(backups, BACKUP_BYTES),
        restores=take_newest(history.restores.newest(limit=RESTORES).items, RESTORE_BYTES),
        copies=take_newest(history.copies.newest(limit=COPIES).items, COPY_BYTES),
        storages=services.storages.list(),
        alerts=take_newest(services.alerts.active_alerts(ALERTS), ALERT_BYTES),
        watches=watches,
        clusters=cluster_views(services),
    )


def take_newest(records: Iterable[R], most_bytes: int) -> list[R]:
    """Return as many records from the first on as together have no more bytes of JSON."""
    taken: list[R] = []
    free = most_bytes
    for record in records:
        free -= len(msgspec.json.encode(record))
        if free < 0:
            break
        taken.append(record)
    return taken


@routes.get("/v1/events", query=("filter", "table"), media="text/event-stream")
async def send_events(call: ApiCall[None]) -> web.StreamResponse:
    """Send changes as they happen; Last-Event-ID resumes."""
    with count_stream(call):
        return await event_stream.send(call)
