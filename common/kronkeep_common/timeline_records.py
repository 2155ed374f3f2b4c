"""Records of runs and backups as a timeline has them."""

from kronkeep_common.models import BackupExecution, CronJobExecution
from kronkeep_common.models.timeline import TimelineBackup, TimelineRun
from kronkeep_common.reasons import Reason


def timeline_run(run: CronJobExecution) -> TimelineRun:
    """Return a run's record as a timeline has it."""
    slot = run.scheduled_at if run.job is None else None
    return TimelineRun(
        id=run.id,
        status=run.status,
        began_at=slot or run.started_at or run.created_at,
        ended_at=run.ended_at or run.gap_until,
        reason=run.reason,
        gap_slots=run.gap_slots,
    )


def timeline_backup(backup: BackupExecution) -> TimelineBackup:
    """Return a backup's record as a timeline has it."""
    return TimelineBackup(
        id=backup.id,
        run_id=backup.cronjob_execution_id,
        storage_id=backup.storage_id,
        status=backup.status,
        queued_at=max(backup.created_at, backup.due_at or backup.created_at),
        started_at=backup.started_at,
        ended_at=backup.ended_at,
        reason=backup.reason,
    )


def has_waited(backup: BackupExecution | TimelineBackup) -> bool:
    """Whether a backup was ever in a queue; one that was given up because its run failed was not."""
    return backup.started_at is not None or backup.reason != Reason.CRONJOB_FAILED
