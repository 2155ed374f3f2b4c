"""The routes of the copies of backups in other storages."""

from aiohttp import web

from kronkeep_common import api
from kronkeep_common.models import BackupCopy
from kronkeep_daemon.http import access
from kronkeep_daemon.http.access import Level
from kronkeep_daemon.http.list_pages import LIST_QUERY, page_of, with_cluster_names
from kronkeep_daemon.http.route import TEXT, ApiCall, RouteTable
from kronkeep_daemon.http.routes_backups import BACKUP
from kronkeep_daemon.http.streams import count_stream, send_text

COPIES = "/v1/copies"
COPY = COPIES + "/{id}"

routes = RouteTable()


@routes.get(COPIES, query=LIST_QUERY)
async def list_copies(call: ApiCall[None]) -> api.ListOf[BackupCopy]:
    """List the copies of backups in other storages, newest first."""
    return with_cluster_names(call, await page_of(call, call.services.history.copies, kind="copies"))


@routes.get(BACKUP + "/copies")
async def list_copies_of_backup(call: ApiCall[None]) -> api.ListOf[BackupCopy]:
    """List the copies of a backup, by storage."""
    backup = call.services.backups.get(call.id)
    return api.ListOf(items=list(call.services.copies.of_backup(backup.id)))


@routes.post(BACKUP + "/copies", Level.OPERATE, status=202)
async def copy_backup(call: ApiCall[api.CopyRequest]) -> BackupCopy:
    """Copy a backup to another storage now, or again where that failed or the copy is missing."""
    return await call.services.copy_planner.copy_now(call.id, call.body.storage_id)


@routes.get(COPY)
async def get_copy(call: ApiCall[None]) -> BackupCopy:
    """Show one copy by its id."""
    return call.services.copy_records.get(call.id)


@routes.get(COPY + "/logs", media=TEXT)
async def send_log(call: ApiCall[None]) -> web.StreamResponse:
    """Send the log of a copy's Job."""
    copy = call.services.copy_records.get(call.id)
    with count_stream(call):
        return await send_text(call.request, call.services.backup_logs.read(copy))


@routes.post(COPY + "/cancel", Level.OPERATE)
async def cancel_copy(call: ApiCall[api.Empty]) -> BackupCopy:
    """Stop a copy that has not ended."""
    return await call.services.copy_planner.cancel(call.id, access.user_of(call.request))
