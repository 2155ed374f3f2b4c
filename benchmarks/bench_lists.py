"""Lists of 5,000 CronJobs with 100,000 runs: what one costs, and for how long it holds the event loop."""

import asyncio
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from tests.integration.http.many import many

from kronkeep_daemon.http import routes_cronjobs, routes_events, routes_policies
from kronkeep_daemon.http.json_encoding import encoded
from kronkeep_daemon.http.route import ApiCall

CRONJOBS = 5_000
RUNS = 20
ROUNDS = 5
LISTS = {
    "cronjobs": routes_cronjobs.list_cronjobs,
    "policies": routes_policies.list_policies,
    "snapshot": routes_events.get_snapshot,
}


class _Held:
    """The longest time, in seconds of the thread's CPU, between two turns of the event loop."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def watch(self) -> None:
        """Looks for ever."""
        last = time.thread_time()
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            self.longest = max(self.longest, now - last)
            last = now


async def _once(answer: Awaitable[Any]) -> tuple[float, float]:
    """(seconds of CPU, the longest hold among them) of one answer and its JSON."""
    held = _Held()
    watching = asyncio.create_task(held.watch())
    await asyncio.sleep(0)
    began = time.thread_time()
    await encoded(await answer)
    took = time.thread_time() - began
    watching.cancel()
    return took, held.longest


async def _measure(folder: Path) -> dict[str, float]:
    figures: dict[str, float] = {}
    async with many(folder, CRONJOBS, RUNS) as services:
        call = cast(ApiCall[None], SimpleNamespace(services=services, query={}))
        for name, handler in LISTS.items():
            await _once(handler(call))
            best = min([await _once(handler(call)) for _ in range(ROUNDS)])
            figures[f"lists_{name}_cpu_ms"] = round(best[0] * 1000)
            figures[f"lists_{name}_held_ms"] = round(best[1] * 1000, 1)
            figures[f"lists_{name}_one_go_to_held"] = round(best[0] / best[1])
    return figures


def run() -> dict[str, float]:
    """Milliseconds of CPU of each list, its longest hold, and how much longer it would hold in one go."""
    with tempfile.TemporaryDirectory() as name:
        return asyncio.run(_measure(Path(name)))
