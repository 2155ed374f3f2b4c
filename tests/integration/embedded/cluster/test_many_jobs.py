"""Two hundred Jobs at once: none is lost, none runs twice, each keeps its own log."""

import asyncio
from typing import Any

from kronkeep_daemon.kube import paths

JOBS = 200
SECONDS = 240.0  # 9 on a quiet machine of two cores


async def test_two_hundred_jobs_at_once(room: Any) -> None:
    names = [f"many-{number}" for number in range(JOBS)]
    await asyncio.gather(*(room.job(name, f"echo {name}") for name in names))

    async def complete() -> int:
        jobs, _ = await room.cluster.list(paths.jobs("default"))
        return sum(job["status"].get("succeeded", 0) for job in jobs)

    assert await room.until(complete, lambda found: found >= JOBS, SECONDS) == JOBS
    pods, _ = await room.cluster.list(paths.pods("default"))
    assert len(pods) == JOBS
    for name in names[:: JOBS // 10]:
        assert await room.log(name) == f"{name}\n"
