"""The routes of restores: browse a snapshot, plan, begin, look, cancel."""

from kronkeep_common import api
from kronkeep_common.errors import InvalidRequest
from kronkeep_common.models import Restore, RestorePlan, RestoreRequest, SnapshotFolder
from kronkeep_daemon.http import lists
from kronkeep_daemon.http.access import Level
from kronkeep_daemon.http.route import Call, Route

B, R = "/v1/backups/{id}", "/v1/restores"
ONE = R + "/{id}"


async def _files(call: Call) -> SnapshotFolder:
    path = call.query.get("path", "/")
    if not path.startswith("/"):
        raise InvalidRequest("A path of a snapshot begins with /.", field="path")
    limit, cursor = lists.limit_of(call), call.query.get("cursor")
    return await call.services.restores.snapshots.folder(call.path["id"], path, limit, cursor)


async def _restore(call: Call) -> Restore | RestorePlan:
    service, backup_id = call.services.restores, call.path["id"]
    if call.query.get("dry_run") == "true":
        return await service.plan(backup_id, call.body)
    return await service.restore(backup_id, call.body, key=call.key)


async def _list(call: Call) -> api.ListOf[Restore]:
    return lists.page(call, call.services.history.restores)


def one(call: Call) -> Restore:
    """The restore that a route is about."""
    return call.services.restores.records.get(call.path["id"])


async def _one(call: Call) -> Restore:
    return one(call)


ROUTES: tuple[Route, ...] = (
    Route("GET", B + "/files", Level.READ, None, SnapshotFolder, "A folder of the backup's snapshot.",
          _files, ("path", "limit", "cursor")),
    Route("POST", B + "/restore", Level.ADMIN, RestoreRequest, Restore,
          "Restore a backup; a dry run answers a RestorePlan.", _restore, ("dry_run",), 202),
    Route("GET", R, Level.READ, None, api.ListOf[Restore], "Restores and drills, newest first.",
          _list, lists.LIST),
    Route("GET", R + "/{id}", Level.READ, None, Restore, "One restore.", _one),
    Route("POST", R + "/{id}/cancel", Level.OPERATE, api.Empty, Restore, "Stop a restore.",
          lambda c: c.services.restores.cancel(c.path["id"])),
)  # fmt: skip
