"""The evidence that records give of a policy over a period: pure functions."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from kronkeep_common.models import BackupExecution, Restore
from kronkeep_common.models.copy_state import CopyState
from kronkeep_common.models.report import PolicyEvidence
from kronkeep_common.states import BackupStatus, RestoreStatus


class Period(NamedTuple):
    """A period from `start` on, before `end`."""

    start: datetime
    end: datetime

    def has(self, moment: datetime | None) -> bool:
        """Whether a moment lies in the period."""
        return moment is not None and self.start <= moment < self.end


class EvidenceSubject(NamedTuple):
    """A policy and the CronJob that carries or carried it; `since` is when the policy was first seen."""

    policy_id: str
    cluster: str
    namespace: str
    cronjob: str
    storage_id: str
    is_gone: bool
    rpo_seconds: float | None
    since: datetime
    rto_seconds: float | None = None
    copies: tuple[CopyState, ...] = ()


def collect_evidence(
    subject: EvidenceSubject,
    backups: Sequence[BackupExecution],
    restores: Iterable[Restore],
    period: Period,
) -> PolicyEvidence:
    """Return what records show of a policy; its backups go back to the last good one before the period."""
    inside = [backup for backup in backups if period.has(backup.created_at)]
    statuses = Counter(backup.status for backup in inside)
    tests = [each for each in restores if each.purpose != "restore" and period.has(each.created_at)]
    passed = [each for each in tests if each.status is RestoreStatus.COMPLETED]
    start = max(period.start, min(subject.since, period.end))
    gap_from, gap = find_worst_gap([point_of(b) for b in backups if is_good(b)], Period(start, period.end))
    measured = max((measure_restore(each) for each in passed), default=None)
    rto = subject.rto_seconds
    behind = [copy.behind_since for copy in subject.copies if copy.behind_since is not None]
    return PolicyEvidence(
        policy_id=subject.policy_id,
        cluster=subject.cluster,
        namespace=subject.namespace,
        cronjob=subject.cronjob,
        storage_id=subject.storage_id,
        is_gone=subject.is_gone,
        rpo_seconds=subject.rpo_seconds,
        rpo_kept=None if subject.rpo_seconds is None else gap <= subject.rpo_seconds,
        worst_gap_seconds=gap,
        worst_gap_from=gap_from,
        good=sum(map(is_good, inside)),
        partial=statuses[BackupStatus.PARTIAL],
        failed=statuses[BackupStatus.FAILED],
        missed=statuses[BackupStatus.MISSED],
        unknown=statuses[BackupStatus.UNKNOWN],
        unverified=sum(is_good(backup) and backup.verified_at is None for backup in inside),
        removed=sum(period.has(backup.snapshot_removed_at) for backup in backups),
        rto_seconds=rto,
        rto_kept=None if rto is None or measured is None else measured <= rto,
        copies=len(subject.copies),
        copies_overdue=sum(copy.overdue for copy in subject.copies),
        copies_lag_seconds=max(0.0, (period.end - min(behind)).total_seconds()) if behind else None,
        drills=len(tests),
        drills_failed=sum(each.status is RestoreStatus.FAILED for each in tests),
        slowest_restore_seconds=max((each.duration_seconds or 0 for each in passed), default=None),
        last_verified_at=max((each.ended_at for each in passed if each.ended_at), default=None),
    )


def measure_restore(restore: Restore) -> float:
    """Return how long the files of a restore took, without waiting and comparing where that was measured."""
    return restore.restore_seconds or restore.duration_seconds or 0


def is_good(backup: BackupExecution) -> bool:
    """Whether a backup has everything, in a snapshot that was not found missing."""
    return backup.status is BackupStatus.SUCCEEDED and backup.snapshot_missing_at is None


def point_of(backup: BackupExecution) -> datetime:
    """Return the time whose data a backup has: what was written after its start may lack."""
    return backup.started_at or backup.created_at


def find_worst_gap(points: Iterable[datetime], period: Period) -> tuple[datetime, float]:
    """Return the start and the seconds of the longest time without a newer point, up to the period's end.

    A gap that began before the period counts from its own beginning.
    """
    ordered = sorted(points)
    before = [point for point in ordered if point < period.start]
    marks = [before[-1] if before else period.start]
    marks += [point for point in ordered if period.has(point)]
    gaps = [(first, (second - first).total_seconds()) for first, second in pairwise([*marks, period.end])]
    return max(gaps, key=lambda gap: gap[1])
