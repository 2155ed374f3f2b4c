"""A namespace whose logs take for ever, or are very many, keeps nobody else's waiting."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.records import make_run
from tests.unit.cronjobs.slot_scene import Scene
from tests.waiting import eventually

from kronkeep_common.clock import SystemClock
from kronkeep_common.models import KeptLog
from kronkeep_daemon.cronjobs.fair_queue import FairQueue, QueuedItem
from kronkeep_daemon.cronjobs.log_collector import (
    ARTIFACT_COPIERS,
    COPIERS,
    COPIERS_PER_NAMESPACE,
    LogCollector,
)
from kronkeep_daemon.history import History
from kronkeep_daemon.kube.objects import Job, Pod, convert_object
from kronkeep_daemon.supervisor import Supervisor


def take_all(queue: FairQueue[int]) -> list[QueuedItem[int]]:
    """Take what may be worked on now."""
    taken = []
    while (item := queue.take()) is not None:
        taken.append(item)
    return taken


def test_groups_take_turns_and_keep_their_own_order() -> None:
    queue: FairQueue[int] = FairQueue(longest=100, at_once=100, most=1000)
    for number in range(10):
        assert queue.put("evil", number)
    queue.put("shop", 100)
    queue.put("shop", 101)
    taken = take_all(queue)
    assert [item for group, item in taken if group == "evil"] == list(range(10))
    assert [place for place, (group, _) in enumerate(taken) if group == "shop"] == [1, 3]


def test_a_group_has_a_share_of_places_and_of_work() -> None:
    queue: FairQueue[int] = FairQueue(longest=3, at_once=2, most=1000)
    assert [queue.put("evil", number) for number in range(5)] == [True, True, True, False, False]
    assert queue.put("shop", 7)
    assert sorted(group for group, _ in take_all(queue)) == ["evil", "evil", "shop"]
    queue.done("shop")
    assert not queue.is_ready
    queue.done("evil")
    assert queue.is_ready
    assert [group for group, _ in take_all(queue)] == ["evil"]
    assert not queue.is_ready


class EndlessLogs:
    """A cluster whose logs in the namespace `evil` have no end and no lines."""

    id = "c"
    name = "c"

    def __init__(self) -> None:
        self.reading = 0

    async def log_chunks(self, namespace: str, pod: str, container: str, **_: Any) -> AsyncIterator[bytes]:
        if namespace == "evil":
            self.reading += 1
            await asyncio.Event().wait()
        yield b"2026-01-15T10:00:00.0Z of shop\n"


def ended_pod(namespace: str, name: str) -> Pod:
    ended = {"exitCode": 0, "finishedAt": "2026-01-15T10:00:00Z"}
    meta = {"name": name, "namespace": namespace, "uid": f"uid-{name}"}
    status = {"containerStatuses": [{"name": "main", "state": {"terminated": ended}}]}
    return convert_object({"metadata": meta, "status": status}, Pod)


class CollectorScene(NamedTuple):
    """A collector of a cluster's logs on a real history, and the ids of the records whose logs were saved."""

    history: History
    collector: LogCollector
    supervisor: Supervisor
    first_lists: asyncio.Event
    saved: list[str]

    async def wait_for_log(self, record_id: str) -> None:
        async def saved_records() -> list[str]:
            return self.saved

        await eventually(saved_records, lambda records: record_id in records)


@asynccontextmanager
async def open_collector(folder: Path, cluster: Any) -> AsyncIterator[CollectorScene]:
    """Give a collector that has not been started; end its tasks after the block."""
    scene = Scene(folder)
    await scene.open()
    saved: list[str] = []

    async def note(record_id: str, _: KeptLog) -> None:
        saved.append(record_id)

    first_lists = asyncio.Event()
    collector = LogCollector(
        cluster=cluster,
        history=scene.history,
        on_log_saved=note,
        clock=SystemClock(),
        first_lists=first_lists,
    )
    supervisor = Supervisor(SystemClock())
    yield CollectorScene(scene.history, collector, supervisor, first_lists, saved)
    await supervisor.close()
    await scene.close()


async def test_logs_without_an_end_keep_nobody_elses_log_waiting(tmp_path: Path) -> None:
    cluster: Any = EndlessLogs()
    async with open_collector(tmp_path, cluster) as made:
        made.collector.start(made.supervisor)
        for number in range(20_000):
            made.collector.collect_logs(f"evil-{number}", ended_pod("evil", f"e-{number}"))
        made.history.executions.put(make_run(id="victim"))
        made.collector.collect_logs("victim", ended_pod("shop", "s"))

        await made.wait_for_log("victim")
        assert cluster.reading == COPIERS_PER_NAMESPACE < COPIERS


async def test_manifests_wait_for_the_first_lists_and_logs_do_not_wait_for_manifests(tmp_path: Path) -> None:
    class EndlessManifests(EndlessLogs):
        async def get(self, _: str) -> None:
            self.reading += 1
            await asyncio.Event().wait()

    cluster: Any = EndlessManifests()
    async with open_collector(tmp_path, cluster) as made:
        made.collector.start(made.supervisor)
        for number in range(2 * COPIERS):
            run = make_run(id=f"run-{number}", namespace=f"team-{number}", job=f"j-{number}")
            made.history.executions.put(run)
            meta = {"name": f"j-{number}", "namespace": run.namespace, "uid": run.id}
            made.collector.collect_artifacts(run.id, convert_object({"metadata": meta}, Job))

        async def reading() -> int:
            return int(cluster.reading)

        made.collector.collect_logs("run-0", ended_pod("shop", "s-0"))
        await made.wait_for_log("run-0")
        assert cluster.reading == 0
        made.first_lists.set()
        await eventually(reading, lambda count: count == ARTIFACT_COPIERS)
        made.collector.collect_logs("run-1", ended_pod("shop", "s-1"))
        await made.wait_for_log("run-1")
        assert cluster.reading == ARTIFACT_COPIERS


async def test_a_hundred_clusters_have_no_copiers_that_wait(tmp_path: Path) -> None:
    cluster: Any = EndlessLogs()
    async with open_collector(tmp_path, cluster) as made:
        for number in range(2):
            made.history.executions.put(make_run(id=f"run-{number}"))
        made.collector.collect_logs("run-0", ended_pod("shop", "before the start"))

        async def idle_after() -> tuple[int, int]:
            return len(made.saved), sum("log copier" in name for name in made.supervisor.names())

        made.collector.start(made.supervisor)
        await eventually(idle_after, lambda state: state == (1, 0))
        made.collector.collect_logs("run-1", ended_pod("shop", "later"))
        await eventually(idle_after, lambda state: state == (2, 0))


def test_a_full_queue_takes_more_of_groups_that_have_less_than_their_share() -> None:
    queue: FairQueue[int] = FairQueue(longest=100, at_once=10, most=20)
    assert [queue.put("flood", number) for number in range(25)] == 20 * [True] + 5 * [False]
    assert [queue.put("late", number) for number in range(12)] == 10 * [True] + 2 * [False]
    assert not queue.put("flood", 1)
    assert {each.group for each in take_all(queue)[:2]} == {"flood", "late"}
