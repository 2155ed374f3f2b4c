"""A queue of keys: one key is in it once, may be wanted later, and is never worked on twice at a time."""

import asyncio
import heapq

Key = tuple[str, str, str]
BUSY_SECONDS = 0.05  # how long a key that is being worked on is put off


class WorkQueue:
    """Bounded by the number of distinct keys; times are the event loop's."""

    def __init__(self) -> None:
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._working: set[Key] = set()
        self._count = 0
        self._changed = asyncio.Event()

    def add(self, key: Key, delay: float = 0.0) -> None:
        """Wants `key` worked on after `delay` seconds, or sooner where it was wanted sooner."""
        due = asyncio.get_running_loop().time() + delay
        if self._due.get(key, due + 1) > due:
            self._push(key, due)
            self._changed.set()

    def _push(self, key: Key, due: float) -> None:
        self._due[key] = due
        self._count += 1
        heapq.heappush(self._heap, (due, self._count, key))

    async def get(self) -> Key:
        """The next key that is due and not being worked on; `done` must follow."""
        loop = asyncio.get_running_loop()
        while True:
            now = loop.time()
            key = self._pop(now)
            if key is not None:
                return key
            wait = max(0.0, self._heap[0][0] - now) if self._heap else None
            self._changed.clear()
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _pop(self, now: float) -> Key | None:
        while self._heap and self._heap[0][0] <= now:
            due, _, key = heapq.heappop(self._heap)
            if self._due.get(key) != due:
                continue
            if key in self._working:
                self._push(key, now + BUSY_SECONDS)
                continue
            del self._due[key]
            self._working.add(key)
            return key
        return None

    def done(self, key: Key) -> None:
        """The work on `key` has ended."""
        self._working.discard(key)
        self._changed.set()
