"""Resuming a CronJob without starting the slot that it missed while it was suspended.

As soon as a CronJob is resumed, and at any later change of it, Kubernetes starts the newest slot that was
missed, unless startingDeadlineSeconds forbids that. So a resume lowers that deadline below the age of the
missed slot and notes the old value in an annotation. Once a later slot has been started, or the CronJob is
suspended again, no old slot can start any more, and the old deadline is restored.

All functions but `restore_deadline` are pure.
"""

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime

from kronkeep_common import object_keys
from kronkeep_common.errors import KronkeepError
from kronkeep_common.schedule import Schedule
from kronkeep_daemon.kube.objects import CronJobObject, JsonObject
from kronkeep_daemon.kube.timestamps import parse_timestamp

log = logging.getLogger(__name__)
SHORTEST_DEADLINE = 12.0  # seconds; below 10 the CronJob controller may not start even later slots in time
_SAFE_DIGITS = 18  # of this many digits every number fits into an int64


def find_missed_slot(cronjob: CronJobObject, schedule: Schedule | None, now: datetime) -> datetime | None:
    """Return the slot that Kubernetes would start at once on a resume; None where there is none."""
    if schedule is None or not cronjob.spec.suspend:
        return None
    slot = schedule.previous(now)
    since = cronjob.last_scheduled_at or cronjob.created_at  # as mostRecentScheduleTime has it
    return slot if slot is not None and (since is None or slot > since) else None


def seconds_to_wait(slot: datetime, now: datetime) -> float:
    """Return how long to wait before a resume: a younger slot would need too short a deadline."""
    return max(0.0, SHORTEST_DEADLINE - (now - slot).total_seconds())


def resume_patch(cronjob: CronJobObject, slot: datetime | None, now: datetime) -> JsonObject:
    """Return the merge patch that resumes; `slot` is the missed slot."""
    spec: JsonObject = {"suspend": False}
    if slot is None:
        return {"spec": spec}
    age = int((now - slot).total_seconds())
    deadline = cronjob.spec.starting_deadline_seconds
    if deadline is not None and deadline < age:
        return {"spec": spec}
    spec["startingDeadlineSeconds"] = max(0, age - 1)
    note = f"{'none' if deadline is None else deadline} {slot:%Y-%m-%dT%H:%M:%SZ}"
    return {"metadata": {"annotations": {object_keys.STARTING_DEADLINE: note}}, "spec": spec}


def deadline_patch(cronjob: CronJobObject) -> JsonObject | None:
    """Return the merge patch that restores the deadline; None without a note, or while the slot could start.

    A note that cannot be read is removed, with the deadline.
    """
    note = cronjob.annotations.get(object_keys.STARTING_DEADLINE)
    if note is None:
        return None
    deadline, _, slot_text = note.partition(" ")
    slot = parse_timestamp(slot_text)
    last = cronjob.last_scheduled_at
    if not cronjob.spec.suspend and slot is not None and (last is None or last <= slot):
        return None
    seconds = int(deadline) if deadline.isdecimal() and len(deadline) <= _SAFE_DIGITS else None
    return {
        "metadata": {"annotations": {object_keys.STARTING_DEADLINE: None}},
        "spec": {"startingDeadlineSeconds": seconds},
    }


async def restore_deadline(cronjob: CronJobObject, patch: Callable[[JsonObject], Awaitable[object]]) -> None:
    """Restore the deadline where that is due; a failure is logged, and tried again at the next change."""
    body = deadline_patch(cronjob)
    if body is None:
        return
    try:
        await patch(body)
    except KronkeepError as fault:
        log.warning("startingDeadlineSeconds of %s could not be restored: %s", cronjob.name, fault)
