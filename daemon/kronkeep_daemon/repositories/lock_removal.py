"""Removal of the locks of dead Jobs, while nothing of ours works on the repository.

A lock of an archive that begins meanwhile would be removed with the dead ones: restic removes all or none.
"""

from functools import partial

from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.stale_locks import StaleLocks
from kronkeep_daemon.supervisor import Supervisor

TASK = "unlock"
PATIENCE_SECONDS = 900.0  # longer than a Job that waits to start is waited for


class LockRemoval:
    """Removal of dead locks for archives, which work side by side."""

    def __init__(self, *, queues: RepositoryQueues, stale_locks: StaleLocks, supervisor: Supervisor) -> None:
        self._queues = queues
        self._stale_locks = stale_locks
        self._supervisor = supervisor

    def start(self, repository: Repository) -> None:
        """Remove the locks once the repository is free, unless that is waited for already.

        An archive's lock is in nobody's way before exclusive work.
        """
        name = f"unlock {repository.id}"
        if not self._supervisor.running(name):
            self._supervisor.start(name, partial(self._remove_later, repository), death="quiet")

    async def _remove_later(self, repository: Repository) -> None:
        async with self._queues.hold_exclusively(repository.id, TASK):
            await self._stale_locks.remove(repository)

    async def remove_now(self, repository: Repository) -> bool:
        """Remove the locks before other archives begin; return whether all went.

        The caller holds nothing. What has the repository for longer than PATIENCE_SECONDS keeps the locks.
        """
        held = self._queues.hold_exclusively(repository.id, TASK, PATIENCE_SECONDS, is_urgent=True)
        try:
            async with held:
                return await self._stale_locks.remove(repository)
        except TimeoutError:
            return False
