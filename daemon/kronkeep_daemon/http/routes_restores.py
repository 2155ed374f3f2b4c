"""The routes of restores: browse a snapshot, download, plan, restore, verify, drill."""

import base64
import logging
from collections.abc import AsyncIterator
from functools import partial
from urllib.parse import quote

from aiohttp import web

from kronkeep_common import api
from kronkeep_common.errors import InvalidRequest, KronkeepError, LogNotFound
from kronkeep_common.models import Restore, RestorePlan, RestoreRequest, SnapshotFolder
from kronkeep_common.models.restorable import RestorableBackup
from kronkeep_common.models.tar_download import TarDownload
from kronkeep_daemon.history.removed_logs import refuse_removed
from kronkeep_daemon.http import access
from kronkeep_daemon.http.access import Level
from kronkeep_daemon.http.list_pages import (
    LIST_QUERY,
    filter_of,
    limit_of,
    page_of,
    with_cluster_names,
    with_staleness,
)
from kronkeep_daemon.http.route import AUDITED, TEXT, ApiCall, RouteTable
from kronkeep_daemon.http.routes_backups import BACKUP
from kronkeep_daemon.http.routes_cronjobs import CRONJOB
from kronkeep_daemon.restores.file_download import FileDownload
from kronkeep_daemon.restores.tar_download import TarQuestion

log = logging.getLogger(__name__)
BYTES = "application/octet-stream"
TAR = "application/x-tar"
RESTORES = "/v1/restores"
RESTORE = RESTORES + "/{id}"

routes = RouteTable()


@routes.get(BACKUP + "/files", query=("path", "limit", "cursor"))
async def list_files(call: ApiCall[None]) -> SnapshotFolder:
    """List a folder of a backup's snapshot; the first question starts a Job that reads the listing."""
    path = call.query.get("path", "/")
    if not path.startswith("/"):
        raise InvalidRequest("A path in a snapshot begins with /.", field="path")
    snapshots = call.services.snapshots
    call.request[AUDITED] = await snapshots.needs_job(call.id)
    uid = access.peer_of(call.request).uid
    return await snapshots.fetch_folder(call.id, path, limit_of(call), call.query.get("cursor"), uid)


@routes.get(BACKUP + "/download", Level.ADMIN, query=("path",), media=BYTES)
async def download_file(call: ApiCall[None]) -> web.StreamResponse:
    """Send one file of a backup's snapshot."""
    path = call.query.get("path", "")
    call.request[AUDITED] = True
    with call.services.limits.count_stream(access.peer_of(call.request).uid, call.request.task):
        has_left = partial(_is_closing, call.request)
        async with call.services.downloads.open(call.id, path, has_left) as sending:
            return await _send(call.request, sending)


@routes.get(BACKUP + "/tar", Level.ADMIN, query=("path", "offset", "sha256"), media=TAR)
async def download_tar(call: ApiCall[None]) -> web.StreamResponse:
    """Send a folder of a backup's snapshot as a tar archive, from an offset where the client has the rest."""
    offset = call.query.get("offset", "0")
    if not offset.isdigit():
        raise InvalidRequest("The offset is a number of bytes.", field="offset")
    uid = access.peer_of(call.request).uid
    question = TarQuestion(
        backup_id=call.id,
        path=call.query.get("path", "/"),
        uid=uid,
        offset=int(offset),
        sha256=call.query.get("sha256", ""),
    )
    call.request[AUDITED] = True
    with call.services.limits.count_stream(uid, call.request.task):
        has_left = partial(_is_closing, call.request)
        async with call.services.tar_downloads.open(question, has_left) as chunks:
            return await _send_chunks(call.request, chunks, {"Content-Type": TAR})


@routes.get(BACKUP + "/tar/state", Level.ADMIN, query=("path",))
async def get_tar_state(call: ApiCall[None]) -> TarDownload:
    """Show how far the user's last download of a folder has come, or how large one will be."""
    uid = access.peer_of(call.request).uid
    return await call.services.tar_downloads.describe(call.id, call.query.get("path", "/"), uid)


def _is_closing(request: web.Request) -> bool:
    """Return whether the connection is gone, so that nothing need be read for it."""
    return request.transport is None or request.transport.is_closing()


async def _send(request: web.Request, sending: FileDownload) -> web.StreamResponse:
    """Send the bytes in chunks without a length: a fault before the last one breaks the answer visibly."""
    name = quote(sending.entry.name, safe="")
    digest = base64.b64encode(bytes.fromhex(sending.sha256)).decode()
    headers = {
        "Content-Type": BYTES,
        "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
        "Repr-Digest": f"sha-256=:{digest}:",
    }
    if request.method == "HEAD":
        return web.Response(headers=headers)
    return await _send_chunks(request, sending.chunks, headers)


async def _send_chunks(
    request: web.Request, chunks: AsyncIterator[bytes], headers: dict[str, str]
) -> web.StreamResponse:
    """Send bytes; where they end too early the connection is broken.

    The answer begins with the first byte, so a fault before it is answered as a refusal.
    """
    response = web.StreamResponse(headers=headers)
    try:
        async for chunk in chunks:
            if not response.prepared:
                await response.prepare(request)
            await response.write(chunk)
        if not response.prepared:
            await response.prepare(request)
    except ConnectionError:
        return response
    except KronkeepError as fault:
        if not response.prepared:
            raise
        log.warning("a download broke off: %s", fault)
        if request.transport is not None:
            request.transport.abort()
    return response


@routes.post(BACKUP + "/restore", Level.ADMIN, query=("dry_run",), status=202, answer=Restore)
async def restore(call: ApiCall[RestoreRequest]) -> Restore | RestorePlan:
    """Restore a backup; a dry run answers with a RestorePlan."""
    if call.dry_run:
        return await call.services.restores.plan(call.id, call.body)
    return await call.services.restores.restore(call.id, call.body, key=call.key)


@routes.post(BACKUP + "/verify", Level.OPERATE, status=202)
async def verify(call: ApiCall[api.VerifyRequest]) -> api.Operation:
    """Restore a backup, or a copy of it, to scratch space and compare it."""
    restores = call.services.restores
    copy = call.body.from_copy
    restores.require_place(call.id, copy)
    return await call.services.operations.start("verify", call.id, partial(restores.verify, call.id, copy))


@routes.post(CRONJOB + "/drill", Level.OPERATE, status=202)
async def drill(call: ApiCall[api.DrillRequest]) -> Restore:
    """Drill now: restore a good backup, or its copy, to scratch space, compare and check it."""
    return await call.services.restores.drill(call.ref, call.body.from_copy, key=call.key)


@routes.get("/v1/restorable", query=("filter", "namespace"))
async def list_restorable(call: ApiCall[None]) -> api.ListOf[RestorableBackup]:
    """List the newest backup of each CronJob and claim that can be restored now, of deleted ones too.

    One with a policy of which nothing can be restored has no `id`.
    """
    accepted = filter_of(call, "policies")
    namespace = call.query.get("namespace") or None
    now = call.services.clock.now()
    each = call.services.restorable.iter(call.services.extended.iter_cronjobs(namespace), namespace)
    items = [backup async for backup in each if accepted.matches(backup, now)]
    return with_staleness(call, api.ListOf(items=items))


@routes.get(RESTORES, query=LIST_QUERY)
async def list_restores(call: ApiCall[None]) -> api.ListOf[Restore]:
    """List the restores and drills, newest first."""
    return with_cluster_names(call, await page_of(call, call.services.history.restores, kind="restores"))


@routes.get(RESTORE)
async def get_restore(call: ApiCall[None]) -> Restore:
    """Show one restore by its id."""
    return call.services.restore_records.get(call.id)


@routes.get(RESTORE + "/logs", media=TEXT)
async def send_log(call: ApiCall[None]) -> web.Response:
    """Send the log of a restore's Jobs."""
    record = call.services.restore_records.get(call.id)
    refuse_removed(record.logs, record.namespace)
    logs = [await call.services.history.logs.read(record, log.container) or b"" for log in record.logs]
    if not logs:
        raise LogNotFound(f"No log of restore {record.id} is kept.")
    return web.Response(body=b"".join(logs), content_type=TEXT, charset="utf-8")


@routes.post(RESTORE + "/cancel", Level.OPERATE)
async def cancel_restore(call: ApiCall[api.Empty]) -> Restore:
    """Stop a restore that has not ended."""
    return await call.services.restores.cancel(call.id, access.user_of(call.request))
