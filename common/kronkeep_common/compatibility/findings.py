"""The findings about runs and backups held against each other; each a pure function of their fires."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Literal

from kronkeep_common.compatibility.fire_times import FireTimes, minute_of
from kronkeep_common.models import Finding
from kronkeep_common.schedule import Schedule
from kronkeep_common.schedule.zone import load
from kronkeep_common.text import duration

MANY = 0.05  # a share of the runs above which TooClose is a conflict
LISTED = 5
_DAY = 86400
Severity = Literal["warning", "conflict"]


def make_finding(
    code: str, severity: Severity, message: str, hits: Sequence[int], of: int, zone: Schedule
) -> Finding:
    """A finding with its first instants, in UTC and as the clocks of the schedule's zone show them."""
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


def find_same_time(fires: FireTimes) -> Finding | None:
    """SameTime: counts backups that start in the minute of a run."""
    minutes = {run // 60 for run in fires.runs}
    hits = [backup for backup in fires.backups if backup // 60 in minutes]
    words = f"Run and backup start in the same minute, {len(hits)} times of {len(fires.backups)}."
    return (
        make_finding(
            code="SameTime",
            severity="conflict",
            message=words,
            hits=hits,
            of=len(fires.backups),
            zone=fires.cronjob,
        )
        if hits
        else None
    )


def find_backup_before_run(fires: FireTimes) -> Finding | None:
    """BackupBeforeRun: counts local days of the CronJob's zone on which the backup is the first of both."""
    runs = _first_fire_of_each_day(fires, fires.runs)
    backups = _first_fire_of_each_day(fires, fires.backups)
    both = sorted(runs.keys() & backups.keys())
    hits = [backups[day] for day in both if minute_of(backups[day]) < minute_of(runs[day])]
    words = f"The day's first backup comes before its first run, on {len(hits)} of {len(both)} days."
    return (
        make_finding(
            code="BackupBeforeRun",
            severity="conflict",
            message=words,
            hits=hits,
            of=len(both),
            zone=fires.cronjob,
        )
        if hits
        else None
    )


def _first_fire_of_each_day(fires: FireTimes, seconds: Sequence[int]) -> dict[int, int]:
    """Each local day's first fire; a day is not cut at the horizon's start, where its first may be past."""
    zone = load(fires.cronjob.zone)
    opening = (fires.start + zone.offset(fires.start)) // _DAY
    days: dict[int, int] = {}
    for second in seconds:
        days.setdefault((second + zone.offset(second)) // _DAY, second)
    days.pop(opening, None)
    return days


def find_too_close(fires: FireTimes, expected: float) -> Finding | None:
    """TooClose: counts runs during whose expected seconds a backup starts, later than in their own minute."""
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
    words = (
        f"The backup starts before the run has had its expected {duration(expected)}, "
        f"{len(hits)} times of {len(runs)}."
    )
    return make_finding(
        code="TooClose", severity=severity, message=words, hits=hits, of=len(runs), zone=fires.cronjob
    )


def find_nothing_new(fires: FireTimes) -> Finding | None:
    """NothingNew: counts backups that come after another one with no run in between."""
    counts = [bisect_left(fires.runs, minute_of(backup)) for backup in fires.backups]
    hits = [
        later
        for (before, after), later in zip(pairwise(counts), fires.backups[1:], strict=True)
        if before == after
    ]
    words = f"{len(hits)} of {len(fires.backups)} backups have no new run before them."
    return (
        make_finding(
            code="NothingNew",
            severity="warning",
            message=words,
            hits=hits,
            of=len(fires.backups),
            zone=fires.cronjob,
        )
        if hits
        else None
    )


def find_run_not_archived(fires: FireTimes) -> Finding | None:
    """RunNotArchived: counts runs that the next run follows before any backup, up to the last backup."""
    backups = fires.backups
    judged = fires.runs[: bisect_right(fires.runs, backups[-1])]
    hits = [
        earlier
        for earlier, later in pairwise(judged)
        if bisect_left(backups, minute_of(earlier) + 60) == bisect_left(backups, minute_of(later))
    ]
    words = f"{len(hits)} of {len(fires.runs)} runs are followed by another run before any backup."
    return (
        make_finding(
            code="RunNotArchived",
            severity="warning",
            message=words,
            hits=hits,
            of=len(fires.runs),
            zone=fires.cronjob,
        )
        if hits
        else None
    )


def minimum_slack(fires: FireTimes) -> float | None:
    """The least seconds from a run to the backup after it; None where no backup follows a run."""
    gaps = []
    for backup in fires.backups:
        index = bisect_right(fires.runs, backup) - 1
        if index >= 0:
            gaps.append(backup - fires.runs[index])
    return float(min(gaps)) if gaps else None
