"""Who may work on a repository together, and who waits for whom."""

import asyncio
from contextlib import AbstractAsyncContextManager

import pytest

from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.testing import settle


class Holder:
    """A task that holds a repository until it is released."""

    def __init__(self, hold: AbstractAsyncContextManager[object]) -> None:
        self.holds = False
        self._released = asyncio.Event()
        self._task = asyncio.ensure_future(self._hold(hold))

    async def _hold(self, hold: AbstractAsyncContextManager[object]) -> None:
        async with hold:
            self.holds = True
            await self._released.wait()
        self.holds = False

    async def release(self) -> None:
        self._released.set()
        await self._task

    async def cancel(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])


async def test_readers_are_beside_an_archive_and_each_other() -> None:
    queues = RepositoryQueues()
    holders = [
        Holder(queues.hold_for_archive("r")),
        Holder(queues.hold_for_reading("r")),
        Holder(queues.hold_for_reading("r")),
    ]
    second = Holder(queues.hold_for_archive("r"))
    await settle()
    assert [one.holds for one in holders] == [True, True, True]
    assert not second.holds
    await holders[0].release()
    await settle()
    assert second.holds
    for one in (*holders[1:], second):
        await one.release()


async def test_archives_go_past_one_that_waits_to_start_and_exclusive_work_does_not() -> None:
    queues = RepositoryQueues()
    yielded = asyncio.Event()
    ended = asyncio.Event()

    async def archive() -> None:
        async with queues.hold_for_archive("r") as hold:
            hold.yield_turn()
            hold.yield_turn()
            yielded.set()
            await ended.wait()

    waiting = asyncio.ensure_future(archive())
    await yielded.wait()
    other = Holder(queues.hold_for_archive("r"))
    await settle()
    assert other.holds
    exclusive = Holder(queues.hold_exclusively("r"))
    await other.release()
    await settle()
    assert not exclusive.holds
    ended.set()
    await waiting
    await settle()
    assert exclusive.holds
    await exclusive.release()
    last = Holder(queues.hold_for_archive("r"))
    await settle()
    assert last.holds
    await last.release()


async def test_exclusive_work_waits_for_readers_and_lets_no_new_ones_in() -> None:
    queues = RepositoryQueues()
    reader = Holder(queues.hold_for_reading("r"))
    await settle()
    exclusive = Holder(queues.hold_exclusively("r"))
    late = None
    other = Holder(queues.hold_exclusively("another"))
    await settle()
    late = Holder(queues.hold_for_reading("r"))
    await settle()
    assert (exclusive.holds, late.holds, other.holds) == (False, False, True)
    await reader.release()
    await settle()
    assert (exclusive.holds, late.holds) == (True, False)
    await exclusive.release()
    await settle()
    assert late.holds
    await late.release()
    await other.release()


async def test_a_cancelled_wait_leaves_the_repository_open_to_readers() -> None:
    queues = RepositoryQueues()
    reader = Holder(queues.hold_for_reading("r"))
    await settle()
    exclusive = Holder(queues.hold_exclusively("r"))
    await settle()
    late = Holder(queues.hold_for_reading("r"))
    await settle()
    await exclusive.cancel()
    await settle()
    assert late.holds
    with pytest.raises(TimeoutError):
        async with queues.hold_exclusively("r", 0.01):
            pass
    third = Holder(queues.hold_for_reading("r"))
    archive = Holder(queues.hold_for_archive("r"))
    await settle()
    assert third.holds
    assert archive.holds
    for one in (reader, late, third, archive):
        await one.release()
