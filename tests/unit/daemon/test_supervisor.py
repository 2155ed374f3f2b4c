import asyncio
import itertools
import logging

import pytest
from tests.waiting import LONGEST_WAIT

from kronkeep_daemon.supervisor import Supervisor
from kronkeep_daemon.testing import FakeClock, settle


async def test_a_fatal_task_that_ends_stops_the_daemon_and_keeps_the_cause(
    caplog: pytest.LogCaptureFixture,
) -> None:
    supervisor = Supervisor(FakeClock())

    async def breaks() -> None:
        raise ValueError("no more")

    with caplog.at_level(logging.CRITICAL):
        supervisor.start("writer", breaks, death="fatal")
        await asyncio.wait_for(supervisor.failed.wait(), LONGEST_WAIT)
    assert isinstance(supervisor.cause, ValueError)


async def test_a_restarted_task_pauses_longer_each_time_up_to_a_minute() -> None:
    clock = FakeClock()
    supervisor = Supervisor(clock)
    starts: list[float] = []

    async def dies() -> None:
        starts.append(clock.monotonic())

    supervisor.start("watch", dies, death="restart")
    await settle()
    await clock.advance(200)
    assert [round(b - a) for a, b in itertools.pairwise(starts)] == [1, 2, 4, 8, 16, 32, 60, 60]
    await supervisor.close()


async def test_names_are_unique_while_running_and_free_afterwards() -> None:
    supervisor = Supervisor(FakeClock())
    gate = asyncio.Event()

    async def waits() -> None:
        await gate.wait()

    task = supervisor.start("one", waits, death="quiet")
    with pytest.raises(ValueError, match="one"):
        supervisor.start("one", waits, death="quiet")
    gate.set()
    await task
    assert not supervisor.running("one")
    supervisor.start("one", waits, death="quiet")
    await supervisor.close()


async def test_close_cancels_everything_and_names_what_is_stuck(caplog: pytest.LogCaptureFixture) -> None:
    supervisor = Supervisor(FakeClock())
    release = asyncio.Event()

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await release.wait()

    task = supervisor.start("stubborn", stubborn, death="quiet")
    await settle()
    await supervisor.close(timeout=0.01)
    assert "stubborn" in caplog.text
    release.set()
    await task


async def test_what_came_late_ends_while_what_it_may_need_still_runs() -> None:
    """As the end of a Job's task needs the embedded cluster, which is a task of the same supervisor."""
    supervisor = Supervisor(FakeClock())
    asked: asyncio.Queue[asyncio.Future[str]] = asyncio.Queue()

    async def server() -> None:
        while True:
            (await asked.get()).set_result("removed")

    async def client() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            await asked.put(answer)
            said.append(await answer)

    said: list[str] = []
    supervisor.start("server", server, death="quiet")
    supervisor.start("client", client, death="quiet")
    await settle()
    await supervisor.close(timeout=5)
    assert said == ["removed"]
