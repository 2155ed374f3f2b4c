"""A queue of keys to work on: each is in it once, may be due later, and is worked on once at a time."""

import asyncio
import heapq
from typing import NamedTuple

BUSY_SECONDS = 0.05  # how long a key that is being worked on is put off


class WorkKey(NamedTuple):
    """What a worker looks at: `work` names the controller."""

    work: str
    namespace: str
    name: str


class WorkQueue:
    """Bounded by the number of distinct keys; times are the event loop's."""

    def __init__(self) -> None:
        # The time at which each key is due. A key that was moved forward leaves its old entry in the heap,
        # which is recognised by its time and passed over.
        self._due: dict[WorkKey, float] = {}
        self._heap: list[tuple[float, int, WorkKey]] = []
        self._working: set[WorkKey] = set()
        self._sequence = 0  # orders the keys of one time as they came
        self._changed = asyncio.Event()

    def add(self, key: WorkKey, delay: float = 0.0) -> None:
        """Let `key` be worked on after `delay` seconds, or sooner where it is due sooner already."""
        due = asyncio.get_running_loop().time() + delay
        if self._due.get(key, due + 1) > due:
            self._push(key, due)
            self._changed.set()

    def _push(self, key: WorkKey, due: float) -> None:
        self._due[key] = due
        self._sequence += 1
        heapq.heappush(self._heap, (due, self._sequence, key))

    async def get(self) -> WorkKey:
        """Return the next key that is due and not being worked on; `done` must follow."""
        loop = asyncio.get_running_loop()
        while True:
            now = loop.time()
            key = self._pop(now)
            if key is not None:
                return key
            wait = max(0.0, self._heap[0][0] - now) if self._heap else None
            self._changed.clear()
            # Not asyncio.wait_for: it can swallow a cancellation that comes together with the event.
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _pop(self, now: float) -> WorkKey | None:
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

    def done(self, key: WorkKey) -> None:
        """Say that the work on `key` has ended."""
        self._working.discard(key)
        self._changed.set()
