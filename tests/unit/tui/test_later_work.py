"""Work that a drawing starts does not run in the midst of it, however the loop begins its tasks."""

import asyncio
import inspect
from collections.abc import Coroutine
from typing import Any

import pytest

from kronkeep_tui.later_work import run_later


class EagerTask(asyncio.Task[None]):
    """A task that takes its first step where it is made, as Textual's do from Python 3.12 on."""

    def __init__(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self.first = coroutine.send(None)
        super().__init__(self._finish(coroutine))

    async def _finish(self, coroutine: Coroutine[Any, Any, None]) -> None:
        await asyncio.sleep(0)
        try:
            coroutine.send(None)
        except StopIteration:
            return


async def test_work_begins_in_a_later_turn() -> None:
    done: list[str] = []

    async def work() -> None:
        done.append("work")

    task = EagerTask(run_later(work()))
    done.append("drawn")
    await task
    assert done == ["drawn", "work"]


async def test_work_that_is_cancelled_before_it_began_is_closed() -> None:
    async def work() -> None:
        raise AssertionError

    begun = work()
    task = asyncio.create_task(run_later(begun))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert inspect.getcoroutinestate(begun) == inspect.CORO_CLOSED
