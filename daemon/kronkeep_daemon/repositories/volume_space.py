"""The space on a storage's volume, measured in a Job, and what a full one needs to be freed.

To free space restic needs little: `forget` writes a lock, `prune` without repacking a lock and a new index
before it deletes the old one (seen with restic 0.14.0 and 0.19.1).
"""

import logging
from typing import NamedTuple

from kronkeep_common.errors import KronkeepError
from kronkeep_common.reasons import Reason
from kronkeep_common.text import size
from kronkeep_daemon.jobs.outcome import ContainerResult, FinishedJob
from kronkeep_daemon.repositories import job_names
from kronkeep_daemon.repositories.job_manifests import Steps
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_jobs import RepositoryJobs
from kronkeep_daemon.restic import output
from kronkeep_daemon.storage_kinds import StorageSpace
from kronkeep_daemon.storage_kinds.access import MOUNT

log = logging.getLogger(__name__)
KIBIBYTE = 1024
LOCK_BYTES = 8 * KIBIBYTE  # a block of 4 KiB for the lock, and one for its folder
LARGEST_WRITE = 256 * 1024 * KIBIBYTE  # restic's largest pack has 128 MiB; it writes one a connection
TIMEOUT_SECONDS = 120.0


class FullVolume(NamedTuple):
    """What is free on a volume that restic found full, and the size of the repository's index, in bytes."""

    free_bytes: int
    index_bytes: int

    @property
    def needed_bytes(self) -> int:
        """What forgetting and pruning without repacking need."""
        return LOCK_BYTES + self.index_bytes


def space_step(folder: str) -> tuple[str, list[str]]:
    """Return the step that prints the figures of the file system at `folder`."""
    return ("space", ["stat", "-f", "-c", "%S %b %a", folder])


def parse_space(job: FinishedJob) -> StorageSpace | None:
    """Return the space that `stat -f` printed: block size, all blocks, blocks free to others than root."""
    numbers = leading_numbers(job.container("space"))
    if len(numbers) != 3:
        return None
    block_size, blocks, free_blocks = numbers
    return StorageSpace(block_size * blocks, block_size * free_blocks)


def leading_numbers(container: ContainerResult | None) -> list[int]:
    """Return the numbers in a container's first line; empty where it has no log."""
    lines = output.split_lines(container.log) if container else []
    words = lines[0].split() if lines else []
    return [int(word) for word in words if word.isdigit()]


def full_volume_steps(repository: Repository) -> Steps:
    """Return the steps that measure a full volume; none where the storage is not mounted."""
    if repository.access.volume is None:
        return []
    return [space_step(MOUNT), ("index", ["du", "-s", "-k", f"{repository.access.address}/index"])]


def parse_full_volume(job: FinishedJob) -> FullVolume | None:
    """Return what the steps of `full_volume_steps` printed; None where they did not."""
    space = parse_space(job)
    index = leading_numbers(job.container("index"))
    if space is None or not index:
        return None
    return FullVolume(free_bytes=space.free_bytes, index_bytes=index[0] * KIBIBYTE)


def describe_way_out(volume: FullVolume, storage_id: str) -> str:
    """Return what to do about a full volume, with what is free and what is needed."""
    free = size(volume.free_bytes)
    needed = size(volume.needed_bytes)
    way_out = (
        "shorten the retention (kronkeep edit NAMESPACE/CRONJOB), apply it "
        f"(kronkeep retention NAMESPACE/CRONJOB --apply), then kronkeep storage prune {storage_id}. "
        "Restores work meanwhile."
    )
    if volume.free_bytes > LARGEST_WRITE:
        return (
            f"Its file system has {free} free, so a quota or its number of files is used up: raise that, "
            f"or {way_out}"
        )
    if volume.free_bytes >= volume.needed_bytes:
        return (
            f"{free} are free there, and forgetting and pruning need {needed} (a lock, an index): {way_out}"
        )
    return (
        f"Only {free} are free there, and even forgetting and pruning need {needed} (a lock, an index): "
        f"free or add that by other means, {way_out}"
    )


async def explain_full(jobs: RepositoryJobs, repository: Repository) -> str:
    """Return what to do about a storage that restic found full, measured now where it is mounted.

    The caller holds the repository.
    """
    steps = full_volume_steps(repository)
    try:
        name = job_names.new_name("space", repository.storage)
        volume = (
            parse_full_volume(await jobs.run(name, steps, repository, TIMEOUT_SECONDS)) if steps else None
        )
    except KronkeepError as fault:
        log.warning("the space of %s could not be measured: %s", repository.id, fault)
        volume = None
    if volume is None:
        return Reason.STORAGE_FULL.next_step
    return describe_way_out(volume, repository.storage.id)
