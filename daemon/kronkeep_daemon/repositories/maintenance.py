"""Maintenance Jobs on a repository (prune, check, measure, list), which dead locks of ours do not stop.

Their first step compares the repository's id with the one from its creation, so nothing is read from or done
to another repository in that place. A repository whose id is not known gets one recorded then.
"""

from collections.abc import Callable
from typing import NamedTuple

from kronkeep_common.errors import StorageFailed
from kronkeep_common.reasons import Reason
from kronkeep_daemon.jobs.logs import OnLine
from kronkeep_daemon.jobs.outcome import FinishedJob
from kronkeep_daemon.repositories import job_names, volume_space
from kronkeep_daemon.repositories.job_manifests import Steps
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_creation import IDENTITY_STEP
from kronkeep_daemon.repositories.repository_index import RepositoryIndex
from kronkeep_daemon.repositories.repository_jobs import RepositoryJobs, storage_failure
from kronkeep_daemon.repositories.stale_locks import StaleLocks
from kronkeep_daemon.restic import cat, snapshots
from kronkeep_daemon.restic.snapshots import ListedSnapshot, SnapshotListParser

DELETING_ROLES = ("forget", "prune", "tag")


class ListedJob(NamedTuple):
    """A completed Job, and the snapshots that its last step has listed."""

    job: FinishedJob
    snapshots: list[ListedSnapshot]


class _SnapshotReader:
    """A reader of the list of snapshots in the log of a Job."""

    def __init__(self) -> None:
        self._parser = SnapshotListParser()

    def begin(self) -> OnLine:
        """Return what takes the lines of the next Job."""
        self._parser = SnapshotListParser()
        return self._add_line

    def _add_line(self, container: str, line: bytes) -> None:
        if container == snapshots.STEP:
            self._parser.add_line(line)

    def read(self, job: FinishedJob) -> list[ListedSnapshot]:
        """Return the snapshots that the Job has listed; raise StorageFailed where the list is not whole."""
        container = job.container(snapshots.STEP)
        listed = self._parser.snapshots()
        if container is None or container.log_fault is not None or listed is None:
            reason = Reason.LISTING_UNREADABLE
            raise StorageFailed(reason.meaning, next_step=reason.next_step, reason=reason)
        return listed


class RepositoryMaintenance:
    """A runner of Jobs that must complete, once more where a dead lock of ours was in the way."""

    def __init__(
        self,
        *,
        jobs: RepositoryJobs,
        index: RepositoryIndex,
        stale_locks: StaleLocks,
        queues: RepositoryQueues,
    ) -> None:
        self._jobs = jobs
        self._index = index
        self._stale_locks = stale_locks
        self._queues = queues

    async def run_exclusively(
        self, role: str, steps: Steps, repository: Repository, seconds: float
    ) -> FinishedJob:
        """Run as `run` does while nothing else of ours works on the repository."""
        async with self._queues.hold_exclusively(repository.id, role):
            return await self.run(role, steps, repository, seconds)

    async def run_and_list(
        self, role: str, steps: Steps, repository: Repository, seconds: float
    ) -> ListedJob:
        """Run as `run` does and list the snapshots after the last step.

        Raises StorageFailed, also where the list cannot be read.
        """
        reader = _SnapshotReader()
        job = await self.run(role, [*steps, snapshots.step()], repository, seconds, new_listener=reader.begin)
        return ListedJob(job, reader.read(job))

    async def run(
        self,
        role: str,
        steps: Steps,
        repository: Repository,
        seconds: float,
        *,
        new_listener: Callable[[], OnLine] | None = None,
    ) -> FinishedJob:
        """Run a Job while the caller holds the repository; return it completed, or raise StorageFailed.

        Where a lock that a dead Job of ours had left was in the way, it is removed and the Job is run once
        more. Where the Job was interrupted itself, the lock that it may have left is removed at once.

        new_listener: returns what takes the lines of each Job as they come; little of its logs is kept then.
        """
        if role in DELETING_ROLES:
            repository = repository.for_deleting()
        name = job_names.new_name(role, repository.storage)
        try:
            return await self._run_once(name, steps, repository, seconds, new_listener)
        except StorageFailed as fault:
            reason = Reason.parse(fault.details.get("reason"))
            if reason is None or not reason.inconclusive:
                raise
            is_unlocked = await self._stale_locks.remove(repository)
            if not is_unlocked or reason is not Reason.REPOSITORY_LOCKED:
                raise
        return await self._run_once(f"{name}-2", steps, repository, seconds, new_listener)

    async def _run_once(
        self,
        name: str,
        steps: Steps,
        repository: Repository,
        seconds: float,
        new_listener: Callable[[], OnLine] | None,
    ) -> FinishedJob:
        on_line = new_listener() if new_listener is not None else None
        pinned_id = self._index.id_of(repository)
        if IDENTITY_STEP not in dict(steps):
            steps = [(IDENTITY_STEP, cat.argv(pinned_id, lock=False)), *steps]
        job = await self._jobs.run(name, steps, repository, seconds, on_line=on_line)
        failure = storage_failure(job)
        if failure is not None:
            if failure.details.get("reason") == Reason.STORAGE_FULL:
                failure.next_step = await volume_space.explain_full(self._jobs, repository)
            raise failure
        opened = job.container(IDENTITY_STEP)
        repository_id = cat.parse_id(opened.log) if opened is not None else ""
        if not pinned_id and repository_id:
            await self._index.record_id(repository, repository_id)
        return job
