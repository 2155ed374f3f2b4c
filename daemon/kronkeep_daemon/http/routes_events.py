"""The snapshot that a client begins with, and the changes after it."""

from collections.abc import Iterable
from typing import TypeVar, cast

import msgspec
from aiohttp import web

from kronkeep_common import api
from kronkeep_common.models import CronJob
from kronkeep_common.models.base import Record
from kronkeep_daemon.http import event_stream
from kronkeep_daemon.http.list_pages import cluster_views
from kronkeep_daemon.http.route import ApiCall, RouteTable
from kronkeep_daemon.http.routes_backups import without_policy
from kronkeep_daemon.http.streams import count_stream
from kronkeep_daemon.loop_turns import LoopTurn

RUNS = 200
BACKUPS = 200
ALERTS = 200
RESTORES = 50
COPIES = 100
RUN_BYTES = (
    600_000  # of the JSON of the runs in a snapshot, and so on; 2 MB together with storages and watches
)
BACKUP_BYTES = 350_000
ALERT_BYTES = 200_000
RESTORE_BYTES = 100_000
COPY_BYTES = 70_000
CRONJOB_BYTES = 450_000  # of each page of CronJobs
R = TypeVar("R", bound=Record)

routes = RouteTable()


@routes.get("/v1/snapshot")
async def get_snapshot(call: ApiCall[None]) -> api.Snapshot:
    """Show all that a first screen needs; of the history, the newest records within a number and size.

    Where `cronjobs_cursor` is set, `/v1/snapshot/cronjobs` has the CronJobs after these.
    """
    services = call.services
    history = services.history
    seq = history.seq  # read before the CronJobs: their later changes carry it or a later one
    cronjobs, watches = await services.live.current(CRONJOB_BYTES)
    turn = LoopTurn()
    newest_runs = history.executions.newest(limit=RUNS).items
    await turn.give_way()
    runs = take_newest(map(services.backup_records.link_to_backup, newest_runs), RUN_BYTES)
    await turn.give_way()
    newest_backups = history.backups.newest(limit=BACKUPS).items
    backups = take_newest(map(without_policy, newest_backups), BACKUP_BYTES)
    await turn.give_way()
    return api.Snapshot(
        seq=seq,
        now=services.clock.now(),
        version=api.VERSION,
        cronjobs=cast(list[CronJob], cronjobs.items),
        cronjobs_cursor=cronjobs.next_cursor,
        executions=runs,
        backups=backups,
        restores=take_newest(history.restores.newest(limit=RESTORES).items, RESTORE_BYTES),
        copies=take_newest(history.copies.newest(limit=COPIES).items, COPY_BYTES),
        storages=services.storages.list(),
        alerts=take_newest(services.alerts.active_alerts(ALERTS), ALERT_BYTES),
        watches=watches,
        clusters=cluster_views(services),
    )


@routes.get("/v1/snapshot/cronjobs", query=("cursor",))
async def list_more_cronjobs(call: ApiCall[None]) -> api.ListOf[CronJob]:
    """Show the CronJobs after those of a snapshot or an earlier page, up to the next `cursor`."""
    page = call.services.live.next_page(call.query.get("cursor", ""), CRONJOB_BYTES)
    return api.ListOf(items=cast(list[CronJob], page.items), next_cursor=page.next_cursor)


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
