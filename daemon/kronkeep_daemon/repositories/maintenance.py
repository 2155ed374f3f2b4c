"""Maintenance Jobs on a repository (prune, check, measure, test), which dead locks of ours do not stop."""

from kronkeep_common.errors import StorageFailed
from kronkeep_common.reasons import Reason
from kronkeep_daemon.jobs.outcome import FinishedJob
from kronkeep_daemon.repositories import job_names
from kronkeep_daemon.repositories.job_manifests import Steps
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_jobs import RepositoryJobs, storage_failure
from kronkeep_daemon.repositories.stale_locks import StaleLocks


class RepositoryMaintenance:
    """A runner of Jobs that must complete, once more where a dead lock of ours was in the way."""

    def __init__(self, *, jobs: RepositoryJobs, stale_locks: StaleLocks, queues: RepositoryQueues) -> None:
        self._jobs = jobs
        self._stale_locks = stale_locks
        self._queues = queues

    async def run_exclusively(
        self, role: str, steps: Steps, repository: Repository, seconds: float
    ) -> FinishedJob:
        """Run as `run` does while nothing else of ours works on the repository."""
        async with self._queues.hold_exclusively(repository.id):
            return await self.run(role, steps, repository, seconds)

    async def run(self, role: str, steps: Steps, repository: Repository, seconds: float) -> FinishedJob:
        """Run a Job while the caller holds the repository; return it completed, or raise StorageFailed.

        Where a lock that a dead Job of ours had left was in the way, it is removed and the Job is run once
        more. Where the Job was interrupted itself, the lock that it may have left is removed at once.
        """
        name = job_names.new_name(role, repository.storage)
        try:
            return await self._run_once(name, steps, repository, seconds)
        except StorageFailed as fault:
            reason = Reason.parse(fault.details.get("reason"))
            if reason is None or not reason.inconclusive:
                raise
            is_unlocked = await self._stale_locks.remove(repository)
            if not is_unlocked or reason is not Reason.REPOSITORY_LOCKED:
                raise
        return await self._run_once(f"{name}-2", steps, repository, seconds)

    async def _run_once(self, name: str, steps: Steps, repository: Repository, seconds: float) -> FinishedJob:
        job = await self._jobs.run(name, steps, repository, seconds)
        failure = storage_failure(job)
        if failure is not None:
            raise failure
        return job
