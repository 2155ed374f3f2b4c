"""Lists of 5,000 CronJobs with 100,000 runs: the cost of each list, and how long it blocks the event loop."""

import asyncio
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from tests.integration.http.many import many

from kronkeep_daemon.http import routes_cronjobs, routes_events, routes_policies
from kronkeep_daemon.http.json_encoding import encode
from kronkeep_daemon.http.route import ApiCall

CRONJOBS = 5_000
RUNS = 20
ROUNDS = 5
LISTS = {
    "cronjobs": routes_cronjobs.list_cronjobs,
    "policies": routes_policies.list_policies,
    "snapshot": routes_events.get_snapshot,
}


class _LoopWatch:
    """The longest CPU time of the thread, in seconds, between two turns of the event loop."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def run(self) -> None:
        """Measure every turn until cancelled."""
        last = time.thread_time()
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            self.longest = max(self.longest, now - last)
            last = now


async def _measure_answer(answer: Awaitable[Any]) -> tuple[float, float]:
    """Return the CPU seconds of one answer with its JSON, and the longest time that it blocked the loop."""
    watch = _LoopWatch()
    watching = asyncio.create_task(watch.run())
    await asyncio.sleep(0)
    start = time.thread_time()
    await encode(await answer)
    duration = time.thread_time() - start
    watching.cancel()
    return duration, watch.longest


async def _measure(folder: Path) -> dict[str, float]:
    figures: dict[str, float] = {}
    async with many(folder, CRONJOBS, RUNS) as services:
        call = cast(ApiCall[None], SimpleNamespace(services=services, query={}))
        for name, handler in LISTS.items():
            await _measure_answer(handler(call))
            best = min([await _measure_answer(handler(call)) for _ in range(ROUNDS)])
            figures[f"lists_{name}_cpu_ms"] = round(best[0] * 1000)
            figures[f"lists_{name}_held_ms"] = round(best[1] * 1000, 1)
            figures[f"lists_{name}_one_go_to_held"] = round(best[0] / best[1])
    return figures


def run() -> dict[str, float]:
    """Return the CPU milliseconds of each list, the longest block, and how much longer one block would be."""
    with tempfile.TemporaryDirectory() as name:
        return asyncio.run(_measure(Path(name)))
