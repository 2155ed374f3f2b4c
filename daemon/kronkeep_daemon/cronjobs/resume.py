"""Resuming a CronJob without starting what it missed; pure but for the task that gives the spec back.

Kubernetes starts the newest slot missed meanwhile as soon as a CronJob is resumed, and later at any change of
it, unless startingDeadlineSeconds forbids that. So the deadline is lowered below the slot's age, and what it
was is noted in an annotation; once a later slot has been started, or the CronJob is suspended again, no old
slot can start any more, and the deadline is given back.
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
LEAST = 12.0  # seconds: below ten the controller may not start even the slots that come


def missed_slot(cronjob: CronJobObject, schedule: Schedule | None, now: datetime) -> datetime | None:
    """The slot that Kubernetes would start at once."""
    if schedule is None or not cronjob.spec.suspend:
        return None
    slot = schedule.previous(now)
    last = cronjob.last_scheduled_at
    born = cronjob.created_at
    since = max((at for at in (last, born) if at is not None), default=None)
    return slot if slot is not None and (since is None or slot > since) else None


def seconds_to_wait(slot: datetime, now: datetime) -> float:
    """How many seconds to wait before a resume: a slot this young needs a deadline that is too short."""
    return max(0.0, LEAST - (now - slot).total_seconds())


def resume_patch(cronjob: CronJobObject, slot: datetime | None, now: datetime) -> JsonObject:
    """The merge patch that resumes."""
    spec: JsonObject = {"suspend": False}
    if slot is None:
        return {"spec": spec}
    age = int((now - slot).total_seconds())
    deadline = cronjob.spec.starting_deadline_seconds
    if deadline is not None and deadline < age:
        return {"spec": spec}
    spec["startingDeadlineSeconds"] = max(0, age - 1)
    noted = f"{'none' if deadline is None else deadline} {slot:%Y-%m-%dT%H:%M:%SZ}"
    return {"metadata": {"annotations": {object_keys.STARTING_DEADLINE: noted}}, "spec": spec}


def deadline_patch(cronjob: CronJobObject) -> JsonObject | None:
    """The merge patch that gives the deadline back; None while an old slot could still start."""
    noted = cronjob.annotations.get(object_keys.STARTING_DEADLINE)
    if noted is None:
        return None
    deadline, _, text = noted.partition(" ")
    try:
        slot = parse_timestamp(text)
    except ValueError:
        slot = None
    last = cronjob.last_scheduled_at
    if not cronjob.spec.suspend and slot is not None and (last is None or last <= slot):
        return None
    seconds = int(deadline) if deadline.isdecimal() and len(deadline) < 19 else None  # an int64's digits
    return {
        "metadata": {"annotations": {object_keys.STARTING_DEADLINE: None}},
        "spec": {"startingDeadlineSeconds": seconds},
    }


async def restore_deadline(cronjob: CronJobObject, patch: Callable[[JsonObject], Awaitable[object]]) -> None:
    """Gives the deadline of one CronJob back, when it is time; a fault is tried again at its next change."""
    found = deadline_patch(cronjob)
    if found is None:
        return
    try:
        await patch(found)
    except KronkeepError as fault:
        log.warning("startingDeadlineSeconds of %s: %s", cronjob.name, fault)
