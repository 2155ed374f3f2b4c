"""What the CronJob controller of Kubernetes 1.36 does, as a function of the CronJob, its Jobs and time."""

from datetime import UTC, datetime, timedelta

import msgspec

from kronkeep_common.errors import InvalidTimeZone, KronkeepError
from kronkeep_common.schedule import Schedule
from kronkeep_daemon.embedded.controllers.due_slots import (
    MANY_MISSED,
    ScheduleNeverFires,
    find_due_slot,
    seconds_until_next_slot,
)
from kronkeep_daemon.embedded.controllers.object_fields import (
    SCHEDULED_TIMESTAMP,
    PlannedEvent,
    controller_of,
    controller_reference,
    end_of_job,
    is_deleting,
    uid_of,
)
from kronkeep_daemon.kube.json_copy import copy_json
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.kube.timestamps import format_timestamp, parse_timestamp

_ALREADY_ACTIVE = "Not starting job because prior execution is running and concurrency policy is Forbid"
_TOO_MANY_MISSED = (
    "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
)
_HISTORY_LIMITS = (("Complete", "successfulJobsHistoryLimit"), ("Failed", "failedJobsHistoryLimit"))


class CronJobPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The next steps, in this order: delete Jobs, create one, write the status, record Events.

    A Job that was created enters the status by `add_active_job`. The CronJob is looked at again after
    `requeue` seconds.
    """

    delete: list[JsonObject]
    create: JsonObject | None
    status: JsonObject
    events: list[PlannedEvent]
    requeue: float | None = None


class _SlotDecision(msgspec.Struct, frozen=True, kw_only=True):
    """What is done about the slot that is due; without one there is nothing but the time to look again."""

    replace: list[JsonObject] = []
    create: JsonObject | None = None
    slot: datetime | None = None
    events: list[PlannedEvent] = []
    requeue: float | None = None


def plan_cronjob(cronjob: JsonObject, jobs: list[JsonObject], now: datetime) -> CronJobPlan:
    """Return the next steps for a CronJob; `jobs` are those that it controls."""
    old = cronjob.get("status") or {}
    surplus = _jobs_over_history_limits(cronjob, jobs)
    active, active_events = _update_active(old, jobs, {uid_of(job) for job in surplus})
    decision = _decide_slot(cronjob, jobs, active, now)
    replaced = {uid_of(job) for job in decision.replace}
    status = {key: value for key, value in old.items() if key != "active"}
    if still_active := [reference for reference in active if reference["uid"] not in replaced]:
        status = {"active": still_active, **status}
    if decision.slot is not None:
        status["lastScheduleTime"] = format_timestamp(decision.slot)
    if last_success := _last_successful_time(old, jobs):
        status["lastSuccessfulTime"] = last_success
    return CronJobPlan(
        delete=[*surplus, *decision.replace],
        create=decision.create,
        status=status,
        events=[*map(_deletion_event, surplus), *active_events, *decision.events],
        requeue=decision.requeue,
    )


def add_active_job(status: JsonObject, job: JsonObject | None) -> JsonObject:
    """Return the status with a Job that has just been created among the active ones."""
    if job is None:
        return status
    meta = job["metadata"]
    reference = {
        "kind": "Job",
        "namespace": meta["namespace"],
        "name": meta["name"],
        "uid": meta["uid"],
        "apiVersion": "batch/v1",
        "resourceVersion": meta["resourceVersion"],
    }
    others = [entry for entry in status.get("active") or [] if entry["uid"] != meta["uid"]]
    return {**status, "active": [*others, reference]}


def jobs_of(cronjob: JsonObject, jobs: list[JsonObject]) -> list[JsonObject]:
    """Return the Jobs whose controller has the CronJob's name; Kubernetes looks at nothing else."""
    meta = cronjob["metadata"]
    return [
        job
        for job in jobs
        if job["metadata"]["namespace"] == meta["namespace"]
        and (controller_of(job) or {}).get("name") == meta["name"]
    ]


def _deletion_event(job: JsonObject) -> PlannedEvent:
    return PlannedEvent("Normal", "SuccessfulDelete", f"Deleted job {job['metadata']['name']}")


def _jobs_over_history_limits(cronjob: JsonObject, jobs: list[JsonObject]) -> list[JsonObject]:
    """Return the ended Jobs past the history limits; those that started first are the first to go."""
    surplus: list[JsonObject] = []
    for kind, field in _HISTORY_LIMITS:
        limit = cronjob["spec"].get(field)
        ended = [job for job in jobs if end_of_job(job) == kind and not is_deleting(job)]
        if limit is not None and len(ended) > limit:
            surplus += sorted(ended, key=_start_order)[: len(ended) - limit]
    return surplus


def _start_order(job: JsonObject) -> tuple[str, str]:
    """Return a sort key: the start time, then the name; a Job without a start time comes last."""
    return (job.get("status") or {}).get("startTime") or "9", job["metadata"]["name"]


def _update_active(
    old: JsonObject, jobs: list[JsonObject], deleted: set[str]
) -> tuple[list[JsonObject], list[PlannedEvent]]:
    """Return the references to active Jobs, and Events about those that have ended or are missing.

    `old` is the status, `deleted` the uids of Jobs that are about to be deleted.
    """
    active = {entry["uid"]: entry for entry in old.get("active") or [] if entry["uid"] not in deleted}
    events: list[PlannedEvent] = []
    for job in jobs:
        uid = uid_of(job)
        name = job["metadata"]["name"]
        end = end_of_job(job)
        if uid not in active and not end and not is_deleting(job):
            message = f"Saw a job that the controller did not create or forgot: {name}"
            events.append(PlannedEvent("Warning", "UnexpectedJob", message))
        elif uid in active and end:
            del active[uid]
            message = f"Saw completed job: {name}, condition: {end}"
            events.append(PlannedEvent("Normal", "SawCompletedJob", message))
    present = {uid_of(job) for job in jobs}
    for uid, entry in active.items():
        if uid not in present:
            message = f"Active job went missing: {entry['name']}"
            events.append(PlannedEvent("Normal", "MissingJob", message))
    return [entry for uid, entry in active.items() if uid in present], events


def _last_successful_time(old: JsonObject, jobs: list[JsonObject]) -> str | None:
    ends = [job["status"].get("completionTime") for job in jobs if end_of_job(job) == "Complete"]
    return max((end for end in [*ends, old.get("lastSuccessfulTime")] if end), default=None)


def _decide_slot(
    cronjob: JsonObject, jobs: list[JsonObject], active: list[JsonObject], now: datetime
) -> _SlotDecision:
    """Return what the schedule asks for now, and when to look again."""
    spec = cronjob["spec"]
    if is_deleting(cronjob) or spec.get("suspend"):
        return _SlotDecision()
    try:
        schedule = Schedule.parse(spec["schedule"], spec.get("timeZone"))
    except KronkeepError as fault:
        return _SlotDecision(events=[_unreadable_schedule_event(spec, fault)])
    last = _last_schedule_time(cronjob)
    try:
        due = find_due_slot(schedule, _earliest_start(spec, last, now), now)
    except ScheduleNeverFires as fault:
        message = f"invalid schedule: {spec['schedule']} : {fault}"
        return _SlotDecision(events=[PlannedEvent("Warning", "InvalidSchedule", message)])
    warnings: list[PlannedEvent] = []
    if due.slot is not None and due.missed > MANY_MISSED:
        warnings.append(PlannedEvent("Warning", "TooManyMissedTimes", _TOO_MANY_MISSED))
    decision = _SlotDecision() if due.slot is None else _decide_due_slot(cronjob, jobs, active, due.slot, now)
    requeue = seconds_until_next_slot(schedule, decision.slot or last, now)
    return msgspec.structs.replace(decision, events=[*warnings, *decision.events], requeue=requeue)


def _unreadable_schedule_event(spec: JsonObject, fault: KronkeepError) -> PlannedEvent:
    if isinstance(fault, InvalidTimeZone):
        message = f'invalid timeZone: "{spec.get("timeZone")}": {fault}'
        return PlannedEvent("Warning", "UnknownTimeZone", message)
    message = f'unparseable schedule: "{spec["schedule"]}" : {fault}'
    return PlannedEvent("Warning", "UnparseableSchedule", message)


def _last_schedule_time(cronjob: JsonObject) -> datetime:
    """Return the last slot that was started, or the time at which the CronJob was created."""
    last = (cronjob.get("status") or {}).get("lastScheduleTime")
    moment = parse_timestamp(last or cronjob["metadata"]["creationTimestamp"])
    assert moment is not None
    return moment


def _earliest_start(spec: JsonObject, last: datetime, now: datetime) -> datetime:
    """Return the time after which slots count: the last one, or what startingDeadlineSeconds allows."""
    deadline = spec.get("startingDeadlineSeconds")
    return last if deadline is None else max(last, now - timedelta(seconds=deadline))


def _decide_due_slot(
    cronjob: JsonObject, jobs: list[JsonObject], active: list[JsonObject], slot: datetime, now: datetime
) -> _SlotDecision:
    """Return what is done about a slot that is due, by its deadline and the concurrency policy."""
    name = _job_name(cronjob, slot)
    if name in [entry["name"] for entry in active]:
        return _SlotDecision()
    deadline = cronjob["spec"].get("startingDeadlineSeconds")
    if deadline is not None and slot + timedelta(seconds=deadline) < now:
        time = slot.astimezone(UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")
        message = f"Missed scheduled time to start a job: {time}"
        return _SlotDecision(events=[PlannedEvent("Warning", "MissSchedule", message)])
    policy = cronjob["spec"].get("concurrencyPolicy", "Allow")
    if policy == "Forbid" and active:
        return _SlotDecision(events=[PlannedEvent("Normal", "JobAlreadyActive", _ALREADY_ACTIVE)])
    running = {entry["uid"] for entry in active} if policy == "Replace" else set()
    replaced = [job for job in jobs if uid_of(job) in running]
    created = PlannedEvent("Normal", "SuccessfulCreate", f"Created job {name}")
    return _SlotDecision(
        replace=replaced,
        create=_build_job(cronjob, slot),
        slot=slot,
        events=[*map(_deletion_event, replaced), created],
    )


def _job_name(cronjob: JsonObject, slot: datetime) -> str:
    """Return the name of a slot's Job: the CronJob's name and the slot in minutes since 1970."""
    return f"{cronjob['metadata']['name']}-{int(slot.timestamp()) // 60}"


def _build_job(cronjob: JsonObject, slot: datetime) -> JsonObject:
    """Return the Job of a slot; an annotation holds the slot in the CronJob's time zone."""
    template = copy_json(cronjob["spec"]["jobTemplate"])
    template_meta = template.get("metadata") or {}
    annotations = template_meta.get("annotations") or {}
    meta: JsonObject = {
        "name": _job_name(cronjob, slot),
        "namespace": cronjob["metadata"]["namespace"],
        "annotations": {**annotations, SCHEDULED_TIMESTAMP: _format_slot(cronjob, slot)},
        "ownerReferences": [controller_reference("CronJob", cronjob)],
    }
    if template_meta.get("labels"):
        meta["labels"] = template_meta["labels"]
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": template["spec"]}


def _format_slot(cronjob: JsonObject, slot: datetime) -> str:
    """Return the slot with the offset of spec.timeZone, which tells the two runs of a repeated hour apart."""
    zone = cronjob["spec"].get("timeZone")
    if not zone:
        return format_timestamp(slot)
    schedule = Schedule.parse(cronjob["spec"]["schedule"], zone)
    text = slot.astimezone(schedule.zone_info).isoformat(timespec="seconds")
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text
