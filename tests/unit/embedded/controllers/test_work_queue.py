"""The controllers' queue of keys: a worker that is cancelled stops, whatever comes at that moment."""

import asyncio

import pytest

from kronkeep_daemon.embedded.controllers.work_queue import WorkKey, WorkQueue


@pytest.mark.parametrize("turns", range(6))
async def test_a_cancelled_worker_stops_even_as_a_key_comes(turns: int) -> None:
    """asyncio.wait_for would return the key and lose the cancellation at one of these turns of the loop."""
    queue = WorkQueue()

    async def work() -> None:
        while True:
            queue.done(await queue.get())

    queue.add(WorkKey("jobs", "default", "much later"), 60)
    worker = asyncio.create_task(work())
    await asyncio.sleep(0.01)
    queue.add(WorkKey("jobs", "default", "a"))
    for _ in range(turns):
        await asyncio.sleep(0)
    worker.cancel()
    _, unfinished = await asyncio.wait([worker], timeout=1)
    assert not unfinished
    assert worker.cancelled()
