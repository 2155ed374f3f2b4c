"""Work on a repository that our dead Jobs' locks do not stand in the way of."""

from kronkeep_common.errors import StorageFailed
from kronkeep_common.reasons import Reason
from kronkeep_daemon.jobs.outcome import FinishedJob
from kronkeep_daemon.repositories import job_names
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_jobs import RepositoryJobs, Steps, failed
from kronkeep_daemon.repositories.stale_locks import StaleLocks


class RepositoryMaintenance:
    """Runs Jobs on the repositories of one cluster's storages."""

    def __init__(self, jobs: RepositoryJobs, locks: StaleLocks, queues: RepositoryQueues) -> None:
        self._jobs = jobs
        self._locks = locks
        self._queues = queues

    async def run_exclusively(
        self, what: str, steps: Steps, repository: Repository, seconds: float
    ) -> FinishedJob:
        """`run` while nothing else of ours works on the repository."""
        async with self._queues.hold_exclusively(repository.id):
            return await self.run(what, steps, repository, seconds)

    async def run(self, what: str, steps: Steps, repository: Repository, seconds: float) -> FinishedJob:
        """One Job to its good end, while the caller holds the repository; raises StorageFailed.

        Where it met a lock that a dead Job of ours had left, that goes and the Job is tried once more; where
        it was cut off itself, what it left goes at once.
        """
        name = job_names.new_name(what, repository.storage)
        try:
            return await self._run_once(name, steps, repository, seconds)
        except StorageFailed as fault:
            reason = Reason.parse(fault.details.get("reason"))
            if reason is None or not reason.inconclusive:
                raise
            if not await self._locks.remove(repository) or reason is not Reason.REPOSITORY_LOCKED:
                raise
        return await self._run_once(f"{name}-2", steps, repository, seconds)

    async def _run_once(self, name: str, steps: Steps, repository: Repository, seconds: float) -> FinishedJob:
        ended = await self._jobs.run(name, steps, repository, seconds)
        if (fault := failed(ended)) is not None:
            raise fault
        return ended
