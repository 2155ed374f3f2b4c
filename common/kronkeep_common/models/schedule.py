"""The request and the answer of the schedule check."""

from typing import Annotated, Literal

import msgspec

from kronkeep_common.models.base import YEARS, Moment, Name, Record, Request, Seconds


class ScheduleCheckRequest(Request, frozen=True, kw_only=True):
    """Two schedules to compare over `horizon_days`.

    Where `namespace` and `cronjob` name an existing CronJob, its recent runs give the expected duration of a
    run; otherwise it is `expected_duration_seconds`, or ten minutes. With `storage_id` the backups of other
    policies on that storage are compared, too.
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
    """One thing that is wrong: a code that does not change, a sentence, and how often it occurs.

    It occurs `count` times `of` so many; `first` are the first instants, and `first_local` the same in the
    CronJob's time zone (or the backup's, where the finding is about its schedule alone).
    """

    code: str
    severity: Literal["warning", "conflict"]
    message: str
    first: tuple[Moment, ...] = ()
    first_local: tuple[str, ...] = ()
    count: int = 0
    of: int = 0


class Resolution(Record, frozen=True, kw_only=True):
    """What one strategy would do about a conflict; without `schedule` the backup would follow each run."""

    strategy: Literal["shift", "after-run", "accept"]
    message: str
    possible: bool = True
    schedule: str | None = None


class ScheduleVerdict(Record, frozen=True, kw_only=True):
    """How two schedules fit, with findings, ways to end a conflict, and the next fire times of both.

    `expected_from` is the source of a run's expected duration: `history` (the 95th percentile of recent
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
