"""Which slot of a schedule is due, with the approximations of Kubernetes 1.36 (mostRecentScheduleTime).

Upstream estimates how many slots were missed from the distance of the first two, and searches only the last
two such distances for the newest. Where slots are uneven (`0,5 0 * * *`) it can miss one; so do we.
"""

from datetime import datetime, timedelta

import msgspec

from kronkeep_common.schedule import Schedule

MANY = 100  # missed slots above which upstream warns
SKEW = timedelta(seconds=0.1)  # upstream's wait past a slot


class NeverFires(Exception):
    """The schedule has no two slots a second apart, as `0 0 30 2 *`; the text is upstream's."""


class Due(msgspec.Struct, frozen=True):
    """The newest slot that is due since `earliest` (None: none is), and about how many were missed."""

    earliest: datetime
    slot: datetime | None
    missed: int


def due(schedule: Schedule, earliest: datetime, now: datetime) -> Due:
    """The newest slot in (earliest, now]; raises NeverFires."""
    first = schedule.next(earliest)
    if first is not None and now < first:
        return Due(earliest, None, 0)
    second = schedule.next(first) if first is not None else None
    if first is None or second is None or second - first < timedelta(seconds=1):
        raise NeverFires("time difference between two schedules is less than 1 second")
    if now < second:
        return Due(earliest, first, 0)
    distance = timedelta(seconds=round((second - first).total_seconds()))
    missed = (now - first) // distance + 1
    found = None
    at = schedule.next(first + (missed - 2) * distance)
    while at is not None and at <= now:
        found = at
        at = schedule.next(at)
    return Due(earliest, found, missed)


def pause(schedule: Schedule, earliest: datetime, now: datetime) -> float | None:
    """Seconds until the next slot after what is due now; None when there is none."""
    try:
        found = due(schedule, earliest, now)
        base = found.slot or (now if found.missed else found.earliest)
    except NeverFires:
        base = now
    upcoming = schedule.next(base)
    return None if upcoming is None else max(0.0, (upcoming + SKEW - now).total_seconds())
