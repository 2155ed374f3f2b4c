"""The morning report: what ended since the last one, and what is wrong now, worst first."""

from kronkeep_common.models.base import Bytes, Moment, Record, Seconds
from kronkeep_common.models.coverage import ClaimStatus


class FaultyCronJob(Record, frozen=True, kw_only=True):
    """A CronJob with runs in the period that failed, were missed, or whose end kronkeep did not see."""

    cluster: str
    namespace: str
    cronjob: str
    failed: int = 0
    missed: int = 0
    unknown: int = 0


class OverduePolicy(Record, frozen=True, kw_only=True):
    """A policy whose newest good backup, of `last_good_at`, is older than `rpo_seconds`, or that has none."""

    cluster: str
    namespace: str
    cronjob: str
    rpo_seconds: Seconds | None = None
    last_good_at: Moment | None = None


class UnusualBackup(Record, frozen=True, kw_only=True):
    """A backup of the period that was unusual, and the first sentence that says in what."""

    cluster: str
    namespace: str
    cronjob: str
    backup_id: str
    unusual: str
    is_acknowledged: bool = False


class UncoveredClaim(Record, frozen=True, kw_only=True):
    """A claim that no policy archives as a whole, as `ClaimCoverage.status` says it."""

    cluster: str
    namespace: str
    claim: str
    status: ClaimStatus
    size_bytes: Bytes | None = None


class StorageOutlook(Record, frozen=True, kw_only=True):
    """A storage: days until it is full (None: it does not grow), and why it cannot be used, if so."""

    cluster: str
    id: str
    days_until_full: float | None = None
    used_bytes: Bytes | None = None
    capacity_bytes: Bytes | None = None
    level: str = "unknown"
    fault: str | None = None


class MorningReport(Record, frozen=True, kw_only=True):
    """What ended from `from_at` on, before `to_at`, and what is wrong at `made_at`.

    A run, backup or verification counts where it ended in that time; a slot without a run counts at its own
    time, and a time in which kronkeep did not watch with all its slots (`unknown`). Backups are counted by
    their status; of those that failed `backups_not_begun` never began, as their run had failed, and
    `backups_lost` succeeded but their snapshots are missing now. `verified` are drills and verifications that
    restored a whole backup. Of `faulty` CronJobs, `overdue` policies, `unusual` backups, `uncovered` claims
    and `storages` at most 20 are listed, the worst first; the totals count all. `storages_faulty` cannot be
    used, or are at least 95 % full. `not_watched` are the clusters whose state is not known now,
    `claims_unknown` those whose claims are not. `clusters` are names.
    """

    from_at: Moment
    to_at: Moment
    made_at: Moment
    version: str
    time_zone: str = "UTC"
    filter: str = ""
    clusters: tuple[str, ...] = ()
    cronjobs: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    unknown: int = 0
    missed: int = 0
    backups_good: int = 0
    backups_partial: int = 0
    backups_failed: int = 0
    backups_not_begun: int = 0
    backups_missed: int = 0
    backups_unknown: int = 0
    backups_lost: int = 0
    verified: int = 0
    verifications_failed: int = 0
    faulty_total: int = 0
    faulty: tuple[FaultyCronJob, ...] = ()
    overdue_total: int = 0
    overdue: tuple[OverduePolicy, ...] = ()
    unusual_total: int = 0
    unusual: tuple[UnusualBackup, ...] = ()
    uncovered_total: int = 0
    uncovered: tuple[UncoveredClaim, ...] = ()
    claims_unknown: tuple[str, ...] = ()
    storages_total: int = 0
    storages_faulty: int = 0
    storages: tuple[StorageOutlook, ...] = ()
    critical_alerts: int = 0
    warning_alerts: int = 0
    not_watched: tuple[str, ...] = ()

    @property
    def ran(self) -> int:
        """How many runs ended, however they did."""
        return self.succeeded + self.failed + self.cancelled

    @property
    def is_well(self) -> bool:
        """Whether nothing failed, nothing is missing and nothing is critical."""
        faults = (
            self.failed, self.missed, self.unknown, self.backups_partial, self.backups_failed,
            self.backups_missed, self.backups_unknown, self.backups_lost,
            self.verifications_failed, self.overdue_total, self.critical_alerts, len(self.not_watched),
            self.storages_faulty, self.uncovered_total, self.unusual_total,
        )  # fmt: skip
        return not any(faults)


class MorningReportView(Record, frozen=True, kw_only=True):
    """A morning report as it would be sent now, as `title` and `text`.

    It is sent to `channels` at `next_at`, which is None without any, and was last sent for `last_at`.
    """

    report: MorningReport
    title: str
    text: str
    channels: tuple[str, ...] = ()
    next_at: Moment | None = None
    last_at: Moment | None = None
