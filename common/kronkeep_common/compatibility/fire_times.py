"""The fire times of a CronJob and of its backup over one horizon, as Unix seconds in UTC."""

from bisect import bisect_left
from itertools import islice
from typing import NamedTuple

from kronkeep_common.schedule import Schedule

MOST = 600_000  # fire times of one schedule: every minute for more than a year
LEAST = 2  # fires of each schedule, however far away: two 29 Februaries can conflict


class FireTimes(NamedTuple):
    """The runs and backups in [start, end), in order."""

    start: int
    end: int
    cronjob: Schedule
    backup: Schedule
    runs: list[int]
    backups: list[int]


def collect_fire_times(cronjob: Schedule, backup: Schedule, start: int, end: int) -> FireTimes:
    """Collect the fires of both schedules from `start` to `end` (Unix seconds).

    `end` is put off until each schedule has LEAST fires, and brought forward where one has more than MOST.
    """
    both = (cronjob, backup)
    end = max(end, *(_nth_fire(schedule, start, LEAST) + 1 for schedule in both))
    lists = [list(islice(schedule.seconds_between(start, end), MOST)) for schedule in both]
    full = [fires[-1] + 1 for fires in lists if len(fires) == MOST]
    if full:
        end = min(full)
        lists = [fires[: bisect_left(fires, end)] for fires in lists]
    runs, backups = lists
    return FireTimes(start=start, end=end, cronjob=cronjob, backup=backup, runs=runs, backups=backups)


def _nth_fire(schedule: Schedule, start: int, count: int) -> int:
    """Return the fire number `count` from `start` on, or the last one; `start` where there is none."""
    at = start - 1
    for _ in range(count):
        following = schedule.next_second(at)
        if following is None:
            break
        at = following
    return max(at, start)


def minute_of(second: int) -> int:
    """Return the start of the minute; only `@every` fires within one."""
    return second - second % 60
