"""The routes of restores: browse a snapshot, plan, begin, look, cancel."""

import base64
import logging
from urllib.parse import quote

from aiohttp import web

from kronkeep_common import api
from kronkeep_common.errors import InvalidRequest, KronkeepError, LogNotFound
from kronkeep_common.models import Restore, RestorePlan, RestoreRequest, SnapshotFolder
from kronkeep_daemon.http import access, list_pages
from kronkeep_daemon.http.access import Level
from kronkeep_daemon.http.route import Call, Route
from kronkeep_daemon.restores.file_download import Sending

log = logging.getLogger(__name__)
B = "/v1/backups/{id}"
R = "/v1/restores"
ONE = R + "/{id}"


async def _files(call: Call) -> SnapshotFolder:
    path = call.query.get("path", "/")
    if not path.startswith("/"):
        raise InvalidRequest("A path of a snapshot begins with /.", field="path")
    limit = list_pages.limit_of(call)
    cursor = call.query.get("cursor")
    return await call.services.restores.snapshots.folder(call.path["id"], path, limit, cursor)


async def _restore(call: Call) -> Restore | RestorePlan:
    service = call.services.restores
    backup_id = call.path["id"]
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
    backup_id = call.path["id"]
    service = call.services.restores
    service.snapshots.restorable(backup_id)
    return await call.services.operations.start("verify", backup_id, lambda: service.verify(backup_id))


async def _log(call: Call) -> web.StreamResponse:
    restore = one(call)
    kept = [await call.services.history.logs.read(restore.id, log.container) or b"" for log in restore.logs]
    if not kept:
        raise LogNotFound(f"No log of restore {restore.id} is kept.")
    return web.Response(body=b"".join(kept), content_type="text/plain", charset="utf-8")


async def _list(call: Call) -> api.ListOf[Restore]:
    return list_pages.of_clusters(call, await list_pages.page(call, call.services.history.restores))


def one(call: Call) -> Restore:
    """The restore that a route is about."""
    return call.services.restores.records.get(call.path["id"])


async def _one(call: Call) -> Restore:
    return one(call)


ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path=B + "/files",
        level=Level.READ,
        request=None,
        answer=SnapshotFolder,
        sentence="A folder of the backup's snapshot.",
        handler=_files,
        query=("path", "limit", "cursor"),
    ),
    Route(
        method="GET",
        path=B + "/download",
        level=Level.ADMIN,
        request=None,
        answer=None,
        sentence="One file of the backup's snapshot.",
        handler=_download,
        query=("path",),
        status=200,
        media="application/octet-stream",
    ),
    Route(
        method="POST",
        path=B + "/restore",
        level=Level.ADMIN,
        request=RestoreRequest,
        answer=Restore,
        sentence="Restore a backup; a dry run answers a RestorePlan.",
        handler=_restore,
        query=("dry_run",),
        status=202,
    ),
    Route(
        method="POST",
        path=B + "/verify",
        level=Level.OPERATE,
        request=api.Empty,
        answer=api.Operation,
        sentence="Restore a backup to scratch and compare it.",
        handler=_verify,
        query=(),
        status=202,
    ),
    Route(
        method="POST",
        path="/v1/cronjobs/{namespace}/{name}/drill",
        level=Level.OPERATE,
        request=api.Empty,
        answer=Restore,
        sentence="Drill now: restore a good backup to scratch, compare and check it.",
        handler=lambda c: c.services.restores.drill(c.ref, key=c.key),
        query=(),
        status=202,
    ),
    Route(
        method="GET",
        path=R,
        level=Level.READ,
        request=None,
        answer=api.ListOf[Restore],
        sentence="Restores and drills, newest first.",
        handler=_list,
        query=list_pages.LIST,
    ),
    Route(
        method="GET",
        path=R + "/{id}",
        level=Level.READ,
        request=None,
        answer=Restore,
        sentence="One restore.",
        handler=_one,
    ),
    Route(
        method="GET",
        path=R + "/{id}/logs",
        level=Level.READ,
        request=None,
        answer=None,
        sentence="What restic and the check said.",
        handler=_log,
        query=(),
        status=200,
        media="text/plain",
    ),
    Route(
        method="POST",
        path=R + "/{id}/cancel",
        level=Level.OPERATE,
        request=api.Empty,
        answer=Restore,
        sentence="Stop a restore.",
        handler=lambda c: c.services.restores.cancel(c.path["id"]),
    ),
)
