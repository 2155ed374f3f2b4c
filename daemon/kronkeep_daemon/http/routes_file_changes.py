"""The routes about several snapshots: what two differ in, and where a file is."""

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.models.file_changes import BackupDiff, FileMatches
from kronkeep_daemon.history.snapshot_ids import expand_backup_id
from kronkeep_daemon.http import access
from kronkeep_daemon.http.list_pages import limit_of
from kronkeep_daemon.http.route import AUDITED, ApiCall, RouteTable
from kronkeep_daemon.http.routes_backups import BACKUP
from kronkeep_daemon.http.routes_cronjobs import CRONJOB

routes = RouteTable()


@routes.get(BACKUP + "/diff", query=("other", "path", "limit"))
async def diff_backups(call: ApiCall[None]) -> BackupDiff:
    """Show what differs between a backup's snapshot and that of the later backup `other`, below a folder."""
    other = call.query.get("other", "")
    if not other:
        raise InvalidRequest("The backup to compare with is missing.", field="other")
    path = call.query.get("path", "/")
    if not path.startswith("/"):
        raise InvalidRequest("A path in a snapshot begins with /.", field="path")
    other = await expand_backup_id(call.services.history, other)
    snapshots = call.services.snapshots
    call.request[AUDITED] = await snapshots.needs_job(call.id) or await snapshots.needs_job(other)
    uid = access.peer_of(call.request).uid
    return await call.services.snapshot_search.diff(call.id, other, path, limit_of(call), uid)


@routes.get(CRONJOB + "/find", query=("pattern", "limit"))
async def find_files(call: ApiCall[None]) -> FileMatches:
    """Find files by a pattern in the snapshots of a CronJob, each with its first and last snapshot."""
    call.request[AUDITED] = True
    cronjob = call.services.cronjobs.find_subject(call.ref)
    uid = access.peer_of(call.request).uid
    pattern = call.query.get("pattern", "")
    return await call.services.snapshot_search.find(cronjob.uid, pattern, limit_of(call), uid)
