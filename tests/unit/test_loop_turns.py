"""A long loop lets other tasks run in between."""

import asyncio

import pytest

from kronkeep_daemon import loop_turns
from kronkeep_daemon.events import ActingChanged, Bus
from kronkeep_daemon.loop_turns import LoopTurn


class Timer:
    """The time, which a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def timer(monkeypatch: pytest.MonkeyPatch) -> Timer:
    timer = Timer()
    monkeypatch.setattr(loop_turns, "time", timer)
    return timer


async def test_a_turn_ends_when_its_time_is_over(timer: Timer) -> None:
    ran: list[str] = []
    turn = LoopTurn()
    asyncio.get_running_loop().call_soon(ran.append, "other")
    timer.now += loop_turns.LONGEST_WORK / 2
    assert not await turn.give_way()
    assert ran == []
    timer.now += loop_turns.LONGEST_WORK / 2
    assert await turn.give_way()
    assert ran == ["other"]
    assert not await turn.give_way()  # the next turn has begun


async def test_events_of_a_batch_come_in_turns_and_a_later_batch_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop_turns, "LONGEST_WORK", 0.0)
    bus = Bus()
    heard: list[str] = []
    bus.subscribe(ActingChanged, lambda event: heard.append(event.cluster))
    first = asyncio.create_task(bus.publish_all([ActingChanged(f"a{n}") for n in range(3)]))
    await asyncio.sleep(0)
    assert heard == ["a0"]
    await bus.publish_all([ActingChanged("b0"), ActingChanged("b1")])
    await first
    assert heard == ["a0", "a1", "a2", "b0", "b1"]
