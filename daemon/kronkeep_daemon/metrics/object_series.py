"""The values of one CronJob's or storage's series, from its present state; pure."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from kronkeep_common.models import BackupExecution, BackupStorage, CronJob
from kronkeep_common.models.copy_state import CopyState
from kronkeep_common.monitoring import metric_families as families
from kronkeep_common.states import (
    BACKUP_TRANSITIONS,
    EXECUTION_TRANSITIONS,
    BackupStatus,
    ExecutionStatus,
    is_final,
)
from kronkeep_daemon.metrics.series_cache import Value

DAY = 86400
IGNORED_RUNS = (ExecutionStatus.CANCELLED, ExecutionStatus.MISSED)


class BackupFigures(NamedTuple):
    """What series say of a CronJob's newest backups: whether the newest that ended is good, and the newest
    good one's figures; None where there is none.
    """

    last_ok: bool | None = None
    read_bytes: int | None = None
    new_bytes: int | None = None
    duration_seconds: float | None = None


def read_figures(backups: Iterable[BackupExecution]) -> BackupFigures:
    """Return the figures of backups, the newest first."""
    last_ok: bool | None = None
    for backup in backups:
        if not is_final(BACKUP_TRANSITIONS, backup.status) or backup.status is BackupStatus.CANCELLED:
            continue
        is_good = backup.status is BackupStatus.SUCCEEDED and backup.snapshot_missing_at is None
        last_ok = is_good if last_ok is None else last_ok
        if is_good and backup.result is not None:
            return BackupFigures(
                last_ok=last_ok,
                read_bytes=backup.result.bytes_read,
                new_bytes=backup.result.bytes_added,
                duration_seconds=backup.duration_seconds,
            )
    return BackupFigures(last_ok=last_ok)


def cronjob_values(
    cronjob: CronJob, last_success: datetime | None, backups: BackupFigures
) -> Iterator[Value]:
    """Yield the values of a CronJob; what is not known has none."""
    yield from _drop_unknown(
        [
            (families.CRONJOB_LAST_SUCCESS, _timestamp(last_success)),
            (families.CRONJOB_LAST_RUN_OK, _last_run_ok(cronjob)),
            (families.CRONJOB_LAST_DURATION, cronjob.last_duration_seconds),
            (families.CRONJOB_LATE_SINCE, _timestamp(cronjob.late_since)),
            (families.CRONJOB_NEXT_RUN, _timestamp(cronjob.next_at)),
            (families.CRONJOB_SUSPENDED, cronjob.suspended),
        ]
    )
    if cronjob.policy is not None:
        yield from _drop_unknown(
            [
                (families.POLICY_LAST_GOOD, _timestamp(cronjob.last_good_backup_at)),
                (families.POLICY_LAST_VERIFIED, _timestamp(cronjob.last_verified_at)),
                (families.POLICY_RPO, cronjob.policy.rpo_seconds),
                (families.POLICY_OVERDUE, cronjob.backup_overdue),
                (families.POLICY_LAST_OK, backups.last_ok),
                (families.POLICY_READ_BYTES, backups.read_bytes),
                (families.POLICY_NEW_BYTES, backups.new_bytes),
                (families.POLICY_LAST_DURATION, backups.duration_seconds),
                (families.POLICY_NEXT_BACKUP, _timestamp(cronjob.next_backup_at)),
                (families.POLICY_RTO, cronjob.policy.rto_seconds),
                (families.POLICY_EXPECTED_RESTORE, cronjob.expected_restore_seconds),
            ]
        )


def copy_values(copy: CopyState, now: datetime) -> Iterator[Value]:
    """Yield the values of a copy of a policy's backups; what is not known has none."""
    behind = copy.behind_since
    yield from _drop_unknown(
        [
            (families.COPY_NEWEST, _timestamp(copy.newest_at)),
            (families.COPY_LAG, 0 if behind is None else max(0.0, (now - behind).total_seconds())),
            (families.COPY_OVERDUE, copy.overdue),
            (families.COPY_VERIFIED, _timestamp(copy.verified_at)),
        ]
    )


def storage_values(storage: BackupStorage) -> Iterator[Value]:
    """Yield the values of a storage; what is not known has none."""
    usage = storage.usage
    yield from _drop_unknown(
        [
            (families.STORAGE_REACHABLE, storage.is_reachable),
            (families.STORAGE_CHECK_OK, storage.check_ok),
            (families.STORAGE_CHECKED, _timestamp(storage.checked_at)),
            (families.STORAGE_MISSING, storage.snapshots.missing if storage.snapshots else None),
        ]
    )
    if usage is not None:
        days = usage.days_until_full
        yield from _drop_unknown(
            [
                (families.STORAGE_USED, usage.used_bytes),
                (families.STORAGE_CAPACITY, usage.capacity_bytes),
                (families.STORAGE_AVAILABLE, usage.available_bytes),
                (families.STORAGE_SNAPSHOTS, usage.snapshots),
                (families.STORAGE_FULL_IN, None if days is None else days * DAY),
                (families.STORAGE_MEASURED, _timestamp(usage.measured_at)),
            ]
        )


def _drop_unknown(values: Iterable[tuple[families.MetricFamily, float | None]]) -> Iterator[Value]:
    return ((family, value) for family, value in values if value is not None)


def _timestamp(moment: datetime | None) -> float | None:
    return None if moment is None else round(moment.timestamp(), 3)


def _last_run_ok(cronjob: CronJob) -> bool | None:
    for status in reversed(cronjob.recent):
        if is_final(EXECUTION_TRANSITIONS, status) and status not in IGNORED_RUNS:
            return status is ExecutionStatus.SUCCEEDED
    return None
