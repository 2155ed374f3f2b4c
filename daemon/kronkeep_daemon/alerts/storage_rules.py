"""The alert rules about storages: pure functions; each returns what is wrong, or None."""

from collections.abc import Callable
from datetime import datetime

from kronkeep_common.alert_codes import AlertCode
from kronkeep_common.models import (
    BackupStorage,
)
from kronkeep_common.reasons import Reason
from kronkeep_common.states import (
    StorageStatus,
)
from kronkeep_common.text import duration, size
from kronkeep_daemon.alerts.history_rules import history_not_archived
from kronkeep_daemon.alerts.recovery_kit_rules import recovery_kit_due
from kronkeep_daemon.alerts.rule_results import (
    AlertFinding,
    RuleResult,
    storage_finding,
)


def storage_failed(storage: BackupStorage) -> RuleResult | None:
    """The storage could not be created or deleted."""
    if storage.status is not StorageStatus.FAILED:
        return None
    next_step = storage.next_step or f"Correct the cause, then: kronkeep storage retry {storage.id}."
    return RuleResult(
        code=AlertCode.STORAGE_FAILED,
        severity="critical",
        message=_message_of(storage, "The storage has failed."),
        next_step=next_step,
        reason=storage.reason,
    )


def storage_unreachable(storage: BackupStorage) -> RuleResult | None:
    """The repository of an active storage could not be opened the last time; a full one can be."""
    if storage.status is not StorageStatus.ACTIVE or storage.check_ok is False or storage.is_reachable:
        return None
    next_step = storage.next_step or "Check the storage's server and credentials."
    return RuleResult(
        code=AlertCode.STORAGE_UNREACHABLE,
        severity="critical",
        message=_message_of(storage, "The storage cannot be reached."),
        next_step=next_step,
        reason=storage.reason,
    )


def storage_damaged(storage: BackupStorage) -> RuleResult | None:
    """`restic check` found errors in the repository."""
    if storage.check_ok is not False:
        return None
    next_step = (
        storage.next_step or "Run restic check and restic repair; back up to another storage meanwhile."
    )
    why = _message_of(storage, "The check of the repository found errors.")
    return RuleResult(
        code=AlertCode.STORAGE_DAMAGED,
        severity="critical",
        message=why,
        next_step=next_step,
        since=storage.checked_at,
        reason=storage.reason,
    )


def deleting_allowed(storage: BackupStorage) -> RuleResult | None:
    """The credentials of archives could delete when they were last tested, and should not."""
    if storage.maintenance_credentials is None or storage.append_only is not False:
        return None
    reason = Reason.DELETING_ALLOWED
    return RuleResult(
        code=AlertCode.DELETING_ALLOWED,
        severity="critical",
        message=reason.meaning,
        next_step=reason.next_step.replace("NAME", storage.id),
        since=storage.append_only_tested_at,
    )


def storage_filling(storage: BackupStorage) -> RuleResult | None:
    """The storage is 85 % full; critical from 95 % on, or where restic found it full."""
    if storage.status is StorageStatus.ACTIVE and storage.reason == Reason.STORAGE_FULL:
        next_step = storage.next_step or Reason.STORAGE_FULL.next_step
        return RuleResult(
            code=AlertCode.STORAGE_FILLING,
            severity="critical",
            message=storage.message or Reason.STORAGE_FULL.meaning,
            next_step=f"{next_step} Then: kronkeep storage test {storage.id}.",
        )
    usage = storage.usage
    if usage is None or not usage.capacity_bytes:
        return None
    if usage.level == "critical" or usage.level == "warning":
        percent = 100 * usage.used_bytes / usage.capacity_bytes
        if usage.available_bytes is not None:
            percent = max(percent, 100 - 100 * usage.available_bytes / usage.capacity_bytes)
        message = f"{percent:.0f} % of {size(usage.capacity_bytes)} is used."
        return RuleResult(
            code=AlertCode.STORAGE_FILLING,
            severity=usage.level,
            message=message,
            next_step="Add space, or keep fewer backups.",
        )
    return None


def storage_lacks_snapshots(storage: BackupStorage) -> RuleResult | None:
    """The repository lacks snapshots, those of old backups and of CronJobs that are gone included."""
    counts = storage.snapshots
    if counts is None or not counts.missing:
        return None
    return RuleResult(
        code=AlertCode.SNAPSHOT_MISSING,
        severity="critical",
        message=f"The snapshots of {counts.missing} backups are no longer in the repository.",
        next_step=(
            "Find out who removed them, and bring them back; where they are gone for good: "
            f"kronkeep storage acknowledge {storage.id}."
        ),
    )


def backups_unrecorded(storage: BackupStorage) -> RuleResult | None:
    """The repository has backups of this kronkeep's clusters that no record knows."""
    counts = storage.snapshots
    if counts is None or not counts.unrecorded:
        return None
    return RuleResult(
        code=AlertCode.BACKUPS_UNRECORDED,
        severity="warning",
        message=f"{counts.unrecorded} backups have snapshots in the repository, and no record.",
        next_step=f"Record them again: kronkeep storage rescan {storage.id}.",
    )


def prune_waits(storage: BackupStorage) -> RuleResult | None:
    """The last prune was not done, for example because snapshots are missing that may still come back."""
    if storage.prune_waits is None:
        return None
    return RuleResult(
        code=AlertCode.PRUNE_WAITS,
        severity="warning",
        message=f"The space of removed snapshots is not freed. {storage.prune_waits}",
        next_step=f"kronkeep storage prune {storage.id} says what is in the way, and what to do.",
    )


def repository_crowded(storage: BackupStorage) -> RuleResult | None:
    """Archives in a repository take long before they begin to read, by the settings."""
    if not storage.crowded:
        return None
    slowest = storage.crowded[0]
    more = f", and in {len(storage.crowded) - 1} others" if len(storage.crowded) > 1 else ""
    return RuleResult(
        code=AlertCode.REPOSITORY_CROWDED,
        severity="warning",
        message=f"In {slowest.id} restic reads the first file only after "
        f"{duration(slowest.first_byte_seconds)}{more}: it has too many snapshots, or too large an index.",
        next_step=f"Keep fewer snapshots and prune (kronkeep storage prune {storage.id}), or divide it: "
        f"kronkeep storage move {storage.id} --layout namespace, or policy.",
    )


STORAGE_RULES: tuple[Callable[[BackupStorage], RuleResult | None], ...] = (
    storage_failed,
    storage_unreachable,
    storage_damaged,
    deleting_allowed,
    storage_filling,
    storage_lacks_snapshots,
    backups_unrecorded,
    prune_waits,
    repository_crowded,
)


def storage_findings(storage: BackupStorage, now: datetime) -> list[AlertFinding]:
    """Return all that is wrong with a storage."""
    results = [*(rule(storage) for rule in STORAGE_RULES)]
    results += [recovery_kit_due(storage, now), history_not_archived(storage, now)]
    return [storage_finding(storage, result) for result in results if result is not None]


def _message_of(storage: BackupStorage, default: str) -> str:
    return storage.message or storage.reason or default
