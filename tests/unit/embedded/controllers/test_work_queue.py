"""The controllers' queue of keys: a worker that is told to stop stops, whatever comes at that moment."""

import asyncio

import pytest

from kronkeep_daemon.embedded.controllers.work_queue import WorkQueue


@pytest.mark.parametrize("turns", range(6))
async def test_a_worker_stops_even_as_a_key_comes(turns: int) -> None:
    """asyncio.wait_for would give the key out and lose the stop at one of these turns of the loop."""
    queue = WorkQueue()
    done = list[tuple[str, str, str]]()

    async def work() -> None:
        while True:
            key = await queue.get()
            done.append(key)
            queue.done(key)

    queue.add(("jobs", "default", "much later"), 60)
    worker = asyncio.create_task(work())
    await asyncio.sleep(0.01)
    queue.add(("jobs", "default", "a"))
    for _ in range(turns):
        await asyncio.sleep(0)
    worker.cancel()
    _, left = await asyncio.wait([worker], timeout=1)
    assert not left
    assert worker.cancelled()
