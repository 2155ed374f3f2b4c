"""The rules of the CronJob controller of Kubernetes 1.36, one by one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kronkeep_daemon.embedded.controllers.cronjob_plan import CronJobPlan, jobs_of, plan_cronjob
from kronkeep_daemon.kube.objects import JsonObject

NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def cronjob(schedule: str = "0 12 * * *", last: str | None = None, **spec: Any) -> JsonObject:
    template: JsonObject = {"metadata": {}, "spec": {"template": {"spec": {}}}}
    return {
        "metadata": {
            "name": "c",
            "namespace": "n",
            "uid": "u",
            "creationTimestamp": "2026-03-01T00:00:30Z",
        },
        "spec": {"schedule": schedule, "jobTemplate": template, "concurrencyPolicy": "Allow", **spec},
        "status": {"lastScheduleTime": last} if last else {},
    }


def reasons(plan: CronJobPlan) -> list[str]:
    return [event.reason for event in plan.events]


def created_job(plan: CronJobPlan) -> str | None:
    return None if plan.create is None else str(plan.create["metadata"]["name"])


def job_name(slot: datetime) -> str:
    return f"c-{int(slot.timestamp()) // 60}"


def test_only_the_newest_missed_slot_is_started_however_late() -> None:
    plan = plan_cronjob(cronjob("* * * * *"), [], NOON)
    assert created_job(plan) == job_name(NOON)
    assert "TooManyMissedTimes" in reasons(plan)
    late = plan_cronjob(cronjob(), [], NOON + timedelta(hours=11))
    assert created_job(late) == job_name(NOON)


@pytest.mark.parametrize(("seconds", "late", "starts"), [(60, 59, True), (60, 61, False), (0, 1, False)])
def test_a_starting_deadline_ends_a_slot(seconds: int, late: int, starts: bool) -> None:
    now = NOON + timedelta(seconds=late)
    plan = plan_cronjob(cronjob(startingDeadlineSeconds=seconds), [], now)
    assert (created_job(plan) is not None) == starts


def test_a_suspended_cronjob_starts_nothing_and_catches_up_once_resumed() -> None:
    assert created_job(plan_cronjob(cronjob(suspend=True), [], NOON)) is None
    assert created_job(plan_cronjob(cronjob(suspend=False), [], NOON + timedelta(minutes=5))) == job_name(
        NOON
    )


def test_a_slot_that_was_started_is_not_started_again() -> None:
    plan = plan_cronjob(cronjob(last="2026-03-01T12:00:00Z"), [], NOON + timedelta(minutes=5))
    assert created_job(plan) is None
    assert plan.requeue == pytest.approx(23 * 3600 + 55 * 60, abs=1)


def test_a_repeated_hour_runs_twice_with_different_offsets() -> None:
    stamps = []
    for hour in (0, 1):
        now = datetime(2026, 10, 25, hour, 30, 1, tzinfo=UTC)
        last = f"2026-10-{24 if hour == 0 else 25}T0{0 if hour else 1}:30:00Z"
        plan = plan_cronjob(cronjob("30 2 * * *", last, timeZone="Europe/Berlin"), [], now)
        assert plan.create is not None
        stamps.append(
            plan.create["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"]
        )
    assert stamps == ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"]


@pytest.mark.parametrize("schedule", ["0 0 30 2 *", ","])
def test_a_schedule_that_never_fires_is_reported_once_and_not_looked_at_again(schedule: str) -> None:
    plan = plan_cronjob(cronjob(f"{schedule} * * * *" if schedule == "," else schedule), [], NOON)
    assert (created_job(plan), reasons(plan), plan.requeue) == (None, ["InvalidSchedule"], None)


def job(slot: datetime, **more: Any) -> JsonObject:
    meta = {
        "name": job_name(slot),
        "namespace": "n",
        "uid": job_name(slot),
        "creationTimestamp": "2026-03-01T11:00:00Z",
    }
    owner = {"kind": "CronJob", "name": "c", "uid": "u", "controller": True}
    return {"metadata": {**meta, "ownerReferences": [owner]}, "spec": {}, "status": {}, **more}


@pytest.mark.parametrize(
    ("policy", "starts", "deleted"), [("Allow", True, 0), ("Forbid", False, 0), ("Replace", True, 1)]
)
def test_the_concurrency_policy_decides_beside_a_running_job(policy: str, starts: bool, deleted: int) -> None:
    running = job(NOON - timedelta(hours=1))
    hourly = cronjob("0 * * * *", "2026-03-01T11:00:00Z", concurrencyPolicy=policy)
    hourly["status"]["active"] = [{"name": running["metadata"]["name"], "uid": running["metadata"]["uid"]}]
    plan = plan_cronjob(hourly, [running], NOON)
    assert (created_job(plan) is not None, len(plan.delete)) == (starts, deleted)
    assert ("JobAlreadyActive" in reasons(plan)) == (policy == "Forbid")


def ended_job(slot: datetime, kind: str) -> JsonObject:
    condition = {"type": kind, "status": "True"}
    return job(slot, status={"startTime": slot.isoformat(), "conditions": [condition]})


@pytest.mark.parametrize(("kind", "field"), [("Complete", "successful"), ("Failed", "failed")])
@pytest.mark.parametrize("limit", [0, 1, 2])
def test_history_limits_keep_the_newest(kind: str, field: str, limit: int) -> None:
    jobs = [ended_job(NOON - timedelta(hours=hours), kind) for hours in (1, 2, 3)]
    limited = cronjob("0 0 29 2 *")
    limited["spec"][f"{field}JobsHistoryLimit"] = limit
    plan = plan_cronjob(limited, jobs, NOON)
    kept = {j["metadata"]["name"] for j in jobs} - {j["metadata"]["name"] for j in plan.delete}
    assert kept == {j["metadata"]["name"] for j in jobs[:limit]}


def test_a_job_belongs_to_the_cronjob_that_its_controller_is_named_after() -> None:
    mine = job(NOON)
    foreign = job(NOON)
    foreign["metadata"]["ownerReferences"] = [
        {"kind": "ConfigMap", "name": "c", "uid": "x", "controller": True}
    ]
    not_controlled = job(NOON)
    not_controlled["metadata"]["ownerReferences"] = [{"kind": "CronJob", "name": "c", "uid": "u"}]
    assert jobs_of(cronjob(), [mine, foreign, not_controlled]) == [mine, foreign]
