"""Who may work on a repository at once: one exclusive operation alone, or one archive beside any who read.

restic's own locks would refuse what does not fit; here it waits instead, in order. A backup may take hours,
so browsing, restores and drills do not wait for it: they read, and it only adds. What removes or checks
(forget, prune, check) waits for readers, lets no new ones in meanwhile, and never runs beside an archive.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class _Repository:
    """One repository: the order of those who change it, and its readers."""

    def __init__(self) -> None:
        self.order = asyncio.Lock()
        self.readers = 0
        self.closed = False
        self.changed = asyncio.Condition()


class Queues:
    """A fair queue for each repository."""

    def __init__(self) -> None:
        self._repositories: dict[str, _Repository] = {}

    def _of(self, repository_id: str) -> _Repository:
        return self._repositories.setdefault(repository_id, _Repository())

    @asynccontextmanager
    async def archiving(self, repository_id: str, patience: float | None = None) -> AsyncIterator[None]:
        """Holds the repository but for readers; raises TimeoutError after `patience` seconds."""
        repository = self._of(repository_id)
        async with asyncio.timeout(patience):
            await repository.order.acquire()
        try:
            yield
        finally:
            repository.order.release()

    @asynccontextmanager
    async def alone(self, repository_id: str, patience: float | None = None) -> AsyncIterator[None]:
        """Holds the repository; raises TimeoutError when it is not free within `patience` seconds."""
        repository = self._of(repository_id)
        async with asyncio.timeout(patience):
            await repository.order.acquire()
            try:
                await self._close(repository)
            except BaseException:
                repository.order.release()
                raise
        try:
            yield
        finally:
            repository.closed = False
            repository.order.release()
            await self._tell(repository)

    @asynccontextmanager
    async def reading(self, repository_id: str) -> AsyncIterator[None]:
        """Reads beside an archive and other readers."""
        repository = self._of(repository_id)
        async with repository.changed:
            await repository.changed.wait_for(lambda: not repository.closed)
            repository.readers += 1
        try:
            yield
        finally:
            repository.readers -= 1
            await self._tell(repository)

    @staticmethod
    async def _close(repository: _Repository) -> None:
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
    async def _tell(repository: _Repository) -> None:
        async with repository.changed:
            repository.changed.notify_all()
