"""What the compatibility check is asked and what it answers."""

from typing import Literal

from kronkeep_common.models.base import Moment, Record, Request, Seconds


class ScheduleCheckRequest(Request, frozen=True, kw_only=True):
    """Two schedules to hold against each other; durations in seconds, the horizon in days."""

    cronjob_schedule: str
    cronjob_time_zone: str | None = None
    backup_schedule: str
    backup_time_zone: str | None = None
    expected_duration_seconds: Seconds = 600
    horizon_days: int = 400


class Finding(Record, frozen=True, kw_only=True):
    """One fault: a stable code, a sentence, the first instants, how many of how many."""

    code: str
    severity: Literal["warning", "conflict"]
    message: str
    first: tuple[Moment, ...] = ()
    count: int = 0
    of: int = 0


class ScheduleVerdict(Record, frozen=True, kw_only=True):
    """`ok`, `warning` or `conflict`, with findings and the next fire times of both."""

    verdict: Literal["ok", "warning", "conflict"]
    findings: tuple[Finding, ...] = ()
    minimum_slack_seconds: float | None = None
    cronjob_next: tuple[Moment, ...] = ()
    backup_next: tuple[Moment, ...] = ()
