"""One restic operation of ours at a time on each repository; the others wait in order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Queues:
    """A fair lock for each storage."""

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}

    @asynccontextmanager
    async def alone(self, storage_id: str) -> AsyncIterator[None]:
        """Holds the storage's repository."""
        async with self._locks.setdefault(storage_id, asyncio.Lock()):
            yield
