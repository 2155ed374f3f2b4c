"""What the CronJob controller does, as a function of the CronJob, its Jobs and the time (as in 1.36)."""

import copy
from datetime import UTC, datetime, timedelta

import msgspec

from kronkeep_common.errors import InvalidTimeZone, KronkeepError
from kronkeep_common.schedule import Schedule
from kronkeep_daemon.embedded.controllers import due_slots
from kronkeep_daemon.embedded.controllers.object_fields import (
    SCHEDULED,
    controller_of,
    finished,
    moment,
    stamp,
)
from kronkeep_daemon.kube.objects import JsonObject

Event = tuple[str, str, str]
_ACTIVE = "Not starting job because prior execution is running and concurrency policy is Forbid"
_TOO_MANY = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to do, in this order: delete Jobs, create one, write the status, tell; and to look again after
    `requeue` seconds. A Job that is created enters the status by `with_active`."""

    delete: list[JsonObject]
    create: JsonObject | None
    status: JsonObject
    events: list[Event]
    requeue: float | None = None


class _Start(msgspec.Struct, frozen=True, kw_only=True):
    """What the schedule asks for."""

    replace: list[JsonObject] = []
    create: JsonObject | None = None
    slot: datetime | None = None
    events: list[Event] = []
    requeue: float | None = None


def plan(cronjob: JsonObject, jobs: list[JsonObject], now: datetime) -> Plan:
    """The next steps for the CronJob, whose Jobs are those that it controls."""
    old = cronjob.get("status") or {}
    surplus = _surplus(cronjob, jobs)
    gone = {job["metadata"]["uid"] for job in surplus}
    active, events = _active(old, jobs, gone)
    start = _start(cronjob, jobs, active, now)
    replaced = {job["metadata"]["uid"] for job in start.replace}
    status = {key: value for key, value in old.items() if key != "active"}
    if left := [ref for ref in active if ref["uid"] not in replaced]:
        status = {"active": left, **status}
    if start.slot is not None:
        status["lastScheduleTime"] = stamp(start.slot)
    if success := _last_success(old, jobs):
        status["lastSuccessfulTime"] = success
    deleted = [*surplus, *start.replace]
    told = [("Normal", "SuccessfulDelete", f"Deleted job {job['metadata']['name']}") for job in surplus]
    return Plan(
        delete=deleted,
        create=start.create,
        status=status,
        events=[*told, *events, *start.events],
        requeue=start.requeue,
    )


def with_active(status: JsonObject, job: JsonObject | None) -> JsonObject:
    """The status with a Job that has just been created among the active ones."""
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
    others = [ref for ref in status.get("active") or [] if ref["uid"] != meta["uid"]]
    return {**status, "active": [*others, reference]}


def _surplus(cronjob: JsonObject, jobs: list[JsonObject]) -> list[JsonObject]:
    """The finished Jobs past the history limits, oldest by start first."""
    found: list[JsonObject] = []
    for kind, field in (("Complete", "successfulJobsHistoryLimit"), ("Failed", "failedJobsHistoryLimit")):
        limit = cronjob["spec"].get(field)
        ended = sorted((job for job in jobs if finished(job) == kind and not _going(job)), key=_started)
        if limit is not None and len(ended) > limit:
            found += ended[: len(ended) - limit]
    return found


def _going(job: JsonObject) -> bool:
    return bool(job["metadata"].get("deletionTimestamp"))


def _started(job: JsonObject) -> tuple[str, str]:
    return (job.get("status") or {}).get("startTime") or "9", job["metadata"]["name"]


def _active(old: JsonObject, jobs: list[JsonObject], gone: set[str]) -> tuple[list[JsonObject], list[Event]]:
    """The references to Jobs that run, without those in `gone`; and what is told of the others."""
    active = {ref["uid"]: ref for ref in old.get("active") or [] if ref["uid"] not in gone}
    events: list[Event] = []
    for job in jobs:
        uid = job["metadata"]["uid"]
        name = job["metadata"]["name"]
        end = finished(job)
        if uid not in active and not end and not _going(job):
            words = f"Saw a job that the controller did not create or forgot: {name}"
            events.append(("Warning", "UnexpectedJob", words))
        elif uid in active and end:
            del active[uid]
            words = f"Saw completed job: {name}, condition: {end}"
            events.append(("Normal", "SawCompletedJob", words))
    present = {job["metadata"]["uid"] for job in jobs}
    for missing in [ref for uid, ref in active.items() if uid not in present]:
        events.append(("Normal", "MissingJob", f"Active job went missing: {missing['name']}"))
    return [ref for uid, ref in active.items() if uid in present], events


def _last_success(old: JsonObject, jobs: list[JsonObject]) -> str | None:
    ends = [job["status"].get("completionTime") for job in jobs if finished(job) == "Complete"]
    return max((end for end in [*ends, old.get("lastSuccessfulTime")] if end), default=None)


def _start(cronjob: JsonObject, jobs: list[JsonObject], active: list[JsonObject], now: datetime) -> _Start:
    """What the schedule asks for now, and when to look again."""
    spec = cronjob["spec"]
    if _going(cronjob) or spec.get("suspend"):
        return _Start()
    try:
        schedule = Schedule.parse(spec["schedule"], spec.get("timeZone"))
    except KronkeepError as fault:
        return _Start(events=[_unreadable(spec, fault)])
    since = _since(cronjob)
    try:
        found = due_slots.due(schedule, _raised(spec, since, now), now)
    except due_slots.NeverFires as fault:
        words = f"invalid schedule: {spec['schedule']} : {fault}"
        return _Start(events=[("Warning", "InvalidSchedule", words)])
    warnings: list[Event] = []
    if found.slot is not None and found.missed > due_slots.MANY:
        warnings.append(("Warning", "TooManyMissedTimes", _TOO_MANY))
    start = _at(cronjob, jobs, active, found.slot, now)
    requeue = due_slots.pause(schedule, start.slot or since, now)
    return msgspec.structs.replace(start, events=[*warnings, *start.events], requeue=requeue)


def _unreadable(spec: JsonObject, fault: KronkeepError) -> Event:
    if isinstance(fault, InvalidTimeZone):
        return "Warning", "UnknownTimeZone", f'invalid timeZone: "{spec.get("timeZone")}": {fault}'
    return "Warning", "UnparseableSchedule", f'unparseable schedule: "{spec["schedule"]}" : {fault}'


def _since(cronjob: JsonObject) -> datetime:
    last = (cronjob.get("status") or {}).get("lastScheduleTime")
    found = moment(last or cronjob["metadata"]["creationTimestamp"])
    assert found is not None
    return found


def _raised(spec: JsonObject, since: datetime, now: datetime) -> datetime:
    """The start of the search, no earlier than what startingDeadlineSeconds still allows."""
    deadline = spec.get("startingDeadlineSeconds")
    return since if deadline is None else max(since, now - timedelta(seconds=deadline))


def _at(
    cronjob: JsonObject,
    jobs: list[JsonObject],
    active: list[JsonObject],
    slot: datetime | None,
    now: datetime,
) -> _Start:
    """What is done about a slot that is due."""
    if slot is None or _name(cronjob, slot) in [ref["name"] for ref in active]:
        return _Start()
    deadline = cronjob["spec"].get("startingDeadlineSeconds")
    if deadline is not None and slot + timedelta(seconds=deadline) < now:
        at = slot.astimezone(UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")
        words = f"Missed scheduled time to start a job: {at}"
        return _Start(events=[("Warning", "MissSchedule", words)])
    policy = cronjob["spec"].get("concurrencyPolicy", "Allow")
    if policy == "Forbid" and active:
        return _Start(events=[("Normal", "JobAlreadyActive", _ACTIVE)])
    running = {ref["uid"] for ref in active} if policy == "Replace" else set()
    replaced = [job for job in jobs if job["metadata"]["uid"] in running]
    names = [job["metadata"]["name"] for job in replaced]
    events = [("Normal", "SuccessfulDelete", f"Deleted job {name}") for name in names]
    events.append(("Normal", "SuccessfulCreate", f"Created job {_name(cronjob, slot)}"))
    return _Start(replace=replaced, create=job_for(cronjob, slot), slot=slot, events=events)


def _name(cronjob: JsonObject, slot: datetime) -> str:
    return f"{cronjob['metadata']['name']}-{int(slot.timestamp()) // 60}"


def job_for(cronjob: JsonObject, slot: datetime) -> JsonObject:
    """The Job of a slot: its name holds the slot's minute, its annotation the slot in the CronJob's zone."""
    meta = cronjob["metadata"]
    template = copy.deepcopy(cronjob["spec"]["jobTemplate"])
    owner = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    copied = template.get("metadata") or {}
    job_meta: JsonObject = {
        "name": _name(cronjob, slot),
        "namespace": meta["namespace"],
        "annotations": {**(copied.get("annotations") or {}), SCHEDULED: _local(cronjob, slot)},
        "ownerReferences": [owner],
    }
    if copied.get("labels"):
        job_meta["labels"] = copied["labels"]
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": job_meta, "spec": template["spec"]}


def _local(cronjob: JsonObject, slot: datetime) -> str:
    """The slot with the offset of spec.timeZone, which tells the two runs of a repeated hour apart."""
    zone = cronjob["spec"].get("timeZone")
    if not zone:
        return stamp(slot)
    schedule = Schedule.parse(cronjob["spec"]["schedule"], zone)
    text = slot.astimezone(schedule.zone_info).isoformat(timespec="seconds")
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text


def controlled(cronjob: JsonObject, jobs: list[JsonObject]) -> list[JsonObject]:
    """The Jobs whose controlling owner has the CronJob's name (Kubernetes looks at nothing else)."""
    meta = cronjob["metadata"]
    return [
        job
        for job in jobs
        if job["metadata"]["namespace"] == meta["namespace"]
        and (controller_of(job) or {}).get("name") == meta["name"]
    ]
