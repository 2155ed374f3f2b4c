"""Who may work on a repository at once: one exclusive operation alone, or one archive beside any who read.

restic's own locks would refuse what does not fit; here it waits instead, in order. A backup may take hours,
so browsing, restores and drills do not wait for it: they read, and it only adds. What removes or checks
(forget, prune, check) waits for readers, lets no new ones in meanwhile, and never runs beside an archive.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class _RepositoryQueue:
    """One repository: the order of those who change it, and its readers."""

    def __init__(self) -> None:
        self.order = asyncio.Lock()
        self.readers = 0
        self.closed = False
        self.changed = asyncio.Condition()


class RepositoryQueues:
    """A fair queue for each repository."""

    def __init__(self) -> None:
        self._repositories: dict[str, _RepositoryQueue] = {}

    def _queue_of(self, repository_id: str) -> _RepositoryQueue:
        return self._repositories.setdefault(repository_id, _RepositoryQueue())

    @asynccontextmanager
    async def hold_for_archive(
        self, repository_id: str, patience: float | None = None
    ) -> AsyncIterator[None]:
        """Holds the repository but for readers; raises TimeoutError after `patience` seconds."""
        repository = self._queue_of(repository_id)
        async with asyncio.timeout(patience):
            await repository.order.acquire()
        try:
            yield
        finally:
            repository.order.release()

    @asynccontextmanager
    async def hold_exclusively(
        self, repository_id: str, patience: float | None = None
    ) -> AsyncIterator[None]:
        """Holds the repository; raises TimeoutError when it is not free within `patience` seconds."""
        repository = self._queue_of(repository_id)
        async with asyncio.timeout(patience):
            await repository.order.acquire()
            try:
                await self._wait_for_readers(repository)
            except BaseException:
                repository.order.release()
                raise
        try:
            yield
        finally:
            repository.closed = False
            repository.order.release()
            await self._notify(repository)

    @asynccontextmanager
    async def hold_for_reading(self, repository_id: str) -> AsyncIterator[None]:
        """Reads beside an archive and other readers."""
        repository = self._queue_of(repository_id)
        async with repository.changed:
            await repository.changed.wait_for(lambda: not repository.closed)
            repository.readers += 1
        try:
            yield
        finally:
            repository.readers -= 1
            await self._notify(repository)

    @staticmethod
    async def _wait_for_readers(repository: _RepositoryQueue) -> None:
        """Lets no new reader in and waits for those that are there."""
        repository.closed = True
        try:
            async with repository.changed:
                await repository.changed.wait_for(lambda: repository.readers == 0)
        except BaseException:
            repository.closed = False
            async with repository.changed:
                repository.changed.notify_all()
            raise

    @staticmethod
    async def _notify(repository: _RepositoryQueue) -> None:
        async with repository.changed:
            repository.changed.notify_all()
