"""One restic operation of ours at a time on each repository; the others wait in order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Queues:
    """A fair lock for each repository."""

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}

    @asynccontextmanager
    async def alone(self, repository_id: str, patience: float | None = None) -> AsyncIterator[None]:
        """Holds the repository; raises TimeoutError when it is not free within `patience` seconds."""
        lock = self._locks.setdefault(repository_id, asyncio.Lock())
        async with asyncio.timeout(patience):
            await lock.acquire()
        try:
            yield
        finally:
            lock.release()
