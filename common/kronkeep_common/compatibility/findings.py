"""The findings about runs and backups together; each is a pure function of their fire times."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Literal

from kronkeep_common.compatibility.fire_times import FireTimes, minute_of
from kronkeep_common.models import Finding
from kronkeep_common.schedule import Schedule
from kronkeep_common.schedule.zone import load_zone
from kronkeep_common.text import duration

MANY = 0.05  # the share of the runs above which TooClose is a conflict
LISTED = 5
_DAY = 86400
Severity = Literal["warning", "conflict"]


def make_finding(
    code: str, severity: Severity, message: str, hits: Sequence[int], of: int, zone: Schedule
) -> Finding:
    """Make a finding; `hits` are the Unix seconds it counts, `of` the number they are a part of.

    The first hits are listed in UTC and in the time zone of the schedule `zone`.
    """
    first = [datetime.fromtimestamp(second, UTC) for second in hits[:LISTED]]
    local = tuple(at.astimezone(zone.zone_info).isoformat(timespec="minutes") for at in first)
    return Finding(
        code=code,
        severity=severity,
        message=message,
        first=tuple(first),
        first_local=local,
        count=len(hits),
        of=of,
    )


def _share_words(hits: int, times: int) -> str:
    """Return how often something is so, of how many times."""
    return "each time" if hits == times else f"{hits} times of {times}"


def find_same_time(fires: FireTimes) -> Finding | None:
    """Count the backups that start in the same minute as a run."""
    minutes = {run // 60 for run in fires.runs}
    hits = [backup for backup in fires.backups if backup // 60 in minutes]
    if not hits:
        return None
    message = f"Run and backup start in the same minute, {_share_words(len(hits), len(fires.backups))}."
    return make_finding(
        code="SameTime",
        severity="conflict",
        message=message,
        hits=hits,
        of=len(fires.backups),
        zone=fires.cronjob,
    )


def find_backup_before_run(fires: FireTimes) -> Finding | None:
    """Count the local days of the CronJob's zone on which the first backup comes before the first run."""
    runs = _first_fire_of_each_day(fires, fires.runs)
    backups = _first_fire_of_each_day(fires, fires.backups)
    both = sorted(runs.keys() & backups.keys())
    hits = [backups[day] for day in both if minute_of(backups[day]) < minute_of(runs[day])]
    if not hits:
        return None
    message = f"The day's first backup comes before its first run, on {len(hits)} of {len(both)} days."
    return make_finding(
        code="BackupBeforeRun",
        severity="conflict",
        message=message,
        hits=hits,
        of=len(both),
        zone=fires.cronjob,
    )


def _first_fire_of_each_day(fires: FireTimes, seconds: Sequence[int]) -> dict[int, int]:
    """Return the first fire of each local day, without the day of the horizon's start, which is cut."""
    zone = load_zone(fires.cronjob.zone)
    opening = (fires.start + zone.offset(fires.start)) // _DAY
    days: dict[int, int] = {}
    for second in seconds:
        days.setdefault((second + zone.offset(second)) // _DAY, second)
    days.pop(opening, None)
    return days


def find_too_close(fires: FireTimes, expected: float) -> Finding | None:
    """Count the runs in whose `expected` seconds a backup starts, but not in the run's first minute."""
    runs = fires.runs
    hits = []
    hit = -1
    for backup in fires.backups:
        index = bisect_left(runs, minute_of(backup)) - 1
        if index > hit and backup - runs[index] < expected:
            hits.append(backup)
            hit = index
    if not hits:
        return None
    severity: Severity = "conflict" if len(hits) > MANY * len(runs) else "warning"
    message = (
        f"The backup starts before the run has had its expected {duration(expected)}, "
        f"{_share_words(len(hits), len(runs))}."
    )
    return make_finding(
        code="TooClose", severity=severity, message=message, hits=hits, of=len(runs), zone=fires.cronjob
    )


def find_nothing_new(fires: FireTimes) -> Finding | None:
    """Count the backups that have no run between them and the backup before."""
    counts = [bisect_left(fires.runs, minute_of(backup)) for backup in fires.backups]
    hits = [
        later
        for (before, after), later in zip(pairwise(counts), fires.backups[1:], strict=True)
        if before == after
    ]
    if not hits:
        return None
    message = f"{len(hits)} of {len(fires.backups)} backups have no new run before them."
    return make_finding(
        code="NothingNew",
        severity="warning",
        message=message,
        hits=hits,
        of=len(fires.backups),
        zone=fires.cronjob,
    )


def find_run_not_archived(fires: FireTimes) -> Finding | None:
    """Count the runs that another run follows before any backup, up to the last backup."""
    backups = fires.backups
    judged = fires.runs[: bisect_right(fires.runs, backups[-1])]
    hits = [
        earlier
        for earlier, later in pairwise(judged)
        if bisect_left(backups, minute_of(earlier) + 60) == bisect_left(backups, minute_of(later))
    ]
    if not hits:
        return None
    message = f"{len(hits)} of {len(fires.runs)} runs are followed by another run before any backup."
    return make_finding(
        code="RunNotArchived",
        severity="warning",
        message=message,
        hits=hits,
        of=len(fires.runs),
        zone=fires.cronjob,
    )


def minimum_slack(fires: FireTimes) -> float | None:
    """Return the fewest seconds from a run to the backup after it; None where no backup follows a run."""
    gaps = []
    for backup in fires.backups:
        index = bisect_right(fires.runs, backup) - 1
        if index >= 0:
            gaps.append(backup - fires.runs[index])
    return float(min(gaps)) if gaps else None
