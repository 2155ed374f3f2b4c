"""A cluster's time from Date headers: exact bounds, wall time that jumps, a cluster whose clock jumps."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from kronkeep_daemon.kube.cluster_clock import SETTLE_SECONDS, ClusterClock
from kronkeep_daemon.testing import FakeClock

DAY = 86400.0
NOON = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)


class Server:
    """An API server with a clock of its own; `ahead` seconds before the true time."""

    def __init__(self, machine: FakeClock, ahead: float = 0.0) -> None:
        self._machine = machine
        self._start = machine.now()
        self.ahead = ahead

    def time(self) -> datetime:
        return self._start + timedelta(seconds=self._machine.monotonic() + self.ahead)

    async def answer(self, clock: ClusterClock, delay: float = 0.0) -> None:
        """Answer a request; `delay` is how long it is under way, each way."""
        sent_at = clock.monotonic()
        await self._machine.advance(delay)
        date = self.time()
        await self._machine.advance(delay)
        clock.observe_header(f"{date:%a, %d %b %Y %H:%M:%S} GMT", sent_at)


@pytest.fixture
def machine() -> FakeClock:
    return FakeClock(NOON)


async def test_without_an_answer_the_machines_time_is_shown_and_not_trusted(machine: FakeClock) -> None:
    clock = ClusterClock(machine)
    assert clock.now() == NOON
    assert clock.fault() is None
    assert not clock.is_trusted()


async def test_a_right_clock_is_shown_as_it_is(machine: FakeClock) -> None:
    clock = ClusterClock(machine)
    server = Server(machine)
    for _ in range(100):
        await machine.advance(7.3)
        await server.answer(clock, delay=0.01)
        assert clock.now() == machine.now()
    assert clock.is_trusted()


@pytest.mark.parametrize("seconds", [400 * DAY, -400 * DAY, 2 * 365 * DAY, 3600, -61, 90])
async def test_wall_time_that_jumps_changes_no_time_and_is_a_fault(
    machine: FakeClock, seconds: float
) -> None:
    clock = ClusterClock(machine)
    server = Server(machine)
    await server.answer(clock)
    machine.jump(seconds)
    await machine.advance(25)
    assert abs(clock.now() - server.time()) <= timedelta(seconds=1)
    assert "This machine's clock is" in (clock.fault() or "")
    assert not clock.is_trusted()
    machine.jump(-seconds)
    assert clock.is_trusted()


async def test_a_difference_below_a_minute_is_corrected_without_a_fault(machine: FakeClock) -> None:
    clock = ClusterClock(machine)
    server = Server(machine)
    await server.answer(clock)
    machine.jump(40)
    assert abs(clock.now() - server.time()) <= timedelta(seconds=1)
    assert clock.is_trusted()


async def test_a_machine_that_starts_with_a_wrong_clock_is_found_at_the_first_answer(
    machine: FakeClock,
) -> None:
    server = Server(machine)
    machine.jump(400 * DAY + 1)
    clock = ClusterClock(machine)
    await server.answer(clock)
    assert clock.fault() == "This machine's clock is 400d00h ahead of the cluster's."


async def test_a_cluster_whose_clock_jumps_is_trusted_again_when_it_has_settled(machine: FakeClock) -> None:
    clock = ClusterClock(machine)
    server = Server(machine)
    await server.answer(clock)
    server.ahead = 400 * DAY + 1
    machine.jump(400 * DAY + 1)  # one machine: both jump
    await server.answer(clock)
    assert clock.fault() == "The cluster's clock has just jumped ahead by 400d00h."
    await machine.advance(SETTLE_SECONDS)
    assert clock.is_trusted()


async def test_answers_together_are_more_exact_than_one(machine: FakeClock) -> None:
    clock = ClusterClock(machine)
    server = Server(machine, ahead=200.0)
    chance = random.Random(1)
    for _ in range(300):
        await machine.advance(chance.random() * 3)
        await server.answer(clock, delay=chance.random() * 0.02)
    assert abs(clock.now() - server.time()) < timedelta(seconds=0.05)


@pytest.mark.parametrize("header", [None, "", "yesterday", "Thu, 15 Jan 2026 12:00:00 -0000"])
async def test_a_header_that_cannot_be_read_is_ignored(machine: FakeClock, header: str | None) -> None:
    clock = ClusterClock(machine)
    clock.observe_header(header, clock.monotonic())
    assert not clock.is_trusted()
    assert clock.now() == NOON
