"""A resume lowers the deadline so that no old slot starts, and restores it once none can start any more."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from tests.unit.cronjobs.slot_scene import cronjob, slot, stamp

from kronkeep_common.schedule import Schedule
from kronkeep_daemon.cronjobs import resume
from kronkeep_daemon.kube.objects import CronJobObject


def make_patch(raw: dict[str, Any], now: datetime) -> dict[str, Any]:
    live = CronJobObject.from_manifest(raw, "c")
    missed = resume.find_missed_slot(live, Schedule.parse("*/10 * * * *"), now)
    assert missed is None or resume.seconds_to_wait(missed, now) == 0
    return resume.resume_patch(live, missed, now)


def test_the_deadline_excludes_the_missed_slot() -> None:
    now = slot(14)
    body = make_patch(cronjob(last=slot(-30), suspend=True), now)
    deadline = body["spec"]["startingDeadlineSeconds"]
    assert slot(10) + timedelta(seconds=deadline) < now
    assert deadline >= 10


def test_a_young_slot_is_waited_for() -> None:
    assert resume.seconds_to_wait(slot(10), slot(10) + timedelta(seconds=5)) == 7.0


def test_without_a_missed_slot_nothing_is_lowered() -> None:
    assert make_patch(cronjob(last=slot(10), suspend=True), slot(14)) == {"spec": {"suspend": False}}


def test_a_deadline_that_excludes_it_already_stays() -> None:
    raw = cronjob(last=slot(-30), suspend=True, startingDeadlineSeconds=30)
    assert make_patch(raw, slot(14)) == {"spec": {"suspend": False}}


@pytest.mark.parametrize(("deadline", "back"), [(None, None), (900, 900)])
def test_it_is_given_back_after_the_next_run(deadline: int | None, back: int | None) -> None:
    raw = cronjob(last=slot(-30), suspend=True)
    if deadline:
        raw["spec"]["startingDeadlineSeconds"] = deadline
    body = make_patch(raw, slot(14))
    raw["metadata"] |= body["metadata"]
    raw["spec"] |= body["spec"]
    assert resume.deadline_patch(CronJobObject.from_manifest(raw, "c")) is None
    raw["status"]["lastScheduleTime"] = stamp(slot(20))
    given = resume.deadline_patch(CronJobObject.from_manifest(raw, "c"))
    assert given is not None
    assert given["spec"] == {"startingDeadlineSeconds": back}
    assert list(given["metadata"]["annotations"].values()) == [None]


def test_a_broken_note_is_taken_away() -> None:
    raw = msgspec.json.decode(msgspec.json.encode(cronjob()))
    raw["metadata"]["annotations"] = {"kronkeep.dev/starting-deadline-seconds": "x y"}
    assert resume.deadline_patch(CronJobObject.from_manifest(raw, "c")) is not None
