"""The slot of a schedule that is due, with the approximations of Kubernetes 1.36 (mostRecentScheduleTime).

Upstream estimates the number of missed slots from the distance of the first two, and looks for the newest
slot only within the last two such distances. Where slots are uneven (`0,5 0 * * *`) it can miss one; so do
we.
"""

from datetime import datetime, timedelta

import msgspec

from kronkeep_common.schedule import Schedule

MANY_MISSED = 100  # missed slots above which upstream warns
NEXT_SLOT_DELAY = timedelta(seconds=0.1)  # upstream looks this long after a slot


class ScheduleNeverFires(Exception):
    """The schedule has no two slots that are a second apart, such as `0 0 30 2 *`; the text is upstream's."""


class DueSlot(msgspec.Struct, frozen=True, kw_only=True):
    """The newest slot that is due (None: none is), and about how many were missed."""

    slot: datetime | None
    missed: int


def find_due_slot(schedule: Schedule, earliest: datetime, now: datetime) -> DueSlot:
    """Return the newest slot after `earliest` and not after `now`; raises ScheduleNeverFires."""
    first = schedule.next(earliest)
    if first is not None and now < first:
        return DueSlot(slot=None, missed=0)
    second = schedule.next(first) if first is not None else None
    if first is None or second is None or second - first < timedelta(seconds=1):
        raise ScheduleNeverFires("time difference between two schedules is less than 1 second")
    if now < second:
        return DueSlot(slot=first, missed=0)
    distance = timedelta(seconds=round((second - first).total_seconds()))
    missed = (now - first) // distance + 1
    newest = None
    slot = schedule.next(first + (missed - 2) * distance)
    while slot is not None and slot <= now:
        newest = slot
        slot = schedule.next(slot)
    return DueSlot(slot=newest, missed=missed)


def seconds_until_next_slot(schedule: Schedule, earliest: datetime, now: datetime) -> float | None:
    """Return the seconds until the slot that follows what is due now; None where there is none."""
    try:
        due = find_due_slot(schedule, earliest, now)
        last = due.slot or (now if due.missed else earliest)
    except ScheduleNeverFires:
        last = now
    upcoming = schedule.next(last)
    return None if upcoming is None else max(0.0, (upcoming + NEXT_SLOT_DELAY - now).total_seconds())
