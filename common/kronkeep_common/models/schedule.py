"""What the compatibility check is asked and what it answers."""

from typing import Annotated, Literal

import msgspec

from kronkeep_common.models.base import YEARS, Moment, Name, Record, Request, Seconds


class ScheduleCheckRequest(Request, frozen=True, kw_only=True):
    """Two schedules to hold against each other; durations in seconds, the horizon in days.

    Where `namespace` and `cronjob` name one that exists, its recent runs say how long a run is expected to
    take; else `expected_duration_seconds`, else ten minutes. With `storage_id` the backups of other policies
    on that storage are looked at too.
    """

    cronjob_schedule: str
    cronjob_time_zone: str | None = None
    backup_schedule: str
    backup_time_zone: str | None = None
    expected_duration_seconds: Annotated[float, msgspec.Meta(ge=0, le=YEARS)] | None = None
    horizon_days: Annotated[int, msgspec.Meta(ge=1, le=800)] = 400
    namespace: Name | None = None
    cronjob: Name | None = None
    storage_id: Name | None = None


class Finding(Record, frozen=True, kw_only=True):
    """One fault: a stable code, a sentence, the first instants, how many of how many.

    `first_local` says the same instants as the clocks of the CronJob's zone do (the backup's zone where the
    finding is about the backup's schedule alone).
    """

    code: str
    severity: Literal["warning", "conflict"]
    message: str
    first: tuple[Moment, ...] = ()
    first_local: tuple[str, ...] = ()
    count: int = 0
    of: int = 0


class Resolution(Record, frozen=True, kw_only=True):
    """What one strategy would do about a conflict; without a `schedule` the backup follows each run."""

    strategy: Literal["shift", "after-run", "accept"]
    message: str
    possible: bool = True
    schedule: str | None = None


class ScheduleVerdict(Record, frozen=True, kw_only=True):
    """`ok`, `warning` or `conflict`, with findings, what would settle them, and the next fire times of both.

    `expected_from` says where the expected duration of a run comes from: `history` (95th percentile of recent
    runs), `policy` or `default`.
    """

    verdict: Literal["ok", "warning", "conflict"]
    findings: tuple[Finding, ...] = ()
    resolutions: tuple[Resolution, ...] = ()
    minimum_slack_seconds: float | None = None
    expected_duration_seconds: Seconds = 0
    expected_from: Literal["history", "policy", "default"] = "default"
    cronjob_next: tuple[Moment, ...] = ()
    backup_next: tuple[Moment, ...] = ()
    cronjob_text: str = ""
    backup_text: str = ""
