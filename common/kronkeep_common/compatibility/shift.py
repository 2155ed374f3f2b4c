"""`shift`: the earliest compatible minute after the one asked for, its cadence kept.

A minute at which no other policy's backup holds the storage is preferred.
"""

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

from kronkeep_common.compatibility import findings
from kronkeep_common.compatibility.check import Question, check
from kronkeep_common.compatibility.fire_times import Fires, collect
from kronkeep_common.compatibility.storage_overlap import busy
from kronkeep_common.schedule import Schedule
from kronkeep_common.schedule.grammar import DESCRIPTORS

_GLANCE = timedelta(days=15)  # a conflict so soon is one of the whole horizon too
_FIRST = 3  # fires of a candidate that are held against runs before anything dearer is
_DAY = 24 * 60


def shift(backup: Schedule, question: Question) -> Schedule | None:
    """The first candidate without conflict, one that meets no other policy's backups if there is one.

    None where none fits, where one of the two never fires, and for `@every`, which keeps to no clock.
    """
    start = int(question.now.timestamp())
    year = _fires(backup, question, start, question.horizon)
    if not year.runs or not year.backups:
        return None
    soon = _fires(backup, question, start, _GLANCE)
    minutes = {run // 60 for run in soon.runs}
    waiting: Schedule | None = None
    for candidate in candidates(backup):
        if _meets(candidate, start, minutes):
            continue
        glance = _with(soon, candidate)
        if _conflict(glance) or (waiting is not None and _held(glance, question)):
            continue
        fires = _with(year, candidate)
        if (
            _conflict(fires)
            or _too_close(fires, question)
            or check(question, candidate).verdict == "conflict"
        ):
            continue
        if not _held(fires, question):
            return candidate
        waiting = waiting or candidate
    return waiting


def _fires(backup: Schedule, question: Question, start: int, horizon: timedelta) -> Fires:
    return collect(question.cronjob, backup, start, start + int(horizon.total_seconds()))


def _with(fires: Fires, candidate: Schedule) -> Fires:
    """The same runs with another schedule's backups."""
    backups = list(candidate.seconds_between(fires.start, fires.end))
    return fires._replace(backup=candidate, backups=backups)


def _meets(candidate: Schedule, start: int, minutes: set[int]) -> bool:
    at = start
    for _ in range(_FIRST):
        following = candidate.next_second(at)
        if following is None:
            return False
        if following // 60 in minutes:
            return True
        at = following
    return False


def _conflict(fires: Fires) -> bool:
    return bool(findings.same_time(fires) or findings.before_run(fires))


def _too_close(fires: Fires, question: Question) -> bool:
    found = findings.too_close(fires, question.expected.total_seconds())
    return found is not None and found.severity == "conflict"


def _held(fires: Fires, question: Question) -> bool:
    return busy(fires, question.others, question.lasting.total_seconds()) is not None


def candidates(backup: Schedule) -> Iterator[Schedule]:
    """The same cadence, one minute later each time, around the clock; day, month and weekday stay."""
    if backup.every is not None:
        return
    words = DESCRIPTORS.get(backup.expr, backup.expr).split()
    minutes = backup.parsed.minutes
    hours = backup.parsed.hours
    daily = words[2:] == ["*", "*", "*"]
    seen = {(minutes, hours)}
    for delay in range(1, _DAY):
        moved = _moved(minutes, hours, delay, daily)
        if moved is not None and moved not in seen:
            seen.add(moved)
            fields = [_field(moved[0], 60), _field(moved[1], 24), *words[2:]]
            yield Schedule.parse(" ".join(fields), backup.zone)


def _moved(
    minutes: tuple[int, ...], hours: tuple[int, ...], delay: int, daily: bool
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Minutes and hours `delay` minutes later; None where minute and hour fields cannot say it.

    That is so when only some minutes carry into the next hour, or only some hours into the next day while
    not every day is one of the schedule's.
    """
    later = [minute + delay % 60 for minute in minutes]
    carries = {minute // 60 for minute in later}
    if len(hours) < 24 and len(carries) > 1:
        return None
    moved = [hour + delay // 60 + min(carries) for hour in hours]
    if not daily and len({hour // 24 for hour in moved}) > 1:
        return None
    return tuple(sorted(minute % 60 for minute in later)), tuple(sorted(hour % 24 for hour in moved))


def _field(values: tuple[int, ...], whole: int) -> str:
    """The shortest usual way to write some minutes or hours: 5, *, */15, 5-59/15, 1,2,5."""
    if len(values) == whole:
        return "*"
    steps = {later - earlier for earlier, later in pairwise(values)}
    if len(values) > 2 and len(steps) == 1 and values[-1] + (step := steps.pop()) >= whole:
        return f"*/{step}" if values[0] == 0 else f"{values[0]}-{whole - 1}/{step}"
    return ",".join(str(value) for value in values)
