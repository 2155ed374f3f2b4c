"""The routes of restores: browse a snapshot, plan, begin, look, cancel."""

import base64
import logging
from urllib.parse import quote

from aiohttp import web

from kronkeep_common import api
from kronkeep_common.errors import InvalidRequest, KronkeepError, LogNotFound
from kronkeep_common.models import Restore, RestorePlan, RestoreRequest, SnapshotFolder
from kronkeep_daemon.http import access, list_handlers
from kronkeep_daemon.http.access import Level
from kronkeep_daemon.http.route import Call, Route
from kronkeep_daemon.restores.file_download import Sending

log = logging.getLogger(__name__)
B, R = "/v1/backups/{id}", "/v1/restores"
ONE = R + "/{id}"


async def _files(call: Call) -> SnapshotFolder:
    path = call.query.get("path", "/")
    if not path.startswith("/"):
        raise InvalidRequest("A path of a snapshot begins with /.", field="path")
    limit, cursor = list_handlers.limit_of(call), call.query.get("cursor")
    return await call.services.restores.snapshots.folder(call.path["id"], path, limit, cursor)


async def _restore(call: Call) -> Restore | RestorePlan:
    service, backup_id = call.services.restores, call.path["id"]
    if call.query.get("dry_run") == "true":
        return await service.plan(backup_id, call.body)
    return await service.restore(backup_id, call.body, key=call.key)


async def _download(call: Call) -> web.StreamResponse:
    path = call.query.get("path", "")
    with call.services.limits.stream(access.peer_of(call.request).uid, call.request.task):
        transport = call.request.transport
        gone = transport.is_closing if transport is not None else lambda: True
        async with call.services.restores.downloads.open(call.path["id"], path, gone) as sending:
            return await _send(call.request, sending)


async def _send(request: web.Request, sending: Sending) -> web.StreamResponse:
    """The bytes, in chunks without a length: every client sees when a fault ends them before the last."""
    name = quote(sending.entry.name, safe="")
    digest = base64.b64encode(bytes.fromhex(sending.sha256)).decode()
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
        "Repr-Digest": f"sha-256=:{digest}:",
    }
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    try:
        async for chunk in sending.chunks:
            await response.write(chunk)
    except ConnectionError:
        return response
    except KronkeepError as fault:
        log.warning("a download broke off: %s", fault)
        if request.transport is not None:
            request.transport.abort()
    return response


async def _verify(call: Call) -> api.Operation:
    backup_id, service = call.path["id"], call.services.restores
    service.snapshots.restorable(backup_id)
    return await call.services.operations.start("verify", backup_id, lambda: service.verify(backup_id))


async def _log(call: Call) -> web.StreamResponse:
    restore = one(call)
    kept = [await call.services.history.logs.read(restore.id, log.container) or b"" for log in restore.logs]
    if not kept:
        raise LogNotFound(f"No log of restore {restore.id} is kept.")
    return web.Response(body=b"".join(kept), content_type="text/plain", charset="utf-8")


async def _list(call: Call) -> api.ListOf[Restore]:
    return list_handlers.of_clusters(call, await list_handlers.page(call, call.services.history.restores))


def one(call: Call) -> Restore:
    """The restore that a route is about."""
    return call.services.restores.records.get(call.path["id"])


async def _one(call: Call) -> Restore:
    return one(call)


ROUTES: tuple[Route, ...] = (
    Route("GET", B + "/files", Level.READ, None, SnapshotFolder, "A folder of the backup's snapshot.",
          _files, ("path", "limit", "cursor")),
    Route("GET", B + "/download", Level.ADMIN, None, None, "One file of the backup's snapshot.",
          _download, ("path",), 200, "application/octet-stream"),
    Route("POST", B + "/restore", Level.ADMIN, RestoreRequest, Restore,
          "Restore a backup; a dry run answers a RestorePlan.", _restore, ("dry_run",), 202),
    Route("POST", B + "/verify", Level.OPERATE, api.Empty, api.Operation,
          "Restore a backup to scratch and compare it.", _verify, (), 202),
    Route("POST", "/v1/cronjobs/{namespace}/{name}/drill", Level.OPERATE, api.Empty, Restore,
          "Drill now: restore a good backup to scratch, compare and check it.",
          lambda c: c.services.restores.drill(*c.name, key=c.key), (), 202),
    Route("GET", R, Level.READ, None, api.ListOf[Restore], "Restores and drills, newest first.",
          _list, list_handlers.LIST),
    Route("GET", R + "/{id}", Level.READ, None, Restore, "One restore.", _one),
    Route("GET", R + "/{id}/logs", Level.READ, None, None, "What restic and the check said.",
          _log, (), 200, "text/plain"),
    Route("POST", R + "/{id}/cancel", Level.OPERATE, api.Empty, Restore, "Stop a restore.",
          lambda c: c.services.restores.cancel(c.path["id"])),
)  # fmt: skip
