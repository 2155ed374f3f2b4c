"""The planning rules: what a waiting backup does next, which slot is due, what is tried again; pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from kronkeep_common.models import BackupExecution, BackupPolicy, CronJobExecution
from kronkeep_common.reasons import Reason
from kronkeep_common.schedule import Schedule
from kronkeep_common.states import EXECUTION_TRANSITIONS, BackupStatus, ExecutionStatus, is_final


class BackupTransition(NamedTuple):
    """The next status of a backup, and why."""

    status: BackupStatus
    reason: str | None = None
    message: str | None = None
    next_step: str | None = None


def transition_for(status: BackupStatus, reason: Reason) -> BackupTransition:
    """Return the transition to `status` with the texts of `reason`."""
    return BackupTransition(status=status, reason=reason, message=reason.meaning, next_step=reason.next_step)


def transition_after_run(
    run: CronJobExecution, policy: BackupPolicy, now: datetime
) -> BackupTransition | None:
    """Return what a waiting backup does, given its run; None while it must wait."""
    if run.status in _archivable(policy):
        due_at = (run.ended_at or now) + timedelta(seconds=policy.delay_seconds)
        return BackupTransition(status=BackupStatus.QUEUED) if now >= due_at else None
    if run.status is ExecutionStatus.FAILED:
        return BackupTransition(
            status=BackupStatus.FAILED,
            reason=Reason.CRONJOB_FAILED,
            message=f"The run failed ({run.reason}), so nothing was archived.",
            next_step=run.next_step,
        )
    if run.status is ExecutionStatus.CANCELLED:
        return transition_for(BackupStatus.CANCELLED, Reason.CRONJOB_CANCELLED)
    if run.status in (ExecutionStatus.UNKNOWN, ExecutionStatus.MISSED):
        return transition_for(BackupStatus.UNKNOWN, Reason.CRONJOB_UNKNOWN)
    return None


def wait_for_run(run: CronJobExecution) -> BackupTransition:
    """Return the state of a backup that waits: why its run has not ended, where that is known."""
    if is_final(EXECUTION_TRANSITIONS, run.status) or run.message is None:
        return BackupTransition(status=BackupStatus.WAITING)
    return BackupTransition(
        status=BackupStatus.WAITING,
        reason=run.reason,
        message=f"The run has not ended. {run.message}",
        next_step=run.next_step,
    )


def wait_for_policy(backup: BackupExecution, fault: str, now: datetime) -> BackupTransition:
    """Return the state of a backup whose policy cannot be read: it waits for that until its deadline.

    fault: why the policy cannot be read.
    """
    is_over = backup.deadline_at is not None and now >= backup.deadline_at
    reason = Reason.POLICY_INVALID
    return BackupTransition(
        status=BackupStatus.MISSED if is_over else BackupStatus.WAITING,
        reason=reason,
        message=fault,
        next_step=reason.next_step,
    )


def transition_at_deadline(backup: BackupExecution, now: datetime) -> BackupTransition | None:
    """Return the end of a backup whose run has not ended by the backup's deadline; None before it."""
    if backup.deadline_at is None or now < backup.deadline_at:
        return None
    return transition_for(BackupStatus.MISSED, Reason.RUN_NEVER_ENDED)


def _archivable(policy: BackupPolicy) -> frozenset[ExecutionStatus]:
    """Return the statuses of runs whose result the policy archives."""
    if policy.when == "always":
        return frozenset({ExecutionStatus.SUCCEEDED, ExecutionStatus.FAILED})
    return frozenset({ExecutionStatus.SUCCEEDED})


def due_slot(policy: BackupPolicy, since: datetime, now: datetime, zone: str) -> datetime | None:
    """Return the newest slot of the policy's own schedule in (since, now]; earlier ones are not caught up.

    zone: the time zone of a schedule without one.
    """
    if policy.schedule is None or not policy.enabled:
        return None
    schedule = Schedule.parse(policy.schedule, policy.time_zone, controller_zone=zone)
    slot = schedule.previous(now + timedelta(seconds=1))
    return slot if slot is not None and slot > since else None


def newest_archivable_run(runs: Iterable[CronJobExecution], policy: BackupPolicy) -> CronJobExecution | None:
    """Return the first of the runs, newest first, whose result a scheduled backup may archive."""
    statuses = _archivable(policy)
    return next((run for run in runs if run.status in statuses), None)


def may_retry(backup: BackupExecution, policy: BackupPolicy, free: int = 0) -> bool:
    """Return whether a failed archive is tried again.

    free: the number of attempts that do not count, because they only removed a lock that a dead Job had left.
    """
    reason = Reason.parse(backup.reason)
    return backup.attempt - free <= policy.retries and (reason is None or reason.retryable)


def misses_recovery_point(
    policy: BackupPolicy, last_good: datetime | None, first_seen: datetime, now: datetime
) -> bool:
    """Return whether the policy has had no good backup for longer than its `rpo_seconds`.

    last_good: when the newest good backup ended; without one the time counts from `first_seen`.
    """
    if policy.rpo_seconds is None or not policy.enabled:
        return False
    return now - (last_good or first_seen) > timedelta(seconds=policy.rpo_seconds)
