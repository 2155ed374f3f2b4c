"""What is done for each of thousands of CronJobs or Jobs leaves turns of the event loop to other tasks."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.turn_count import Turns
from tests.unit.cronjobs.replay import decode
from tests.unit.cronjobs.slot_scene import NOON, Scene, cronjob, job

from kronkeep_daemon import loop_turns
from kronkeep_daemon.cronjobs import job_to_run, slot_rules
from kronkeep_daemon.cronjobs.cluster_watch import CronJobList, JobList

OBJECTS = 60


async def list_cronjobs(scene: Scene) -> None:
    listed = CronJobList(scene.recorder.cache, None)
    listed.begin()
    await listed.add_page([decode("cronjobs", each) for each in many_cronjobs()])
    listed.end()


async def list_jobs(scene: Scene) -> None:
    async def do_not_wait() -> None:
        return

    listed = JobList(scene.recorder.cache, None, do_not_wait)
    listed.begin()
    await listed.add_page([decode("jobs", each) for each in many_jobs()])
    listed.end()


def many_cronjobs() -> list[dict[str, Any]]:
    template = cronjob()
    return [
        {**template, "metadata": {**template["metadata"], "name": f"dump-{n}", "uid": f"cronjob-{n}"}}
        for n in range(OBJECTS)
    ]


def many_jobs() -> list[dict[str, Any]]:
    template = job(NOON)
    return [
        {**template, "metadata": {**template["metadata"], "name": f"run-{n}", "uid": f"run-{n}"}}
        for n in range(OBJECTS)
    ]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    scene = Scene(tmp_path / "h")
    await scene.open()
    scene.answer()
    yield scene
    await scene.close()


def count_calls(turns: Turns, module: ModuleType, name: str, monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """Count the calls of a function by turn; each object is more than a turn may hold."""
    calls = Counter[int]()
    function = getattr(module, name)

    def count(*positional: Any, **named: Any) -> Any:
        calls[turns.count] += 1
        return function(*positional, **named)

    monkeypatch.setattr(module, name, count)
    monkeypatch.setattr(loop_turns, "LONGEST_WORK", 0.0)
    return calls


@pytest.mark.parametrize("work", [list_cronjobs, list_jobs])
async def test_others_have_a_turn_between_two_objects_of_a_list(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, work: Callable[[Scene], Awaitable[None]]
) -> None:
    monkeypatch.setattr(loop_turns, "LONGEST_WORK", 0.0)
    turns = Turns()
    await turns.during(work(scene))
    assert turns.count >= OBJECTS


async def test_others_have_a_turn_between_two_records(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    await list_cronjobs(scene)
    await list_jobs(scene)
    turns = Turns()
    calls = count_calls(turns, job_to_run, "run_of_job", monkeypatch)
    await turns.during(scene.recorder.flush())
    assert (calls.total(), max(calls.values())) == (OBJECTS, 1)


async def test_others_have_a_turn_between_two_cronjobs_whose_slots_are_judged(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await list_cronjobs(scene)
    turns = Turns()
    calls = count_calls(turns, slot_rules, "due_slots", monkeypatch)
    await turns.during(scene.tracker.update())
    assert (calls.total(), max(calls.values())) == (OBJECTS, 1)
