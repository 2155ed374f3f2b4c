"""Many Jobs under a failing server: none is missed, none is announced twice."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.integration.watch.world import Quick, World, job
from tests.waiting import LONGEST_WAIT

from kronkeep_common.states import EXECUTION_TRANSITIONS, is_final
from kronkeep_daemon.cronjobs.cluster_watch import EVENT_SELECTORS
from kronkeep_daemon.cronjobs.run_recorder import RunRecorder
from kronkeep_daemon.events import Bus, ExecutionChanged
from kronkeep_daemon.history import History
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.watch import READ_DEADLINE
from kronkeep_daemon.supervisor import Supervisor


class Room:
    """A recorder of a world, with the ends of runs that it announced."""

    def __init__(self, *, world: World, history: History, recorder: RunRecorder, bus: Bus) -> None:
        self.world = world
        self.history = history
        self.recorder = recorder
        self.bus = bus
        self.ends: Counter[str] = Counter()
        bus.subscribe(ExecutionChanged, self._on_run_change)

    def _on_run_change(self, event: ExecutionChanged) -> None:
        if is_final(EXECUTION_TRANSITIONS, event.new.status):
            self.ends[event.new.id] += 1

    def statuses(self) -> dict[str, int]:
        return self.history.executions.count()

    async def until(self, done: Callable[[], bool], seconds: float = LONGEST_WAIT) -> None:
        end = asyncio.get_running_loop().time() + seconds
        while not done():
            assert asyncio.get_running_loop().time() < end, self.statuses()
            await asyncio.sleep(0.02)


@asynccontextmanager
async def open_room(folder: Path) -> AsyncIterator[Room]:
    world = World()
    clock = Quick()
    bus = Bus()
    supervisor = Supervisor(clock)
    async with world.serve(folder) as kubeconfig:
        cluster = await Cluster.connect(kubeconfig=kubeconfig)
        history = await History.open(folder / "history", clock=clock)
        recorder = RunRecorder(cluster=cluster, history=history, bus=bus, clock=clock, event_patience=0.2)
        recorder.start(supervisor)
        await asyncio.wait_for(recorder.synced.wait(), LONGEST_WAIT)
        try:
            yield Room(world=world, history=history, recorder=recorder, bus=bus)
        finally:
            await supervisor.close()
            await cluster.close()
            await history.close()


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    async with open_room(tmp_path) as new_room:
        yield new_room


async def flow(world: World, count: int, rate: float) -> None:
    """So many Jobs, each begun and a little later ended."""
    for number in range(count + 5):
        if number < count:
            world.put("jobs", job(f"dump-{number}", f"u{number}"))
        if number >= 5:
            ended = job(f"dump-{number - 5}", f"u{number - 5}", ended=True, bad=number % 3 == 0)
            world.put("jobs", ended)
        await asyncio.sleep(1 / rate)


async def restarts(world: World, count: int, every: float) -> None:
    for _ in range(count):
        await asyncio.sleep(every)
        world.restart()


@pytest.mark.parametrize(
    ("jobs", "count"),
    [(60, 10), pytest.param(400, 50, marks=pytest.mark.torture)],
    ids=["10-restarts", "50-restarts"],
)
async def test_server_restarts_under_twenty_jobs_a_second(room: Room, jobs: int, count: int) -> None:
    every = jobs / 20 / (count + 1)
    await asyncio.gather(flow(room.world, jobs, 20), restarts(room.world, count, every))
    await room.until(lambda: len(room.ends) == jobs)
    assert set(room.ends.values()) == {1}
    assert room.statuses() == {
        "succeeded": sum(n % 3 != 0 for n in range(5, jobs + 5)),
        "failed": sum(n % 3 == 0 for n in range(5, jobs + 5)),
    }


async def test_watches_of_events_end_before_their_silence_counts_as_death(room: Room) -> None:
    await room.until(lambda: room.world.count("/events?watch=1") == len(EVENT_SELECTORS))
    opened = [request for request in room.world.requests if "watch=1" in request]
    seconds = {
        request: int(parse_qs(urlsplit(request).query)["timeoutSeconds"][0]) < READ_DEADLINE
        for request in opened
    }
    assert {request for request, is_short in seconds.items() if is_short} == {
        request for request in opened if "/events" in request
    }


async def test_a_job_deleted_before_its_end_is_cancelled(room: Room) -> None:
    room.world.put("jobs", job("dump-1", "u1"))
    await room.until(lambda: room.statuses() == {"running": 1})
    room.world.delete("jobs", "u1")
    await room.until(lambda: room.statuses() == {"cancelled": 1})


async def test_one_deleted_during_a_restart_is_recorded_as_unknown(room: Room) -> None:
    room.world.put("jobs", job("dump-1", "u1"))
    await room.until(lambda: room.statuses() == {"running": 1})
    del room.world.objects["jobs"]["u1"]
    room.world.version += 1
    room.world.restart()
    await room.until(lambda: room.statuses() == {"unknown": 1})
    (run,) = room.history.executions.all()
    assert (run.reason, run.evidence) == ("GoneWhileAway", "last seen running")


async def test_the_same_name_a_hundred_times_is_a_hundred_runs(room: Room) -> None:
    for number in range(100):
        room.world.put("jobs", job("dump", f"u{number}"))
        room.world.put("jobs", job("dump", f"u{number}", ended=True))
        room.world.delete("jobs", f"u{number}")
        await asyncio.sleep(0.002)
    await room.until(lambda: room.statuses() == {"succeeded": 100})
    assert set(room.ends.values()) == {1}


async def test_two_clusters_with_the_same_uid_have_a_record_each(room: Room, tmp_path: Path) -> None:
    """A cluster made from another's etcd has Jobs of the same uids."""
    room.world.put("jobs", job("dump-1", "u1"))
    await room.until(lambda: room.statuses() == {"running": 1})
    copy = World()
    (tmp_path / "copy").mkdir()
    async with copy.serve(tmp_path / "copy") as kubeconfig:
        cluster = await Cluster.connect(kubeconfig=kubeconfig)
        cluster.id = "copy"
        other = RunRecorder(
            cluster=cluster, history=room.history, bus=Bus(), clock=Quick(), event_patience=0.2
        )
        supervisor = Supervisor(Quick())
        copy.put("jobs", job("dump-1", "u1", ended=True))
        other.start(supervisor)
        await room.until(lambda: room.statuses() == {"running": 1, "succeeded": 1})
        assert sorted(run.id for run in room.history.executions.all()) == ["u1", "u1@copy"]
        await supervisor.close()
        await cluster.close()


def read_memory(field: str) -> int:
    """Return a size of this process in KiB from /proc/self/status (proc(5))."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


@pytest.mark.torture
async def test_two_hundred_events_a_second_over_ten_thousand_jobs(tmp_path: Path) -> None:
    """99 of 100 ends are durable and announced within a second; it needs less than 160 MB more."""
    size_before = read_memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets VmHWM, the peak, to what is used now
    loop = asyncio.get_running_loop()
    put: dict[str, float] = {}
    lags: list[float] = []
    async with open_room(tmp_path) as room:
        for number in range(10_000):
            room.world.put("jobs", job(f"old-{number}", f"old{number}", ended=True))
        room.world.restart()
        await room.until(lambda: room.statuses().get("succeeded") == 10_000)

        def note_lag(event: ExecutionChanged) -> None:
            if event.new.id in put:
                lags.append(loop.time() - put[event.new.id])

        room.bus.subscribe(ExecutionChanged, note_lag)
        for number in range(2_000):
            put[f"u{number}"] = loop.time()
            room.world.put("jobs", job(f"new-{number}", f"u{number}", ended=True))
            await asyncio.sleep(1 / 200)
        await room.until(lambda: len(lags) == 2_000)
    lags.sort()
    assert lags[int(len(lags) * 0.99)] < 1.0
    growth = read_memory("VmHWM") - size_before
    assert growth < 160 * 1024, f"{growth} KiB"
