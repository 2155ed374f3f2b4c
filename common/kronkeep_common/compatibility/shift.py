"""The strategy `shift`: the same cadence at the earliest later minute that fits the CronJob's schedule.

A minute at which no other policy's backup uses the storage is preferred.
"""

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

from kronkeep_common.compatibility import findings
from kronkeep_common.compatibility.check import CheckContext, check
from kronkeep_common.compatibility.fire_times import FireTimes, collect_fire_times
from kronkeep_common.compatibility.storage_overlap import find_storage_busy
from kronkeep_common.schedule import Schedule
from kronkeep_common.schedule.grammar import DESCRIPTORS

_GLANCE = timedelta(days=15)  # a conflict in these days is one of the whole horizon, and is found sooner
_FIRST = 3  # fires of a candidate that are compared before anything slower is done
_DAY = 24 * 60


def find_shifted_schedule(backup: Schedule, context: CheckContext) -> Schedule | None:
    """Return the first later schedule without a conflict, which meets no other policy if that is possible.

    None where none fits, where one of the two never fires, and for `@every`, which follows no clock.
    """
    start = int(context.now.timestamp())
    all_fires = _fire_times(backup, context, start, context.horizon)
    if not all_fires.runs or not all_fires.backups:
        return None
    near_fires = _fire_times(backup, context, start, _GLANCE)
    minutes = {run // 60 for run in near_fires.runs}
    # Up to 1,439 candidates: each is tried over a day first, and only over the whole horizon (a year for
    # rare schedules) where that found nothing against it.
    second_best: Schedule | None = None
    for candidate in candidates(backup):
        if _starts_with_a_run(candidate, start, minutes):
            continue
        glance = _with_backups_of(near_fires, candidate)
        if _has_conflict(glance) or (second_best is not None and _meets_other_policy(glance, context)):
            continue
        fires = _with_backups_of(all_fires, candidate)
        if (
            _has_conflict(fires)
            or _is_too_close(fires, context)
            or check(context, candidate).verdict == "conflict"
        ):
            continue
        if not _meets_other_policy(fires, context):
            return candidate
        second_best = second_best or candidate
    return second_best


def _fire_times(backup: Schedule, context: CheckContext, start: int, horizon: timedelta) -> FireTimes:
    return collect_fire_times(context.cronjob, backup, start, start + int(horizon.total_seconds()))


def _with_backups_of(fires: FireTimes, candidate: Schedule) -> FireTimes:
    """Return the same runs with another schedule's backups."""
    backups = list(candidate.seconds_between(fires.start, fires.end))
    return fires._replace(backup=candidate, backups=backups)


def _starts_with_a_run(candidate: Schedule, start: int, minutes: set[int]) -> bool:
    at = start
    for _ in range(_FIRST):
        following = candidate.next_second(at)
        if following is None:
            return False
        if following // 60 in minutes:
            return True
        at = following
    return False


def _has_conflict(fires: FireTimes) -> bool:
    return bool(findings.find_same_time(fires) or findings.find_backup_before_run(fires))


def _is_too_close(fires: FireTimes, context: CheckContext) -> bool:
    finding = findings.find_too_close(fires, context.run_duration.total_seconds())
    return finding is not None and finding.severity == "conflict"


def _meets_other_policy(fires: FireTimes, context: CheckContext) -> bool:
    return (
        find_storage_busy(fires, context.other_policies, context.backup_duration.total_seconds()) is not None
    )


def candidates(backup: Schedule) -> Iterator[Schedule]:
    """Yield the same cadence, each time a minute later, for a whole day; day, month and weekday stay."""
    if backup.every is not None:
        return
    words = DESCRIPTORS.get(backup.expr, backup.expr).split()
    minutes = backup.parsed.minutes
    hours = backup.parsed.hours
    daily = words[2:] == ["*", "*", "*"]
    seen = {(minutes, hours)}
    for delay in range(1, _DAY):
        moved = _delay(minutes, hours, delay, daily)
        if moved is not None and moved not in seen:
            seen.add(moved)
            fields = [_write_field(moved[0], 60), _write_field(moved[1], 24), *words[2:]]
            yield Schedule.parse(" ".join(fields), backup.zone)


def _delay(
    minutes: tuple[int, ...], hours: tuple[int, ...], delay: int, daily: bool
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Return minutes and hours `delay` minutes later; None where minute and hour fields cannot express them.

    That is so when only some minutes carry into the next hour, or only some hours into the next day while
    not every day is one of the schedule's.
    """
    delayed_minutes = [minute + delay % 60 for minute in minutes]
    # `carries` holds by how many hours the minutes pass over: {0}, {1} or, mixed, {0, 1}. A mix only works
    # where every hour is one of the schedule's, because the hour field is one for all minutes.
    carries = {minute // 60 for minute in delayed_minutes}
    if len(hours) < 24 and len(carries) > 1:
        return None
    delayed_hours = [hour + delay // 60 + min(carries) for hour in hours]
    if not daily and len({hour // 24 for hour in delayed_hours}) > 1:
        return None
    new_minutes = tuple(sorted(minute % 60 for minute in delayed_minutes))
    new_hours = tuple(sorted(hour % 24 for hour in delayed_hours))
    return new_minutes, new_hours


def _write_field(values: tuple[int, ...], whole: int) -> str:
    """Write a minute or hour field in the shortest usual way: 5, *, */15, 5-59/15, 1,2,5."""
    if len(values) == whole:
        return "*"
    steps = {later - earlier for earlier, later in pairwise(values)}
    if len(values) > 2 and len(steps) == 1 and values[-1] + (step := steps.pop()) >= whole:
        return f"*/{step}" if values[0] == 0 else f"{values[0]}-{whole - 1}/{step}"
    return ",".join(str(value) for value in values)
