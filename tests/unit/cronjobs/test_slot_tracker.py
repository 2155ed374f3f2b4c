"""What became of slots without a Job: late, delayed, missed and why, or lost in a gap."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.cronjobs.replay import a_recorder, feed

from kronkeep_daemon.cronjobs import resume
from kronkeep_daemon.cronjobs.run_recorder import RunRecorder
from kronkeep_daemon.cronjobs.slot_tracker import SlotTracker
from kronkeep_daemon.events import Bus
from kronkeep_daemon.history import History
from kronkeep_daemon.kube.objects import CronJobObject
from kronkeep_daemon.testing import FakeClock

NOON = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
GRACE = timedelta(seconds=120)
UID = "cj-uid"


def stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def cronjob(last: datetime | None = None, version: int = 1, **spec: Any) -> dict[str, Any]:
    status = {"lastScheduleTime": stamp(last)} if last else {}
    template = {"spec": {"template": {"spec": {"containers": []}}}}
    meta = {
        "name": "dump",
        "namespace": "shop",
        "uid": UID,
        "resourceVersion": str(version),
        "creationTimestamp": stamp(NOON - timedelta(days=9)),
    }
    return {
        "metadata": meta,
        "spec": {"schedule": "*/10 * * * *", "jobTemplate": template, **spec},
        "status": status,
    }


def job(slot: datetime, *, created: datetime | None = None, ended: datetime | None = None) -> dict[str, Any]:
    number = int(slot.timestamp()) // 60
    conditions = [{"type": "Complete", "status": "True", "lastTransitionTime": stamp(ended)}] if ended else []
    return {
        "metadata": {
            "name": f"dump-{number}",
            "namespace": "shop",
            "uid": f"job-{number}",
            "creationTimestamp": stamp(created or slot),
            "annotations": {"batch.kubernetes.io/cronjob-scheduled-timestamp": stamp(slot)},
            "ownerReferences": [{"kind": "CronJob", "name": "dump", "uid": UID, "controller": True}],
        },
        "status": {"startTime": stamp(created or slot), "conditions": conditions},
    }


class Scene:
    """A recorder whose watches are live, or not, at the test's own time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = FakeClock(NOON + timedelta(minutes=1))
        self.live = True
        self.history: History
        self.recorder: RunRecorder
        self.tracker: SlotTracker

    async def open(self) -> None:
        self.history = await History.open(self.folder, clock=self.clock)
        self.recorder = a_recorder(self.history, self.clock)
        self.tracker = SlotTracker(
            cluster_id="c",
            cache=self.recorder.cache,
            history=self.history,
            bus=Bus(),
            clock=self.clock,
            is_live=lambda: self.live,
            grace=lambda: GRACE,
            controller_zone=lambda: "UTC",
        )

    async def close(self) -> None:
        await self.history.close()

    async def show(self, *objects: dict[str, Any], kind: str = "cronjobs") -> None:
        for obj in objects:
            feed(self.recorder, kind, "MODIFIED", obj)
        await self.recorder.flush()

    async def at(self, minute: float) -> None:
        """Moves to so many minutes past noon, looking every 30 seconds."""
        while (left := (NOON + timedelta(minutes=minute) - self.clock.now()).total_seconds()) > 0:
            await self.clock.advance(min(30.0, left))
            await self.tracker.update()

    def rows(self) -> list[tuple[Any, ...]]:
        """(minute past noon, status, reason) of every record, oldest first."""
        return [
            ((run.created_at - NOON).total_seconds() / 60, run.status.value, run.reason)
            for run in self.history.executions.all()
        ]

    def standing(self) -> tuple[datetime | None, datetime | None]:
        return self.tracker.standing(UID)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    found = Scene(tmp_path)
    await found.open()
    await found.show(cronjob())
    await found.tracker.update()
    yield found
    await found.close()


def slot(minute: float) -> datetime:
    return NOON + timedelta(minutes=minute)


async def test_a_slot_is_late_after_the_grace_and_missed_once_the_next_is_due(scene: Scene) -> None:
    await scene.at(11.5)
    assert scene.standing() == (None, None)
    await scene.at(12.5)
    assert scene.standing() == (slot(10), None)
    await scene.at(21.5)
    assert scene.rows() == []
    await scene.at(22.5)
    assert scene.rows() == [(10, "missed", "NotStarted")]
    assert scene.standing() == (slot(20), None)


async def test_a_job_that_comes_after_all_takes_the_place_of_its_missed_slot(scene: Scene) -> None:
    await scene.at(22.5)
    await scene.show(job(slot(10), created=slot(23)), kind="jobs")
    ((_, status, _),) = scene.rows()
    assert status == "pending"
    assert [run.trigger for run in scene.history.executions.all()] == ["catch-up"]


async def test_runs_on_time_leave_nothing(scene: Scene) -> None:
    for minute in (10, 20, 30):
        await scene.at(minute + 0.1)
        await scene.show(job(slot(minute), ended=slot(minute + 1)), kind="jobs")
    await scene.at(35)
    assert [row[1] for row in scene.rows()] == ["succeeded"] * 3
    assert scene.standing() == (None, None)


async def test_forbid_delays_and_then_skips(scene: Scene) -> None:
    await scene.show(cronjob(concurrencyPolicy="Forbid", version=2))
    await scene.at(10.1)
    await scene.show(job(slot(10)), kind="jobs")
    await scene.at(25)
    assert scene.standing() == (None, slot(20))
    await scene.at(33)
    assert scene.rows()[1:] == [(20, "missed", "StillRunning")]
    await scene.show(job(slot(10), ended=slot(34)), job(slot(30), created=slot(34)), kind="jobs")
    run = scene.history.executions.get(f"job-{int(slot(30).timestamp()) // 60}")
    assert run is not None
    assert (run.trigger, "Forbid" in (run.evidence or "")) == ("scheduled", True)


async def test_a_deadline_that_has_passed_is_missed_before_the_next_slot(scene: Scene) -> None:
    await scene.show(cronjob(startingDeadlineSeconds=60, version=2))
    await scene.at(13.5)
    assert scene.rows() == [(10, "missed", "DeadlinePassed")]


async def test_a_suspended_cronjob_misses_nothing(scene: Scene) -> None:
    await scene.show(cronjob(suspend=True, version=2))
    await scene.at(45)
    await scene.show(cronjob(version=3))
    await scene.at(49)
    assert scene.rows() == []


async def test_a_changed_schedule_counts_from_the_change(scene: Scene) -> None:
    await scene.at(5)
    await scene.show(cronjob(schedule="3 * * * *", version=2))
    await scene.at(30)
    assert scene.rows() == []


async def test_while_the_watch_is_not_live_nothing_is_judged(scene: Scene) -> None:
    await scene.at(5)
    scene.live = False
    await scene.at(45)
    assert scene.rows() == []


async def test_after_a_cut_what_status_proves_is_told_and_the_rest_is_one_gap(scene: Scene) -> None:
    await scene.at(5)
    scene.live = False
    await scene.at(55)
    scene.live = True
    await scene.show(cronjob(last=slot(30), version=2))
    await scene.show(job(slot(20), ended=slot(21)), kind="jobs")
    await scene.tracker.update()
    await scene.tracker.update()
    found = {row[0]: row[1:] for row in scene.rows()}
    assert found == {
        10: ("unknown", "Gap"),
        20: ("succeeded", None),
        30: ("unknown", "GoneWhileAway"),
        40: ("missed", "NotStarted"),
    }
    assert scene.standing() == (slot(50), None)
    gap = next(run for run in scene.history.executions.all() if run.reason == "Gap")
    assert (gap.gap_slots, gap.gap_until) == (1, slot(55))


async def test_after_a_stop_events_prove_how_runs_ended(scene: Scene) -> None:
    await scene.at(5)
    await scene.close()
    await scene.clock.advance(40 * 60)
    await scene.open()
    await scene.show(cronjob(last=slot(40), version=9))
    for minute, words in ((10, "Complete"), (20, "Failed"), (30, None)):
        name = f"dump-{int(slot(minute).timestamp()) // 60}"
        reason = "SawCompletedJob" if words else "SuccessfulCreate"
        message = f"Saw completed job: {name}, condition: {words}" if words else f"Created job {name}"
        event = {
            "metadata": {"name": f"e{minute}", "namespace": "shop", "uid": f"e{minute}"},
            "involvedObject": {"kind": "CronJob", "name": "dump", "uid": UID},
            "reason": reason,
            "message": message,
            "lastTimestamp": stamp(slot(minute + 1)),
        }
        await scene.show(event, kind="events")
    await scene.show(job(slot(40)), kind="jobs")
    await scene.tracker.update()
    assert scene.rows() == [
        (10, "succeeded", None),
        (20, "failed", "FailedWhileAway"),
        (30, "unknown", "GoneWhileAway"),
        (40, "pending", None),
    ]
    assert all(run.evidence for run in scene.history.executions.all() if run.status != "pending")


async def test_a_short_stop_forgets_no_late_slot(scene: Scene) -> None:
    await scene.show(job(slot(0), ended=slot(1)), kind="jobs")
    await scene.at(13)
    assert scene.standing() == (slot(10), None)
    await scene.close()
    await scene.open()
    await scene.show(cronjob())
    await scene.tracker.update()
    assert scene.standing() == (slot(10), None)
    await scene.at(23)
    assert scene.rows()[1:] == [(10, "missed", "NotStarted")]


async def test_the_first_start_invents_nothing(scene: Scene) -> None:
    assert scene.rows() == []
    await scene.at(9)
    assert scene.rows() == []


class TestResume:
    """A resume lowers the deadline so that no old slot starts, and gives it back when none can any more."""

    def resumed(self, raw: dict[str, Any], now: datetime) -> dict[str, Any]:
        from kronkeep_common.schedule import Schedule

        live = CronJobObject.from_manifest(raw, "c")
        missed = resume.find_missed_slot(live, Schedule.parse("*/10 * * * *"), now)
        assert missed is None or resume.seconds_to_wait(missed, now) == 0
        return resume.resume_patch(live, missed, now)

    def test_the_deadline_excludes_the_missed_slot(self) -> None:
        now = slot(14)
        body = self.resumed(cronjob(last=slot(-30), suspend=True), now)
        deadline = body["spec"]["startingDeadlineSeconds"]
        assert slot(10) + timedelta(seconds=deadline) < now
        assert deadline >= 10

    def test_a_young_slot_is_waited_for(self) -> None:
        assert resume.seconds_to_wait(slot(10), slot(10) + timedelta(seconds=5)) == 7.0

    def test_without_a_missed_slot_nothing_is_lowered(self) -> None:
        assert self.resumed(cronjob(last=slot(10), suspend=True), slot(14)) == {"spec": {"suspend": False}}

    def test_a_deadline_that_excludes_it_already_stays(self) -> None:
        raw = cronjob(last=slot(-30), suspend=True, startingDeadlineSeconds=30)
        assert self.resumed(raw, slot(14)) == {"spec": {"suspend": False}}

    @pytest.mark.parametrize(("deadline", "back"), [(None, None), (900, 900)])
    def test_it_is_given_back_after_the_next_run(self, deadline: int | None, back: int | None) -> None:
        raw = cronjob(last=slot(-30), suspend=True)
        if deadline:
            raw["spec"]["startingDeadlineSeconds"] = deadline
        body = self.resumed(raw, slot(14))
        raw["metadata"] |= body["metadata"]
        raw["spec"] |= body["spec"]
        assert resume.deadline_patch(CronJobObject.from_manifest(raw, "c")) is None
        raw["status"]["lastScheduleTime"] = stamp(slot(20))
        given = resume.deadline_patch(CronJobObject.from_manifest(raw, "c"))
        assert given is not None
        assert given["spec"] == {"startingDeadlineSeconds": back}
        assert list(given["metadata"]["annotations"].values()) == [None]

    def test_a_broken_note_is_taken_away(self) -> None:
        raw = msgspec.json.decode(msgspec.json.encode(cronjob()))
        raw["metadata"]["annotations"] = {"kronkeep.dev/starting-deadline-seconds": "x y"}
        assert resume.deadline_patch(CronJobObject.from_manifest(raw, "c")) is not None
