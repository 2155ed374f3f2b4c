"""What became of slots without a Job: late, delayed, missed and why, or lost in a gap."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.cronjobs.slot_scene import UID, Scene, cronjob, job, slot, stamp


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    new_scene = Scene(tmp_path)
    await new_scene.open()
    await new_scene.show(cronjob())
    await new_scene.tracker.update()
    yield new_scene
    await new_scene.close()


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


async def test_after_a_cut_what_status_proves_is_recorded_and_the_rest_is_one_gap(scene: Scene) -> None:
    await scene.at(5)
    scene.live = False
    await scene.at(55)
    scene.live = True
    await scene.show(cronjob(last=slot(30), version=2))
    await scene.show(job(slot(20), ended=slot(21)), kind="jobs")
    await scene.tracker.update()
    await scene.tracker.update()
    outcomes = {row[0]: row[1:] for row in scene.rows()}
    assert outcomes == {
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
            "involvedObject": {"kind": "CronJob", "namespace": "shop", "name": "dump", "uid": UID},
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


@pytest.mark.parametrize("seconds", [19 * 3600.0, 400 * 86400.0, -3 * 3600.0])
async def test_a_clock_that_jumps_for_half_a_minute_leaves_no_missed_run(
    scene: Scene, seconds: float
) -> None:
    scene.answer()
    scene.clock.jump(seconds)
    for _ in range(5):
        await scene.clock.advance(5)
        await scene.tracker.update()
    assert scene.rows() == []
    scene.clock.jump(-seconds)
    await scene.at(12.5)
    assert scene.standing() == (slot(10), None)
    await scene.at(22.5)
    assert scene.rows() == [(10, "missed", "NotStarted")]


async def test_slots_of_a_time_in_which_the_clock_was_at_fault_are_judged_after_it(scene: Scene) -> None:
    scene.answer()
    scene.clock.jump(86400)
    for _ in range(45):
        await scene.clock.advance(60)
        await scene.tracker.update()
    await scene.show(job(slot(20), ended=slot(21)), kind="jobs")
    scene.clock.jump(-86400)
    await scene.tracker.update()
    assert [row for row in scene.rows() if row[1] == "missed"] == [
        (10, "missed", "NotStarted"),
        (30, "missed", "NotStarted"),
    ]


async def test_a_machine_that_slept_did_not_watch(scene: Scene) -> None:
    """Its wall time goes on, its monotonic clock does not: to that the cluster's clock has jumped."""
    scene.answer()
    await scene.at(5)
    scene.clock.jump(40 * 60)
    scene.answer()
    await scene.show(cronjob(last=slot(40), version=9))
    await scene.at(55)
    assert scene.rows() == [
        (10, "unknown", "Gap"),
        (40, "unknown", "GoneWhileAway"),
    ]


async def test_a_stop_is_a_gap_also_where_the_clock_is_at_fault_after_the_start(scene: Scene) -> None:
    await scene.at(5)
    await scene.close()
    await scene.clock.advance(40 * 60)
    scene.answer()
    scene.clock.jump(-86400)
    await scene.open()
    await scene.show(cronjob(last=slot(40), version=9))
    for _ in range(3):
        await scene.clock.advance(10)
        await scene.tracker.update()
    scene.clock.jump(86400)
    await scene.tracker.update()
    assert scene.rows() == [
        (10, "unknown", "Gap"),
        (40, "unknown", "GoneWhileAway"),
    ]


async def test_a_cut_while_the_clock_is_at_fault_is_a_gap(scene: Scene) -> None:
    scene.answer()
    scene.clock.jump(86400)
    await scene.clock.advance(30)
    await scene.tracker.update()
    scene.live = False
    for _ in range(40):
        await scene.clock.advance(60)
        await scene.tracker.update()
    scene.live = True
    await scene.show(cronjob(last=slot(40), version=9))
    await scene.tracker.update()
    scene.clock.jump(-86400)
    await scene.tracker.update()
    assert scene.rows() == [(10, "unknown", "Gap"), (40, "unknown", "GoneWhileAway")]


async def test_a_watch_recorded_by_a_clock_that_was_ahead_stops_no_judgement(scene: Scene) -> None:
    scene.clock.jump(400 * 86400)
    await scene.clock.advance(60)
    await scene.tracker.update()
    scene.clock.jump(-400 * 86400)
    await scene.close()
    await scene.open()
    await scene.show(cronjob())
    before = len(scene.rows())
    await scene.at(22.5)
    assert scene.rows()[:1] == [(10, "missed", "NotStarted")]
    assert len(scene.rows()) == before + 1
