"""Does a backup's schedule fit its CronJob's? Compared as instants over a year with its clock changes.

SameTime         both fire in the same minute                                        conflict
BackupBeforeRun  on a local day of the CronJob's zone on which both fire, the first
                 backup comes before the first run                                   conflict
TooClose         the backup starts before the run has had its expected duration      conflict above 5 %
NothingNew       no run between two backups                                          warning
RunNotArchived   the next run comes before any backup                                warning
NeverFires       one of the two never fires                                          conflict
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Literal

from kronkeep_common.models import Finding, ScheduleVerdict
from kronkeep_common.schedule import Schedule
from kronkeep_common.schedule.zone import load

MANY = 0.05  # a share of runs above which TooClose is a conflict
LISTED = 5
MOST = 600_000  # fire times looked at; a schedule of every minute reaches a year with it
_DAY = 86400
Severity = Literal["warning", "conflict"]


def check(
    cronjob: Schedule,
    backup: Schedule,
    expected: timedelta,
    now: datetime,
    horizon: timedelta = timedelta(days=400),
) -> ScheduleVerdict:
    """The verdict over `horizon` from `now`."""
    start, end = int(now.timestamp()), int((now + horizon).timestamp())
    runs = list(islice(cronjob.seconds_between(start, end), MOST))
    backups = list(islice(backup.seconds_between(start, end), MOST))
    silent = _never(runs, backups)
    findings = silent or [
        finding
        for finding in (
            _same_time(runs, backups),
            _before_run(cronjob, runs, backups),
            _too_close(runs, backups, expected.total_seconds()),
            _nothing_new(runs, backups),
            _not_archived(runs, backups),
        )
        if finding is not None
    ]
    return ScheduleVerdict(
        verdict=_worst(findings),
        findings=tuple(findings),
        minimum_slack_seconds=_slack(runs, backups),
        cronjob_next=_instants(runs[:LISTED]),
        backup_next=_instants(backups[:LISTED]),
    )


def _instants(seconds: Sequence[int]) -> tuple[datetime, ...]:
    return tuple(datetime.fromtimestamp(second, UTC) for second in seconds)


def _worst(findings: Sequence[Finding]) -> Literal["ok", "warning", "conflict"]:
    severities = {finding.severity for finding in findings}
    return "conflict" if "conflict" in severities else "warning" if severities else "ok"


def _finding(code: str, severity: Severity, message: str, hits: Sequence[int], of: int) -> Finding:
    first = _instants(hits[:LISTED])
    return Finding(code=code, severity=severity, message=message, first=first, count=len(hits), of=of)


def _never(runs: list[int], backups: list[int]) -> list[Finding]:
    found = []
    for name, fires in (("CronJob", runs), ("backup", backups)):
        if not fires:
            words = f"The {name}'s schedule does not fire at all in the time looked at."
            found.append(_finding("NeverFires", "conflict", words, [], 0))
    return found


def _same_time(runs: list[int], backups: list[int]) -> Finding | None:
    minutes = {run // 60 for run in runs}
    hits = [backup for backup in backups if backup // 60 in minutes]
    words = f"Run and backup start in the same minute, {len(hits)} times of {len(backups)}."
    return _finding("SameTime", "conflict", words, hits, len(backups)) if hits else None


def _before_run(cronjob: Schedule, runs: list[int], backups: list[int]) -> Finding | None:
    zone = load(cronjob.zone)

    def first_of_day(fires: list[int]) -> dict[int, int]:
        days: dict[int, int] = {}
        for fire in fires:
            days.setdefault((fire + zone.offset(fire)) // _DAY, fire)
        return days

    if runs and backups and (_dense(runs) or _dense(backups)):
        return None  # several a day: the day's first says nothing; TooClose and RunNotArchived do
    first_runs, first_backups = first_of_day(runs), first_of_day(backups)
    both = sorted(first_runs.keys() & first_backups.keys())
    hits = [first_backups[day] for day in both if first_backups[day] < first_runs[day]]
    words = f"The backup comes before the run on {len(hits)} of {len(both)} days."
    return _finding("BackupBeforeRun", "conflict", words, hits, len(both)) if hits else None


def _dense(fires: list[int]) -> bool:
    """More than once a day on average."""
    return len(fires) > 1 and (fires[-1] - fires[0]) / (len(fires) - 1) < 0.9 * _DAY


def _too_close(runs: list[int], backups: list[int], expected: float) -> Finding | None:
    hits = []
    for backup in backups:
        index = bisect_right(runs, backup) - 1
        if index >= 0 and 60 <= backup - runs[index] < expected:
            hits.append(backup)
    if not hits:
        return None
    severity: Severity = "conflict" if len(hits) > MANY * len(runs) else "warning"
    words = f"The backup starts within the run's expected {expected / 60:.0f} minutes, {len(hits)} times."
    return _finding("TooClose", severity, words, hits, len(runs))


def _nothing_new(runs: list[int], backups: list[int]) -> Finding | None:
    hits = [
        later
        for earlier, later in pairwise(backups)
        if bisect_left(runs, later) == bisect_left(runs, earlier)
    ]
    words = f"{len(hits)} of {len(backups)} backups have no new run before them."
    return _finding("NothingNew", "warning", words, hits, len(backups)) if hits else None


def _not_archived(runs: list[int], backups: list[int]) -> Finding | None:
    hits = [
        earlier
        for earlier, later in pairwise(runs)
        if later <= backups[-1] and bisect_left(backups, earlier + 60) == bisect_left(backups, later)
    ]
    words = f"{len(hits)} of {len(runs)} runs are followed by another run before any backup."
    return _finding("RunNotArchived", "warning", words, hits, len(runs)) if hits else None


def _slack(runs: list[int], backups: list[int]) -> float | None:
    found = None
    for backup in backups:
        index = bisect_right(runs, backup) - 1
        if index >= 0:
            gap = float(backup - runs[index])
            found = gap if found is None else min(found, gap)
    return found
