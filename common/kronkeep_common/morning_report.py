"""The sums of a morning report and the order of what it lists: a count of records, and pure functions."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from kronkeep_common.evidence import Period, is_good
from kronkeep_common.models import BackupExecution, BackupStorage, CronJob, CronJobExecution, Restore
from kronkeep_common.models.coverage import UNCOVERED, ClaimCoverage
from kronkeep_common.models.morning_report import (
    FaultyCronJob,
    OverduePolicy,
    StorageOutlook,
    UncoveredClaim,
    UnusualBackup,
)
from kronkeep_common.reasons import Reason
from kronkeep_common.states import BackupStatus, ExecutionStatus, RestoreStatus, StorageStatus

MOST_LISTED = 20
COUNTED_RUNS = {
    ExecutionStatus.SUCCEEDED: "succeeded",
    ExecutionStatus.FAILED: "failed",
    ExecutionStatus.CANCELLED: "cancelled",
    ExecutionStatus.UNKNOWN: "unknown",
    ExecutionStatus.MISSED: "missed",
}
COUNTED_BACKUPS = {
    BackupStatus.PARTIAL: "backups_partial",
    BackupStatus.FAILED: "backups_failed",
    BackupStatus.MISSED: "backups_missed",
    BackupStatus.UNKNOWN: "backups_unknown",
    BackupStatus.SUCCEEDED: "backups_lost",  # those that are not good: their snapshots are missing
}
FAULTS = ("failed", "missed", "unknown")
CronJobKey = tuple[str, str, str]


class MorningTally:
    """A count of the records of a period, one at a time, so that none of them stays in memory."""

    def __init__(self, period: Period) -> None:
        self._period = period
        self.sums: Counter[str] = Counter()  # by the names of MorningReport's fields
        self.unusual: list[UnusualBackup] = []  # the newest first, as they are read
        self._faults: dict[CronJobKey, Counter[str]] = {}

    def add_run(self, run: CronJobExecution) -> None:
        """Count a run, or a slot without one, where it ended in the period."""
        field = COUNTED_RUNS.get(run.status)
        if field is None or not self._period.has(run.ended_at or run.created_at):
            return
        slots = max(1, run.gap_slots)
        self.sums[field] += slots
        if field in FAULTS:
            key = (run.cluster, run.namespace, run.cronjob)
            self._faults.setdefault(key, Counter())[field] += slots

    def add_backup(self, backup: BackupExecution) -> None:
        """Count a backup by its status where it ended in the period."""
        if not self._period.has(backup.ended_at or backup.created_at):
            return
        if backup.unusual:
            self._add_unusual(backup)
        if is_good(backup):
            self.sums["backups_good"] += 1
        elif backup.status in COUNTED_BACKUPS:
            self.sums[COUNTED_BACKUPS[backup.status]] += 1
            if backup.reason == Reason.CRONJOB_FAILED:
                self.sums["backups_not_begun"] += 1

    def _add_unusual(self, backup: BackupExecution) -> None:
        self.sums["unusual_total"] += 1
        if len(self.unusual) < MOST_LISTED:
            self.unusual.append(
                UnusualBackup(
                    cluster=backup.cluster,
                    namespace=backup.namespace,
                    cronjob=backup.cronjob,
                    backup_id=backup.id,
                    unusual=backup.unusual[0],
                    is_acknowledged=not backup.is_unusual,
                )
            )

    def add_restore(self, restore: Restore) -> None:
        """Count a drill or verification of a whole backup where it ended in the period."""
        if restore.purpose == "restore" or not self._period.has(restore.ended_at):
            return
        if restore.status is RestoreStatus.FAILED:
            self.sums["verifications_failed"] += 1
        elif restore.status is RestoreStatus.COMPLETED and not restore.include:
            self.sums["verified"] += 1

    def faulty_cronjobs(self) -> list[FaultyCronJob]:
        """Return the CronJobs with faults, those with most of them first."""
        keys = sorted(self._faults, key=lambda key: (-sum(self._faults[key].values()), key))
        return [
            FaultyCronJob(cluster=key[0], namespace=key[1], cronjob=key[2], **self._faults[key])
            for key in keys
        ]


def list_overdue(cronjobs: Iterable[CronJob], now: datetime) -> list[OverduePolicy]:
    """Return the policies whose recovery point is missed, the longest overdue first."""
    overdue = [
        OverduePolicy(
            cluster=cronjob.cluster,
            namespace=cronjob.namespace,
            cronjob=cronjob.name,
            rpo_seconds=cronjob.policy.rpo_seconds if cronjob.policy else None,
            last_good_at=cronjob.last_good_backup_at,
        )
        for cronjob in cronjobs
        if cronjob.backup_overdue
    ]

    def urgency(policy: OverduePolicy) -> tuple[float, str, str]:
        good_at = policy.last_good_at
        age = float("inf") if good_at is None else (now - good_at).total_seconds()
        return -age / (policy.rpo_seconds or 1), policy.namespace, policy.cronjob

    return sorted(overdue, key=urgency)


def list_uncovered(claims: Iterable[ClaimCoverage]) -> list[UncoveredClaim]:
    """Return the claims whose data may be lost: by status in the order of UNCOVERED, then by size."""

    def urgency(claim: ClaimCoverage) -> tuple[int, int, str, str]:
        return UNCOVERED.index(claim.status), -(claim.size_bytes or 0), claim.namespace, claim.name

    return [
        UncoveredClaim(
            cluster=claim.cluster,
            namespace=claim.namespace,
            claim=claim.name,
            status=claim.status,
            size_bytes=claim.size_bytes,
        )
        for claim in sorted((each for each in claims if each.is_uncovered), key=urgency)
    ]


def list_storages(storages: Iterable[BackupStorage]) -> list[StorageOutlook]:
    """Return the outlook of storages: first those with a fault, then by the days until they are full."""

    def urgency(outlook: StorageOutlook) -> tuple[bool, float, float, str]:
        days = float("inf") if outlook.days_until_full is None else outlook.days_until_full
        share = (outlook.used_bytes or 0) / (outlook.capacity_bytes or float("inf"))
        return outlook.fault is None, days, -share, outlook.id

    return sorted(map(describe_outlook, storages), key=urgency)


def describe_outlook(storage: BackupStorage) -> StorageOutlook:
    """Return how a storage is and how long it will last."""
    usage = storage.usage
    return StorageOutlook(
        cluster=storage.cluster,
        id=storage.id,
        days_until_full=usage.days_until_full if usage else None,
        used_bytes=usage.used_bytes if usage else None,
        capacity_bytes=usage.capacity_bytes if usage else None,
        level=usage.level if usage else "unknown",
        fault=_find_fault(storage),
    )


def is_faulty(outlook: StorageOutlook) -> bool:
    """Whether a storage cannot be used, or is nearly full."""
    return outlook.fault is not None or outlook.level == "critical"


def _find_fault(storage: BackupStorage) -> str | None:
    """Return why a storage cannot be used or trusted now; None where it can."""
    if storage.status is not StorageStatus.ACTIVE or storage.reason is not None:
        return storage.message or f"It is {storage.status}."
    return "restic check found damage." if storage.check_ok is False else None
