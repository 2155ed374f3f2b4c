"""The turns of listings that users ask for: each user's wait for their own, and for nobody else's."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kronkeep_common.errors import TooMany

AT_ONCE = 2  # Jobs of one user
MOST_WAITING = 20  # listings of one user, with those that are read


class ListingQueue:
    """Slots of users, by their uid; None is the daemon itself, which always has one."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._slots: dict[int, asyncio.Semaphore] = {}

    def enter(self, uid: int | None) -> None:
        """Count a listing that is to be read for a user; raise TooMany."""
        if uid is None:
            return
        if self._counts[uid] >= MOST_WAITING:
            raise TooMany(
                f"{MOST_WAITING} listings of snapshots are being read for you already.",
                next_step="Wait until some of them are there.",
            )
        self._counts[uid] += 1

    def leave(self, uid: int | None) -> None:
        """Take note that a counted listing was read, or could not be."""
        if uid is None:
            return
        self._counts[uid] -= 1
        if not self._counts[uid]:
            del self._counts[uid]
            self._slots.pop(uid, None)

    @asynccontextmanager
    async def hold_slot(self, uid: int | None) -> AsyncIterator[None]:
        """Wait for one of the slots of a user who has entered, and hold it."""
        if uid is None:
            yield
            return
        async with self._slots.setdefault(uid, asyncio.Semaphore(AT_ONCE)):
            yield
