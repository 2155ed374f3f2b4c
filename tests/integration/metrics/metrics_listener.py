"""The TCP address of the metrics of services in a test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.waiting import eventually

from kronkeep_common.clock import SystemClock
from kronkeep_daemon.http.metrics import MetricsListener
from kronkeep_daemon.http.services import Services


@asynccontextmanager
async def listener_of(services: Services) -> AsyncIterator[int]:
    listener = MetricsListener("127.0.0.1:0", services.exposition, SystemClock())
    task = asyncio.create_task(listener.run())

    async def port() -> int | None:
        return listener.port

    bound = await eventually(port, lambda number: number is not None)
    assert bound is not None
    try:
        yield bound
    finally:
        task.cancel()
        await asyncio.wait([task])
