"""What the CronJob controller does, as a function of the CronJob, its Jobs and the time (as in 1.36)."""

import copy
from datetime import datetime, timedelta
from typing import Any

import msgspec

from kronkeep_common.errors import KronkeepError
from kronkeep_common.schedule import Schedule
from kronkeep_daemon.embedded.controllers.objects import SCHEDULED, controller_of, finished, moment, stamp

Object = dict[str, Any]
_SKEW = 0.1  # seconds that the real controller waits past the slot


class Plan(msgspec.Struct):
    """What to do: delete Jobs, create one, write the status, tell, look again after `requeue` seconds."""

    delete: list[Object]
    replace: list[Object]
    create: Object | None
    status: Object
    events: list[tuple[str, str, str]]
    requeue: float | None = None


def plan(cronjob: Object, jobs: list[Object], now: datetime) -> Plan:
    """The next steps for the CronJob, whose Jobs are those that it controls."""
    result = Plan([], [], None, copy.deepcopy(cronjob.get("status") or {}), [])
    _clean_up(cronjob, jobs, result)
    _track(jobs, result)
    if not cronjob["metadata"].get("deletionTimestamp") and not cronjob["spec"].get("suspend"):
        _start(cronjob, jobs, now, result)
    if not result.status.get("active"):
        result.status.pop("active", None)
    return result


def _clean_up(cronjob: Object, jobs: list[Object], result: Plan) -> None:
    """Deletes finished Jobs past the history limits, oldest by start first."""
    for kind, field in (("Complete", "successfulJobsHistoryLimit"), ("Failed", "failedJobsHistoryLimit")):
        limit = cronjob["spec"].get(field)
        ended = sorted((job for job in jobs if finished(job) == kind), key=_started)
        for job in ended[: len(ended) - limit] if limit is not None and len(ended) > limit else []:
            result.delete.append(job)
            result.events.append(("Normal", "SuccessfulDelete", f"Deleted job {job['metadata']['name']}"))


def _started(job: Object) -> tuple[str, str]:
    return (job.get("status") or {}).get("startTime") or "9", job["metadata"]["name"]


def _track(jobs: list[Object], result: Plan) -> None:
    """Keeps `active` and `lastSuccessfulTime` true."""
    active = {ref["uid"]: ref for ref in result.status.get("active") or []}
    gone = {job["metadata"]["uid"] for job in result.delete}
    present = {job["metadata"]["uid"] for job in jobs} - gone
    for job in jobs:
        uid, name, end = job["metadata"]["uid"], job["metadata"]["name"], finished(job)
        if uid in active and end:
            del active[uid]
            result.events.append(
                ("Normal", "SawCompletedJob", f"Saw completed job: {name}, condition: {end}")
            )
        elif uid not in active and not end:
            words = f"Saw a job that the controller did not create or forgot: {name}"
            result.events.append(("Warning", "UnexpectedJob", words))
        if end == "Complete":
            _succeeded(job, result.status)
    for uid in [uid for uid in active if uid not in present]:
        name = active.pop(uid)["name"]
        result.events.append(("Normal", "MissingJob", f"Active job went missing: {name}"))
    result.status["active"] = list(active.values())


def _succeeded(job: Object, status: Object) -> None:
    at = (job.get("status") or {}).get("completionTime")
    if at and at > status.get("lastSuccessfulTime", ""):
        status["lastSuccessfulTime"] = at


def _start(cronjob: Object, jobs: list[Object], now: datetime, result: Plan) -> None:
    spec = cronjob["spec"]
    try:
        schedule = Schedule.parse(spec["schedule"], spec.get("timeZone"))
    except KronkeepError as fault:
        result.events.append(("Warning", "UnparseableSchedule", f"unparseable schedule: {fault}"))
        return
    slot, upcoming = most_recent(cronjob, schedule, now)
    if upcoming is not None:
        result.requeue = max(0.0, (upcoming - now).total_seconds()) + _SKEW
    if slot is None:
        return
    deadline = spec.get("startingDeadlineSeconds")
    if deadline is not None and slot + timedelta(seconds=deadline) < now:
        words = f"Missed scheduled time to start a job: {slot.strftime('%a, %d %b %Y %H:%M:%S +0000')}"
        result.events.append(("Warning", "MissSchedule", words))
        return
    _run(cronjob, jobs, slot, result)


def most_recent(
    cronjob: Object, schedule: Schedule, now: datetime
) -> tuple[datetime | None, datetime | None]:
    """The newest slot that is due and not started, and the next one after now.

    The search begins at lastScheduleTime or the creation, raised to now - startingDeadlineSeconds.
    """
    earliest = moment((cronjob.get("status") or {}).get("lastScheduleTime"))
    earliest = earliest or moment(cronjob["metadata"]["creationTimestamp"]) or now
    deadline = cronjob["spec"].get("startingDeadlineSeconds")
    if deadline is not None:
        earliest = max(earliest, now - timedelta(seconds=deadline))
    upcoming = schedule.next(now)
    if schedule.every is not None:
        first = schedule.next(earliest)
        return _last_every(first, now, schedule.every)
    slot = schedule.previous(now + timedelta(seconds=1))
    return (slot if slot is not None and slot > earliest else None), upcoming


def _last_every(
    first: datetime | None, now: datetime, delay: timedelta
) -> tuple[datetime | None, datetime | None]:
    if first is None or first > now:
        return None, first
    slot = first + delay * ((now - first) // delay)
    return slot, slot + delay


def _run(cronjob: Object, jobs: list[Object], slot: datetime, result: Plan) -> None:
    active = result.status["active"]
    policy = cronjob["spec"].get("concurrencyPolicy", "Allow")
    if policy == "Forbid" and active:
        words = "Not starting job because prior execution is running and concurrency policy is Forbid"
        result.events.append(("Normal", "JobAlreadyActive", words))
        return
    if policy == "Replace":
        running = {ref["uid"] for ref in active}
        for job in jobs:
            if job["metadata"]["uid"] in running:
                result.replace.append(job)
                result.events.append(("Normal", "SuccessfulDelete", f"Deleted job {job['metadata']['name']}"))
        result.status["active"] = []
    result.create = job_for(cronjob, slot)
    result.events.append(("Normal", "SuccessfulCreate", f"Created job {result.create['metadata']['name']}"))
    result.status["lastScheduleTime"] = stamp(slot)


def job_for(cronjob: Object, slot: datetime) -> Object:
    """The Job of a slot: its name holds the slot's minute, its annotation the slot in the CronJob's zone."""
    meta, template = cronjob["metadata"], copy.deepcopy(cronjob["spec"]["jobTemplate"])
    owner = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    job_meta: Object = {
        "name": f"{meta['name']}-{int(slot.timestamp()) // 60}",
        "namespace": meta["namespace"],
        "annotations": {**(template["metadata"].get("annotations") or {}), SCHEDULED: _local(cronjob, slot)},
        "ownerReferences": [owner],
    }
    if template["metadata"].get("labels"):
        job_meta["labels"] = template["metadata"]["labels"]
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": job_meta, "spec": template["spec"]}


def _local(cronjob: Object, slot: datetime) -> str:
    from kronkeep_common.schedule.zone import load

    zone = cronjob["spec"].get("timeZone")
    if not zone:
        return stamp(slot)
    text = slot.astimezone(load(zone).tzinfo).isoformat(timespec="seconds")
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text


def controlled(cronjob: Object, jobs: list[Object]) -> list[Object]:
    """The Jobs whose controlling owner has the CronJob's name (Kubernetes looks at nothing else)."""
    meta = cronjob["metadata"]
    return [
        job
        for job in jobs
        if job["metadata"]["namespace"] == meta["namespace"]
        and (controller_of(job) or {}).get("name") == meta["name"]
    ]
