"""Who may work on a repository at once: one exclusive operation alone, or one archive beside all readers.

restic's own locks would refuse the second operation; here it waits in order instead. A backup may take hours,
so browsing, restores and drills do not wait for it: they only read, and it only adds. What removes or checks
(forget, prune, check) waits for the readers, lets no new ones in meanwhile, and never runs beside an archive.

An archive whose Job waits to start gives up its turn, so that other archives go past it. It then counts as a
reader: exclusive work, which waits for readers, still never runs beside it, whenever its Job starts, and
waits for the Job's start deadline at most. Two archives may then write at once; restic's locks allow that.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class _RepositoryQueue:
    """The state of one repository; `turn` is held by archives and exclusive operations as they arrive."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.readers = 0
        self.closed_to_readers = False
        self.changed = asyncio.Condition()

    def is_open(self) -> bool:
        """Whether new readers may enter."""
        return not self.closed_to_readers

    def is_unread(self) -> bool:
        """Whether there are no readers."""
        return self.readers == 0

    async def notify(self) -> None:
        """Wake all who wait for a change."""
        async with self.changed:
            self.changed.notify_all()

    async def close_and_drain(self) -> None:
        """Let no new reader in and wait for the present ones; a cancelled wait lets new ones in again."""
        self.closed_to_readers = True
        try:
            async with self.changed:
                await self.changed.wait_for(self.is_unread)
        except BaseException:
            self.closed_to_readers = False
            await self.notify()
            raise


class ArchiveHold:
    """The hold of one archive on its repository: first its turn, and after `yield_turn` a reader's place."""

    def __init__(self, queue: _RepositoryQueue) -> None:
        self._queue = queue
        self._has_turn = True

    def yield_turn(self) -> None:
        """Let other archives work, while exclusive work stays out; doing it twice is fine."""
        if self._has_turn:
            # The place as a reader comes first: between the two no exclusive work may slip in.
            self._queue.readers += 1
            self._has_turn = False
            self._queue.turn.release()

    async def end(self) -> None:
        """Give back the turn or the reader's place."""
        if self._has_turn:
            self._queue.turn.release()
            return
        self._queue.readers -= 1
        await self._queue.notify()


class RepositoryQueues:
    """A fair queue for each repository, by its id."""

    def __init__(self) -> None:
        self._queues: dict[str, _RepositoryQueue] = {}

    def _queue_of(self, repository_id: str) -> _RepositoryQueue:
        return self._queues.setdefault(repository_id, _RepositoryQueue())

    @asynccontextmanager
    async def hold_for_archive(
        self, repository_id: str, patience: float | None = None
    ) -> AsyncIterator[ArchiveHold]:
        """Hold the repository beside its readers; raise TimeoutError after `patience` seconds of waiting."""
        queue = self._queue_of(repository_id)
        async with asyncio.timeout(patience):
            await queue.turn.acquire()
        hold = ArchiveHold(queue)
        try:
            yield hold
        finally:
            await hold.end()

    @asynccontextmanager
    async def hold_exclusively(
        self, repository_id: str, patience: float | None = None
    ) -> AsyncIterator[None]:
        """Hold the repository alone; raise TimeoutError after `patience` seconds of waiting."""
        queue = self._queue_of(repository_id)
        async with asyncio.timeout(patience):
            await queue.turn.acquire()
            # The timeout may cancel this wait too: then the turn must be given back.
            try:
                await queue.close_and_drain()
            except BaseException:
                queue.turn.release()
                raise
        try:
            yield
        finally:
            queue.closed_to_readers = False
            queue.turn.release()
            await queue.notify()

    @asynccontextmanager
    async def hold_for_reading(self, repository_id: str) -> AsyncIterator[None]:
        """Read the repository beside an archive and other readers."""
        queue = self._queue_of(repository_id)
        async with queue.changed:
            await queue.changed.wait_for(queue.is_open)
            queue.readers += 1
        try:
            yield
        finally:
            queue.readers -= 1
            await queue.notify()
