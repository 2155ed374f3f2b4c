"""What is done for each of thousands of CronJobs or Jobs leaves turns of the event loop to other tasks."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.turn_count import Turns
from tests.unit.cronjobs.replay import decode
from tests.unit.cronjobs.slot_scene import NOON, Scene, cronjob, job

from kronkeep_daemon import loop_turns
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


async def record_jobs(scene: Scene) -> None:
    await list_jobs(scene)
    await scene.recorder.flush()


async def judge_slots(scene: Scene) -> None:
    await scene.tracker.update()


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


@pytest.mark.parametrize(
    ("work", "turns_each"),
    [(list_cronjobs, 1), (list_jobs, 1), (record_jobs, 3), (judge_slots, 1)],
    ids=lambda each: getattr(each, "__name__", str(each)),
)
async def test_others_have_a_turn_between_two_objects(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    work: Callable[[Scene], Awaitable[None]],
    turns_each: int,
) -> None:
    scene = Scene(tmp_path / "h")
    await scene.open()
    scene.answer()
    await list_cronjobs(scene)
    monkeypatch.setattr(loop_turns, "LONGEST_WORK", 0.0)  # each object is more than a turn may hold
    turns = Turns()
    await turns.during(work(scene))
    assert turns.count >= OBJECTS * turns_each
    await scene.close()
