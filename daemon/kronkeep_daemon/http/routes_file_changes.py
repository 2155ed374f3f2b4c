"""The routes about several snapshots: what two differ in, and where a file is."""

from collections.abc import Collection

from kronkeep_common.errors import Conflict, CronJobNotFound, InvalidRequest
from kronkeep_common.models.file_changes import BackupDiff, FileMatches
from kronkeep_common.text import clean
from kronkeep_daemon.history.snapshot_ids import expand_backup_id
from kronkeep_daemon.http import access
from kronkeep_daemon.http.list_pages import limit_of
from kronkeep_daemon.http.route import AUDITED, ApiCall, RouteTable
from kronkeep_daemon.http.routes_backups import BACKUP
from kronkeep_daemon.http.routes_cronjobs import CRONJOB
from kronkeep_daemon.http.services import Services

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
    """Find files by a pattern in the snapshots of a CronJob, each with its first and last snapshot.

    The CronJob may have been deleted, or made again: all backups of its name are searched.
    """
    call.request[AUDITED] = True
    owners = await find_owners(
        call.services, call.path["namespace"], call.path["name"], cluster=call.cluster_name
    )
    uid = access.peer_of(call.request).uid
    pattern = call.query.get("pattern", "")
    return await call.services.snapshot_search.find(owners, pattern, limit_of(call), uid)


async def find_owners(
    services: Services, namespace: str, name: str, *, cluster: str | None = None
) -> Collection[str]:
    """Return the uids of the CronJob of a name and of those of that name before it, deleted or not.

    cluster: the name or id of one, as in a request.
    Raises what CronJobService.resolve does, but CronJobNotFound only where no backup of the name is recorded.
    """
    recorded = await services.backup_records.owners_named(namespace, name)
    clusters = services.clusters
    try:
        ref = services.cronjobs.resolve(namespace, name, cluster)
    except CronJobNotFound:
        only = clusters.by_name(cluster).id if cluster else None
        gone = {uid: of for uid, of in recorded.items() if only is None or clusters.same(of, only)}
        if not gone:
            raise
        _require_one_cluster(services, f"{namespace}/{name}", gone.values())
        return sorted(gone)
    before = (uid for uid, of in recorded.items() if clusters.same(of, ref.cluster))
    return sorted({services.cronjobs.find_subject(ref).uid, *before})


def _require_one_cluster(services: Services, title: str, clusters: Collection[str]) -> None:
    """Raise Conflict where the backups of a deleted CronJob's name are of several clusters."""
    first, *others = sorted(set(clusters))
    if all(services.clusters.same(first, other) for other in others):
        return
    names = ", ".join(services.clusters.title(each, title) for each in (first, *others))
    raise Conflict(
        f"There are backups of {clean(names, 1000)}, which are not there any more.",
        next_step="Name one with ?cluster=NAME (on the command line --cluster NAME).",
    )
