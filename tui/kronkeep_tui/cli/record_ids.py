"""The ids that verbs take: an id, its beginning, NAMESPACE/ID, or a CronJob's name for the newest one.

The beginning of a backup's id may be that of its snapshot's, which the terminal and restic show.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from kronkeep_common.errors import (
    BackupNotFound,
    Conflict,
    CronJobNotFound,
    ExecutionNotFound,
    InvalidFilter,
    InvalidRequest,
    NotFound,
)
from kronkeep_common.models import BackupExecution, CronJob, CronJobExecution
from kronkeep_common.text import clean
from kronkeep_tui.cli.arguments import split_name

if TYPE_CHECKING:
    from kronkeep_common.api import ListOf
    from kronkeep_common.client import Client

_LIKE_AN_ID = re.compile(r"[0-9a-f]{4,}(-[0-9a-f]*)*(@.*)?")
RUN_HELP = "the run's id, or NAMESPACE/CRONJOB for its newest run"
BACKUP_HELP = "the backup's id or its snapshot's, or NAMESPACE/CRONJOB for its newest good one"


async def find_run_id(client: "Client", name: str, namespace: str = "default") -> str:
    """Return the id of a run; of a CronJob, of a deleted one too, that of its newest one.

    namespace: that of a CronJob's NAME without one. Raises CronJobNotFound, Conflict for a deleted one's name
    on several clusters, and ExecutionNotFound for a CronJob that has not run yet.
    """
    try:
        cronjob = await _find_cronjob(client, name, namespace, read_record=client.runs.get)
    except CronJobNotFound:
        last = await _find_of_deleted(client, client.runs.list, *split_name(name, namespace))
        if last is None:
            raise
        return last
    if cronjob is None:
        return last_part(name)
    if cronjob.last_execution_id is None:
        there = "/".join(split_name(name, namespace))
        raise ExecutionNotFound(f"{there} has not run yet.", next_step=f"Run it: kronkeep trigger {there}.")
    return cronjob.last_execution_id


async def find_backup_id(client: "Client", name: str, namespace: str = "default") -> str:
    """Return the id of a backup: of a CronJob the newest good one, else the newest with a snapshot.

    CronJobs that were deleted are known by name as long as a snapshot of them is kept.
    namespace: that of a CronJob's NAME without one. Raises CronJobNotFound, Conflict for a name on several
    clusters, and BackupNotFound for a CronJob of which no snapshot is kept.
    """
    if is_like_an_id(name):
        return last_part(name)
    good = await _find_restorable(client, *split_name(name, namespace))
    if good is not None:
        return good
    try:
        cronjob = await _find_cronjob(client, name, namespace, read_record=client.backups.get)
    except CronJobNotFound:
        kept = "snapshot:present"
        last = await _find_of_deleted(client, client.backups.list, *split_name(name, namespace), kept)
        if last is None:
            raise
        return last
    if cronjob is None:
        return last_part(name)
    for backup in (await client.backups.list("snapshot:present", limit=1, cronjob_id=cronjob.id)).items:
        return backup.id
    there = "/".join(split_name(name, namespace))
    raise BackupNotFound(
        f"No snapshot of {there} is kept.", next_step=f"Make one: kronkeep backup {there} --wait."
    )


async def _find_restorable(client: "Client", namespace: str, name: str) -> str | None:
    """Return the id of the newest good backup of a CronJob or claim; deleted ones come last.

    Raise Conflict where several clusters have one of the name, and the client's is none of them.
    """
    try:
        page = await client.restores.restorable(f"name:{name}", namespace)
    except InvalidFilter:  # a namespace that nothing has
        return None
    backups = [backup for backup in page.items if backup.cronjob == name]
    if client.cluster and page.clusters:
        meant = {each.id for each in page.clusters if client.cluster in (each.id, each.name)}
        backups = [backup for backup in backups if backup.cluster in meant]
    live = [backup for backup in backups if backup.is_there]
    # While a cluster does not answer nobody knows whether its CronJob is still there.
    owners = {backup.cluster for backup in (live if page.stale_since is None and live else backups)}
    if len(owners) > 1:
        raise _several_clusters_error(namespace, name, [c.name for c in page.clusters if c.id in owners])
    ids = {backup.is_there: backup.id for backup in reversed(backups) if backup.cluster in owners}
    return ids.get(True) or ids.get(False)


async def _find_of_deleted(
    client: "Client",
    list_records: Callable[..., Awaitable["ListOf[CronJobExecution] | ListOf[BackupExecution]"]],
    namespace: str,
    name: str,
    filter_text: str = "",
) -> str | None:
    """Return the id of the newest run or backup of a CronJob that is not there any more; None without one.

    list_records: `list` of the client's runs or backups. Raise Conflict where several clusters have some.
    """
    words = [filter_text, f"ns:{namespace}", f"cluster:{client.cluster}" if client.cluster else ""]
    try:
        page = await list_records(" ".join(words), limit=1, cronjob=name)
    except InvalidFilter:  # a namespace that nothing has
        return None
    for newest in page.items:
        elsewhere = " ".join([*words, f"!cluster:{newest.cluster}"])
        others = (await list_records(elsewhere, limit=1, cronjob=name)).items if page.clusters else ()
        if others:
            ids = {newest.cluster, *(other.cluster for other in others)}
            kind = "backups" if isinstance(newest, BackupExecution) else "executions"
            raise _several_clusters_error(
                namespace, name, [c.name for c in page.clusters if c.id in ids], kind
            )
        return newest.id
    return None


def _several_clusters_error(
    namespace: str, name: str, clusters: Sequence[str], kind: str = "backups"
) -> Conflict:
    names = clean(", ".join(clusters), 300)
    return Conflict(
        f"The clusters {names} each have a {clean(f'{namespace}/{name}', 320)} with {kind}.",
        next_step=f"Name the {kind[:-1]} by its id: kronkeep get {kind} -n {clean(namespace, 63)}.",
    )


async def _find_cronjob(
    client: "Client", name: str, namespace: str, *, read_record: Callable[[str], Awaitable[object]]
) -> CronJob | None:
    """Return the CronJob of NAMESPACE/CRONJOB, or of CRONJOB in `namespace`; None where the name is an id.

    read_record: reads the record of an id. Raise CronJobNotFound where the name is neither.
    """
    if is_like_an_id(name):
        return None
    try:
        return await client.cronjobs.get(*split_name(name, namespace))
    except CronJobNotFound:
        if is_like_an_id(last_part(name)):
            return None
        with suppress(NotFound, InvalidRequest):  # it may be too short for an id
            await read_record(last_part(name))  # an id need not look like Kubernetes' own
            return None
        raise


def is_like_an_id(name: str) -> bool:
    """Whether a word may be an id or its beginning, not a name."""
    return "/" not in name and _LIKE_AN_ID.fullmatch(name) is not None


def last_part(name: str) -> str:
    """Return the id in NAMESPACE/ID."""
    return name.rpartition("/")[2]
