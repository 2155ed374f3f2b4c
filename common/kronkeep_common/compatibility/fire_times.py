"""The fire times of both schedules over one horizon, as Unix seconds in UTC."""

from bisect import bisect_left
from itertools import islice
from typing import NamedTuple

from kronkeep_common.schedule import Schedule

MOST = 600_000  # fire times of one schedule; every minute for a year and more
LEAST = 2  # fires of each that are waited for, however far away: two 29 Februaries can conflict


class FireTimes(NamedTuple):
    """Runs and backups in [start, end), in order; `end` is later than asked for where fires are rare."""

    start: int
    end: int
    cronjob: Schedule
    backup: Schedule
    runs: list[int]
    backups: list[int]


def collect_fire_times(cronjob: Schedule, backup: Schedule, start: int, end: int) -> FireTimes:
    """The fires of both from `start` to at least `end`, cut where more than MOST would be needed."""
    both = (cronjob, backup)
    end = max(end, *(_nth_fire(schedule, start, LEAST) + 1 for schedule in both))
    lists = [list(islice(schedule.seconds_between(start, end), MOST)) for schedule in both]
    full = [fires[-1] + 1 for fires in lists if len(fires) == MOST]
    if full:
        end = min(full)
        lists = [fires[: bisect_left(fires, end)] for fires in lists]
    return FireTimes(start, end, cronjob, backup, *lists)


def _nth_fire(schedule: Schedule, start: int, count: int) -> int:
    """The count-th fire from `start` on, or the last there is; `start` where there is none."""
    at = start - 1
    for _ in range(count):
        following = schedule.next_second(at)
        if following is None:
            break
        at = following
    return max(at, start)


def minute_of(second: int) -> int:
    """The start of the minute; only `@every` fires within one."""
    return second - second % 60
