"""How long the history's work blocks the event loop, in milliseconds of wall time.

A callback runs every millisecond; the longest pause between two of them is what a client would wait. Other
work of the machine can only add to it, so the shortest of some rounds is taken.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

from tinydb import where

from kronkeep_daemon.history import History

ROUNDS = 5
Document = Callable[[int], dict[str, Any]]


async def longest_pause(work: Callable[[], Awaitable[None]]) -> float:
    """Return the longest pause in milliseconds during `work`, in the best of some rounds."""
    return min([await _measure_once(work) for _ in range(ROUNDS)])


async def _measure_once(work: Callable[[], Awaitable[None]]) -> float:
    ticks = [time.perf_counter()]
    task = asyncio.create_task(_tick(ticks))
    await asyncio.sleep(0.005)
    await work()
    await asyncio.sleep(0.005)
    task.cancel()
    return 1000 * max(later - earlier for earlier, later in pairwise(ticks))


async def _tick(ticks: list[float]) -> None:
    while True:
        ticks.append(time.perf_counter())
        await asyncio.sleep(0.001)


async def measure_pauses(history: History, size: int, document: Document) -> dict[str, float]:
    """Return the longest pauses by commits, checkpoints, queries, and a caller that changes 200 at once."""
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
            row = table.rows.by_id(document(number)["id"])
            table.put_document(row.number if row else None, document(number) | {"status": "x"})
        await history.commit()

    async def remove_200() -> None:
        for number in table.rows.oldest_numbers(limit=200):
            table.remove(doc_ids=[number])
        await history.commit()

    works = (commit, commits_during_checkpoints, query, change_200, remove_200)
    return {f"held_ms_{work.__name__}": round(await longest_pause(work), 1) for work in works}
