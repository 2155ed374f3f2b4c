"""What is due, as a function of policies, runs, backups and the time; pure, and safe to ask again."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from kronkeep_common.models import BackupExecution, BackupPolicy, CronJobExecution
from kronkeep_common.reasons import Reason
from kronkeep_common.schedule import Schedule
from kronkeep_common.states import BackupStatus, ExecutionStatus


class Verdict(NamedTuple):
    """The next state of a backup that waits for its run, and why."""

    status: BackupStatus
    reason: str | None = None
    message: str | None = None
    next_step: str | None = None


def follow(run: CronJobExecution, policy: BackupPolicy, now: datetime) -> Verdict | None:
    """What becomes of a waiting backup when its run stands as it does; None while it must wait."""
    if run.status is ExecutionStatus.SUCCEEDED or (
        policy.when == "always" and run.status is ExecutionStatus.FAILED
    ):
        ended = run.ended_at or now
        return (
            Verdict(status=BackupStatus.QUEUED)
            if now >= ended + timedelta(seconds=policy.delay_seconds)
            else None
        )
    if run.status is ExecutionStatus.FAILED:
        words = f"The run failed ({run.reason}), so nothing was archived."
        return Verdict(
            status=BackupStatus.FAILED, reason=Reason.CRONJOB_FAILED, message=words, next_step=run.next_step
        )
    if run.status is ExecutionStatus.CANCELLED:
        return _verdict(BackupStatus.CANCELLED, Reason.CRONJOB_CANCELLED)
    if run.status in (ExecutionStatus.UNKNOWN, ExecutionStatus.MISSED):
        return _verdict(BackupStatus.UNKNOWN, Reason.CRONJOB_UNKNOWN)
    return None


def _verdict(status: BackupStatus, reason: Reason) -> Verdict:
    return Verdict(status=status, reason=reason, message=reason.meaning, next_step=reason.next_step)


def due_slot(policy: BackupPolicy, since: datetime, now: datetime, zone: str) -> datetime | None:
    """The newest slot of the policy's own schedule in (since, now]; at most this one is caught up."""
    if policy.schedule is None or not policy.enabled:
        return None
    slot = Schedule.parse(policy.schedule, policy.time_zone, controller_zone=zone).previous(
        now + timedelta(seconds=1)
    )
    return slot if slot is not None and slot > since else None


def newest_archivable(runs: Iterable[CronJobExecution], policy: BackupPolicy) -> CronJobExecution | None:
    """The newest run whose result a scheduled backup may archive."""
    wanted = {ExecutionStatus.SUCCEEDED}
    if policy.when == "always":
        wanted.add(ExecutionStatus.FAILED)
    return next((run for run in runs if run.status in wanted), None)


def may_retry(backup: BackupExecution, policy: BackupPolicy, free: int = 0) -> bool:
    """Whether a failed archive is tried again; a partial one made its snapshot and is not.

    `free` attempts do not count: they only took away a lock that a dead Job had left.
    """
    reason = Reason.parse(backup.reason)
    return backup.attempt - free <= policy.retries and (reason is None or reason.retryable)


def overdue(backup: BackupExecution, now: datetime) -> Verdict | None:
    """The end of a backup that waited for its run past its deadline."""
    if backup.deadline_at is None or now < backup.deadline_at:
        return None
    return _verdict(BackupStatus.MISSED, Reason.RUN_NEVER_ENDED)


def rpo_overdue(policy: BackupPolicy, last_good: datetime | None, began: datetime, now: datetime) -> bool:
    """Whether the policy has had no good backup for longer than its recovery point allows."""
    if policy.rpo_seconds is None or not policy.enabled:
        return False
    return now - (last_good or began) > timedelta(seconds=policy.rpo_seconds)
