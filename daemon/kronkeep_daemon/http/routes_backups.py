"""The routes of backups."""

import msgspec
from aiohttp import web

from kronkeep_common import api
from kronkeep_common.models import BackupExecution
from kronkeep_daemon.http import access
from kronkeep_daemon.http.access import Level
from kronkeep_daemon.http.list_pages import LIST_QUERY, page_of, with_staleness
from kronkeep_daemon.http.route import TEXT, ApiCall, RouteTable
from kronkeep_daemon.http.routes_cronjobs import CRONJOB
from kronkeep_daemon.http.streams import count_stream, send_text

BACKUPS = "/v1/backups"
BACKUP = BACKUPS + "/{id}"

routes = RouteTable()


@routes.post(CRONJOB + "/backup", Level.OPERATE, status=202)
async def back_up(call: ApiCall[api.BackupRequest]) -> BackupExecution:
    """Back up a CronJob's data now."""
    options = {"backup_type": call.body.backup_type, "compression": call.body.compression}
    overrides = {name: str(value) for name, value in options.items() if value is not None}
    return await call.services.extended.back_up_now(call.ref, overrides, key=call.key)


@routes.get(BACKUPS, query=LIST_QUERY)
async def list_backups(call: ApiCall[None]) -> api.ListOf[BackupExecution]:
    """List the backups, newest first; each alone has its policy too."""
    page = await page_of(call, call.services.history.backups, kind="backups", convert=without_policy)
    return with_staleness(call, page)


def without_policy(backup: BackupExecution) -> BackupExecution:
    """Return a backup as lists show it."""
    return msgspec.structs.replace(backup, policy=None)


@routes.get(BACKUP)
async def get_backup(call: ApiCall[None]) -> BackupExecution:
    """Show one backup by its id."""
    return call.services.backups.get(call.id)


@routes.get(BACKUP + "/logs", media=TEXT)
async def send_log(call: ApiCall[None]) -> web.StreamResponse:
    """Send the log of a backup's Jobs and hooks."""
    backup = call.services.backups.get(call.id)
    with count_stream(call):
        return await send_text(call.request, call.services.backup_logs.read(backup))


@routes.post(BACKUP + "/cancel", Level.OPERATE)
async def cancel_backup(call: ApiCall[api.Empty]) -> BackupExecution:
    """Stop a backup that has not ended."""
    return await call.services.backups.cancel(call.id, access.user_of(call.request))


@routes.post(BACKUP + "/pin", Level.OPERATE)
async def pin(call: ApiCall[api.Empty]) -> BackupExecution:
    """Exempt a backup's snapshot from retention."""
    return await call.services.backups.pin(call.id, True)


@routes.post(BACKUP + "/unpin", Level.ADMIN)
async def unpin(call: ApiCall[api.Empty]) -> BackupExecution:
    """End the exemption of a backup's snapshot from retention."""
    return await call.services.backups.pin(call.id, False)
