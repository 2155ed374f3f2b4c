"""Figures of runs and backups over days and weeks, which outlive the records that they count."""

from typing import Literal

from kronkeep_common.models.base import Bytes, Moment, Record, Seconds

FigureSubject = Literal["namespace", "cronjob", "storage"]


class Figures(Record, frozen=True, kw_only=True):
    """What ended in a time of one namespace, CronJob or storage; `from_at` and `until_at` are its bounds.

    `runs` are those that had a Job and were not cancelled; `failed` and `unknown` are among them, `missed`
    slots are not. `success` is the share of `runs` and `missed` that succeeded, in percent; None without any.
    `seconds` is the sum of the runs' durations. `backups` are those that ended and were not cancelled; by
    their status `backups_failed`, `backups_partial`, `backups_missed` and `backups_unknown` are among them.
    Of those that failed `backups_not_begun` never began, as their run had failed. `bytes_read` were read from
    the sources, `bytes_added` were new to the repositories. A record counts on the day on which it was
    created; a day is one in UTC, a week begins on Monday.
    """

    by: FigureSubject
    cluster: str = ""
    namespace: str | None = None
    cronjob: str | None = None
    cronjob_id: str | None = None
    storage_id: str | None = None
    from_at: Moment
    until_at: Moment
    runs: int = 0
    failed: int = 0
    unknown: int = 0
    missed: int = 0
    seconds: Seconds = 0
    success: float | None = None
    backups: int = 0
    backups_failed: int = 0
    backups_not_begun: int = 0
    backups_missed: int = 0
    backups_unknown: int = 0
    backups_partial: int = 0
    bytes_read: Bytes = 0
    bytes_added: Bytes = 0
