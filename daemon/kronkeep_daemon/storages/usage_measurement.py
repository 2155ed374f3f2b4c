"""How much a storage holds: the steps of the Jobs that measure it, and the figures in their logs; pure.

A mounted volume is measured by what its files take (`du`) and by the figures of its file system (`stat -f`);
any other storage by what `restic stats` counts in each of its repositories.
"""

from collections.abc import Sequence
from datetime import datetime

from kronkeep_common.errors import StorageFailed
from kronkeep_common.models import BackupStorage, StorageUsage
from kronkeep_common.reasons import Reason
from kronkeep_daemon import storage_kinds
from kronkeep_daemon.jobs.outcome import FinishedJob
from kronkeep_daemon.repositories.job_manifests import Steps
from kronkeep_daemon.repositories.volume_space import KIBIBYTE, leading_numbers, parse_space, space_step
from kronkeep_daemon.restic import stats
from kronkeep_daemon.storage_kinds import StorageSpace
from kronkeep_daemon.storage_kinds.access import MOUNT


def storage_steps(storage: BackupStorage) -> Steps:
    """Return the steps that measure the storage's own repository and, where it is mounted, its volume."""
    if storage_kinds.access_of(storage).volume is None:
        return repository_steps()
    return [*volume_steps(MOUNT), *repository_steps()]


def volume_steps(folder: str) -> Steps:
    """Return the steps that measure the file system at `folder` and what its files take."""
    return [
        space_step(folder),
        ("files", ["du", "-s", "-k", folder]),
    ]


def repository_steps() -> Steps:
    """Return the steps that measure one repository."""
    return [("stats", stats.argv())]


def usage_of(
    jobs: Sequence[FinishedJob], server_space: StorageSpace | None, measured_at: datetime, seconds: float
) -> StorageUsage:
    """Return the usage of a storage from the Jobs that measured its repositories, its own one first.

    `server_space` is what the storage's server says, which counts more than a volume's file system. `seconds`
    is how long it took. Raises StorageFailed where restic printed no figures.
    """
    figures = [_stats_of(job) for job in jobs]
    used_kibibytes = leading_numbers(jobs[0].container("files"))
    space = server_space or parse_space(jobs[0])
    used = used_kibibytes[0] * KIBIBYTE if used_kibibytes else sum(each.total_size for each in figures)
    return StorageUsage(
        measured_at=measured_at,
        used_bytes=used,
        total_bytes=space.total_bytes if space else None,
        free_bytes=space.free_bytes if space else None,
        snapshots=sum(each.snapshots_count for each in figures),
        duration_seconds=round(seconds, 3),
    )


def _stats_of(job: FinishedJob) -> stats.RepositoryStats:
    container = job.container("stats")
    figures = stats.parse(container.log) if container else None
    if figures is None:
        raise StorageFailed("restic stats printed no figures.", reason=Reason.NO_FIGURES)
    return figures
