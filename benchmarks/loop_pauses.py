"""How long the history's work holds the event loop, in milliseconds.

A callback runs every millisecond; the longest time between two of them is what a client would wait. The
kernel says how long each thread waited for a core that another program had (the second number of
/proc/self/task/ID/schedstat, https://docs.kernel.org/scheduler/sched-stats.html): that is subtracted, down to
what the loop's thread computed, so that waiting for the other threads of this process (the GIL, locks, the
disk) counts and other programs do not. Those can still add to it, so the shortest of some rounds is taken.
"""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from tinydb import where

from kronkeep_daemon.history import History

ROUNDS = 5
TICK = 0.001  # seconds
Document = Callable[[int], dict[str, Any]]


class Tick(NamedTuple):
    """The time, what the loop's thread has computed, and how long threads have waited for a core; seconds."""

    wall: float
    computed: float
    delayed: float


def read_tick(loop_thread: int) -> Tick:
    """Return the present values, on Linux; `loop_thread` is the native id."""
    computed = delayed = 0.0
    for path in Path("/proc/self/task").iterdir():
        try:
            words = (path / "schedstat").read_text().split()
        except FileNotFoundError:  # a thread that has just ended
            continue
        delayed += int(words[1]) / 1e9
        if path.name == str(loop_thread):
            computed = int(words[0]) / 1e9
    return Tick(time.perf_counter(), computed, delayed)


def held_seconds(earlier: Tick, later: Tick) -> float:
    """Return how long this process held its loop between two ticks."""
    wall = later.wall - earlier.wall - TICK
    return max(later.computed - earlier.computed, wall - (later.delayed - earlier.delayed))


async def record_ticks(ticks: list[Tick]) -> None:
    """Add a tick every millisecond until cancelled."""
    thread = threading.get_native_id()
    while True:
        ticks.append(read_tick(thread))
        await asyncio.sleep(TICK)


class PauseCounts:
    """How often the loop was held for how long, to a tenth of a millisecond: bounded, for runs of hours."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        """Count one more time."""
        self._counts[round(seconds * 10_000)] += 1

    def quantile(self, share: float) -> float:
        """Return the time, in milliseconds, that this share of the times do not exceed."""
        ordered = sorted(self._counts)
        sums = accumulate(self._counts[tenths] for tenths in ordered)
        place = next(place for place, total in enumerate(sums) if total >= share * self._counts.total())
        return ordered[place] / 10


async def count_pauses(pauses: PauseCounts) -> None:
    """Count how long the loop is held, every millisecond until cancelled."""
    thread = threading.get_native_id()
    earlier = read_tick(thread)
    while True:
        await asyncio.sleep(TICK)
        later = read_tick(thread)
        pauses.add(held_seconds(earlier, later))
        earlier = later


async def longest_pause(work: Callable[[], Awaitable[None]]) -> float:
    """Return the longest time for which `work` holds the loop, in milliseconds: the best of some rounds."""
    return min([await _measure_once(work) for _ in range(ROUNDS)])


async def _measure_once(work: Callable[[], Awaitable[None]]) -> float:
    ticks: list[Tick] = []
    task = asyncio.create_task(record_ticks(ticks))
    await asyncio.sleep(0.005)
    await work()
    await asyncio.sleep(0.005)
    task.cancel()
    return 1000 * max(held_seconds(earlier, later) for earlier, later in pairwise(ticks))


async def measure_pauses(history: History, size: int, document: Document) -> dict[str, float]:
    """Return the longest pauses by commits, checkpoints, queries, and a caller that changes 200 at once.

    The last two are more than kronkeepd does in one turn: it changes 20 runs, or removes 100 records.
    """
    table = history.table("executions")
    oldest = iter(range(0, size, 200))

    async def commit() -> None:
        for number in range(200):
            table.put_document(None, document(size + 100_000 + number) | {"id": None})
            await asyncio.sleep(0)
        await history.commit()

    async def commits_during_checkpoints() -> None:
        for number in range(100):
            table.put_document(None, document(size + 200_000 + number) | {"id": None})
            await history.commit()

    async def query() -> None:
        first = document(7)
        table.search(
            (where("cronjob_id") == first["cronjob_id"])
            & (where("created_at") < document(size // 20)["created_at"])
        )
        history.executions.count()

    async def change_200() -> None:
        start = next(oldest)
        for number in range(start, start + 200):
            run = history.executions.get(document(number)["id"])
            assert run is not None
            history.executions.put(msgspec.structs.replace(run, message="changed"))
        await history.commit()

    async def remove_200() -> None:
        for record_id in [document(number)["id"] for number in range(next(oldest), next(oldest))]:
            history.executions.remove(record_id)
        await history.commit()

    works = (commit, commits_during_checkpoints, query, change_200, remove_200)
    return {f"held_ms_{work.__name__}": round(await longest_pause(work), 1) for work in works}
