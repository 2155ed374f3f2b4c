"""Runners of the Job in a FakeCluster."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.unit.jobs.fake_cluster import FakeCluster, FixedTokens, QuickClock, eventually

from kronkeep_daemon.jobs.outcome import FinishedJob
from kronkeep_daemon.jobs.runner import JobRunner


def runner_of(cluster: Any, *, watched: bool = True) -> JobRunner:
    return JobRunner(
        cluster=cluster,
        clock=QuickClock(),
        tokens=FixedTokens(),
        start_seconds=60,
        cached=cluster.cached if watched else None,
    )


@asynccontextmanager
async def running(
    cluster: FakeCluster, *, watched: bool = True, **how: Any
) -> AsyncIterator[asyncio.Task[FinishedJob]]:
    """The task that runs the cluster's Job, once the Job is created; cancelled at the end of the block."""
    task = asyncio.create_task(runner_of(cluster, watched=watched).run(cluster.manifest, **how))
    await eventually(lambda: cluster.job is not None or task.done())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])
