"""What is due, as a function of policies, runs, backups and the time; pure, and safe to ask again."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from kronkeep_common.models import BackupExecution, BackupPolicy, CronJobExecution
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
            status=BackupStatus.FAILED, reason="CronJobFailed", message=words, next_step=run.next_step
        )
    if run.status is ExecutionStatus.CANCELLED:
        words = "The run was cancelled, so nothing was archived."
        return Verdict(
            status=BackupStatus.CANCELLED,
            reason="CronJobCancelled",
            message=words,
            next_step="Run the CronJob again.",
        )
    if run.status in (ExecutionStatus.UNKNOWN, ExecutionStatus.MISSED):
        words = "How the run ended is not known, so nothing was archived."
        return Verdict(
            status=BackupStatus.UNKNOWN,
            reason="CronJobUnknown",
            message=words,
            next_step="Run the CronJob again, or back up now.",
        )
    return None


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


# Reasons that a repetition does not heal.
LASTING = frozenset(
    {
        "WrongPassword",
        "RepositoryMissing",
        "RepositoryDamaged",
        "SourceMissing",
        "DeadlineExceeded",
        "ValidationFailed",
        "ToolMissing",
        "ConfigurationTooLarge",
        "PasswordMissing",
        "SecretMissing",
        "NameTaken",
    }
)


def may_retry(backup: BackupExecution, policy: BackupPolicy, free: int = 0) -> bool:
    """Whether a failed archive is tried again; a partial one made its snapshot and is not.

    `free` attempts do not count: they only took away a lock that a dead Job had left.
    """
    return backup.attempt - free <= policy.retries and backup.reason not in LASTING


def overdue(backup: BackupExecution, now: datetime) -> Verdict | None:
    """The end of a backup that waited for its run past its deadline."""
    if backup.deadline_at is None or now < backup.deadline_at:
        return None
    words = "The run did not end within the backup's deadline, so nothing was archived."
    return Verdict(
        status=BackupStatus.MISSED,
        reason="RunNeverEnded",
        message=words,
        next_step="Look at the run; back up now if need be.",
    )


def rpo_overdue(policy: BackupPolicy, last_good: datetime | None, began: datetime, now: datetime) -> bool:
    """Whether the policy has had no good backup for longer than its recovery point allows."""
    if policy.rpo_seconds is None or not policy.enabled:
        return False
    return now - (last_good or began) > timedelta(seconds=policy.rpo_seconds)
