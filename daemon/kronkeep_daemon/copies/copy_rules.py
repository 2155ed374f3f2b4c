"""Which backups a copy lacks, when they are copied, and how far the copy is behind; pure.

A copy is to have what its retention keeps of the policy's backups, so nothing is copied that would be
removed next. Newer backups come first. After a failure only one backup is tried, until that works: a storage
that is away costs one Job an hour, not one for each backup.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import NamedTuple

from kronkeep_common.models import BackupCopy, BackupExecution, BackupPolicy, CopyState, PolicyCopy, Retention
from kronkeep_common.models.backup_copy import CopyTrigger
from kronkeep_common.schedule import Schedule
from kronkeep_common.states import ENDED_COPIES, BackupStatus, CopyStatus
from kronkeep_daemon.backups import retention_rules

RETRY_AFTER = timedelta(hours=1)
_COPIED = (BackupStatus.SUCCEEDED, BackupStatus.PARTIAL)


class DueCopy(NamedTuple):
    """A backup that is to be copied now, and why."""

    backup: BackupExecution
    trigger: CopyTrigger
    due_at: datetime | None = None


def retention_of(copy: PolicyCopy, policy: BackupPolicy) -> Retention:
    """Return the rules of a copy: its own, or the policy's."""
    return copy.retention or policy.retention


def newest_slot(copy: PolicyCopy, now: datetime, zone: str) -> datetime | None:
    """Return the newest slot of a copy's schedule, None without a schedule.

    zone: the time zone of a schedule without one.
    """
    if copy.schedule is None:
        return None
    schedule = Schedule.parse(copy.schedule, copy.time_zone, controller_zone=zone)
    return schedule.previous(now + timedelta(seconds=1))


def next_slot(copy: PolicyCopy, now: datetime, zone: str) -> datetime | None:
    """Return the next slot of a copy's schedule, None without a schedule."""
    if copy.schedule is None:
        return None
    return Schedule.parse(copy.schedule, copy.time_zone, controller_zone=zone).next(now)


def choose_due(
    copy: PolicyCopy,
    rules: Retention,
    backups: Sequence[BackupExecution],
    copies: Mapping[str, BackupCopy],
    *,
    now: datetime,
    slot: datetime | None,
    first_seen: datetime,
) -> list[DueCopy]:
    """Return the backups that are to be copied now, the newest first.

    backups: those of the policy whose snapshot is there.
    copies: those in the copy's storage, by the backup's id.
    slot: the newest one of the copy's schedule.
    first_seen: when this copy was first seen; slots before it are not caught up.
    """
    if copy.schedule is not None and (slot is None or slot < first_seen):
        return []
    candidates = [
        backup
        for backup in select_backups(copy, rules, backups, now)
        if _is_due(backup, copies.get(backup.id), slot, now)
    ]
    if _last_failed(copies.values()):
        recent = [each for each in copies.values() if each.ended_at is not None]
        newest = max(recent, key=_end_of)
        if now - _end_of(newest) < RETRY_AFTER or any(
            each.status not in ENDED_COPIES for each in copies.values()
        ):
            return []
        candidates = candidates[:1]
    return [DueCopy(backup, _trigger_of(copy, copies.get(backup.id)), slot) for backup in candidates]


def select_backups(
    copy: PolicyCopy, rules: Retention, backups: Sequence[BackupExecution], now: datetime
) -> list[BackupExecution]:
    """Return the backups that a copy is to have, the newest first."""
    copyable = [
        backup
        for backup in backups
        if backup.status in _COPIED and backup.ended_at is not None and backup.storage_id != copy.storage_id
    ]
    kept = retention_rules.keeping_rules(copyable, rules, now)
    return [backup for backup in retention_rules.newest_first(copyable) if backup.id in kept]


def _is_due(backup: BackupExecution, made: BackupCopy | None, slot: datetime | None, now: datetime) -> bool:
    if slot is not None and (backup.ended_at is None or backup.ended_at > slot):
        return False
    if made is None:
        return True
    if made.status is CopyStatus.SUCCEEDED:
        return made.snapshot_state == "missing"
    return made.status is CopyStatus.FAILED and now - _end_of(made) >= RETRY_AFTER


def _last_failed(copies: Iterable[BackupCopy]) -> bool:
    """Whether the copy that ended last had failed."""
    ended = [copy for copy in copies if copy.status in ENDED_COPIES and copy.ended_at is not None]
    return bool(ended) and max(ended, key=_end_of).status is CopyStatus.FAILED


def _end_of(copy: BackupCopy) -> datetime:
    return copy.ended_at or copy.created_at


def _trigger_of(copy: PolicyCopy, made: BackupCopy | None) -> CopyTrigger:
    if made is not None and made.status is CopyStatus.SUCCEEDED:
        return "repair"
    return "scheduled" if copy.schedule is not None else "after-backup"


def describe_state(
    copy: PolicyCopy,
    rules: Retention,
    backups: Sequence[BackupExecution],
    copies: Mapping[str, BackupCopy],
    *,
    now: datetime,
    first_seen: datetime,
) -> CopyState:
    """Return how far a copy is.

    backups: those of the policy that have ended with a snapshot, whether it is there or not.
    copies: those in the copy's storage, by the backup's id.
    first_seen: when this copy was first seen; without a good backup in it its age counts from then.
    """
    good = [backup for backup in retention_rules.newest_first(backups) if retention_rules.is_good(backup)]
    present = {each.backup_id for each in copies.values() if each.is_present}
    newest = next((backup for backup in good if backup.id in present), None)
    newer = [
        backup
        for backup in good
        if (newest is None or backup.recording_order > newest.recording_order)
        and backup.snapshot_state == "present"
        and backup.storage_id != copy.storage_id
    ]
    failed = _newest_failure(copies.values())
    since = newest.ended_at if newest is not None else first_seen
    return CopyState(
        storage_id=copy.storage_id,
        backups=len(present),
        newest_at=newest.created_at if newest is not None else None,
        behind_since=min((backup.ended_at for backup in newer if backup.ended_at is not None), default=None),
        overdue=copy.rpo_seconds is not None
        and since is not None
        and now - since > timedelta(seconds=copy.rpo_seconds),
        verified_at=max((each.verified_at for each in copies.values() if each.verified_at), default=None),
        failed_copy_id=failed.id if failed is not None else None,
        failed_at=failed.ended_at if failed is not None else None,
        reason=failed.reason if failed is not None else None,
        message=failed.message if failed is not None else None,
        next_step=failed.next_step if failed is not None else None,
        retention_waits=retention_rules.plan_retention(
            "", [backup for backup in backups if backup.id in present], rules, now
        ).blocked_by,
    )


def _newest_failure(copies: Iterable[BackupCopy]) -> BackupCopy | None:
    """Return the copy that ended last where it had failed."""
    ended = sorted(
        (copy for copy in copies if copy.status in (CopyStatus.SUCCEEDED, CopyStatus.FAILED)),
        key=_end_of,
    )
    return ended[-1] if ended and ended[-1].status is CopyStatus.FAILED else None


def by_backup(copies: Iterable[BackupCopy]) -> dict[str, BackupCopy]:
    """Return copies in one storage by the ids of their backups."""
    return {copy.backup_id: copy for copy in sorted(copies, key=attrgetter("created_at"))}
