"""From records to the rows of tables and the lines of pages; pure, words before colours."""

from datetime import datetime

from kronkeep_common.models import BackupExecution, CronJob, CronJobExecution
from kronkeep_common.text import age, duration, size
from kronkeep_tui.store import Store, backup_of
from kronkeep_tui.widgets.row_table import Column, Row

WORDS = {
    "pending": "wait",
    "running": "run",
    "succeeded": "ok",
    "failed": "FAIL",
    "cancelled": "gone",
    "missed": "miss",
    "unknown": "?",
    "waiting": "wait",
    "queued": "wait",
    "partial": "PART",
}
COLOURS = {"ok": "green", "FAIL": "red", "PART": "yellow", "late": "yellow", "?": "yellow", "run": "cyan"}
_STRIP = {"succeeded": ".", "failed": "x", "running": ">", "pending": ">", "missed": "m"}
JOB_COLUMNS = (
    Column("ST", 5),
    Column("LAST 10", 11),
    Column("NAMESPACE", 10),
    Column("NAME", 17),
    Column("SCHEDULE", 13),
    Column("NEXT", 7),
    Column("LAST", 6),
    Column("BACKUP", 10),
)
RUN_COLUMNS = (
    Column("ST", 5),
    Column("STARTED", 10),
    Column("TOOK", 8),
    Column("BY", 10),
    Column("BACKUP", 8),
    Column("WHY", 30),
)


def job_row(cronjob: CronJob, store: Store, now: datetime) -> Row:
    """One CronJob."""
    state = _job_state(cronjob)
    strip = "".join(_STRIP.get(status, "?") for status in cronjob.recent[-10:]).rjust(10, " ")
    backup = _backup_words(store, cronjob)
    cells = (
        state,
        strip,
        cronjob.namespace,
        cronjob.name,
        cronjob.schedule,
        age(cronjob.next_at, now).removeprefix("in ") if cronjob.next_at else "--",
        age(cronjob.last_started_at, now),
        backup,
    )
    return Row(f"{cronjob.namespace}/{cronjob.name}", cells, COLOURS.get(state, ""))


def _job_state(cronjob: CronJob) -> str:
    if cronjob.suspended:
        return "susp"
    if cronjob.late_since is not None:
        return "late"
    return WORDS.get(cronjob.recent[-1], "?") if cronjob.recent else "new"


def _backup_words(store: Store, cronjob: CronJob) -> str:
    if cronjob.policy_fault:
        return "bad policy"
    if cronjob.policy is None:
        return "none"
    found = [b for b in store.backups.values() if b.cronjob_id == cronjob.id]
    last = max(found, key=lambda b: b.created_at, default=None)
    return "none yet" if last is None else WORDS.get(last.status, last.status)


def run_row(run: CronJobExecution, store: Store, now: datetime) -> Row:
    """One run."""
    state = WORDS.get(run.status, "?")
    backup = backup_of(store, run)
    cells = (
        state,
        age(run.started_at or run.created_at, now),
        duration(run.duration_seconds),
        run.trigger.value,
        WORDS.get(backup.status, "?") if backup else "-",
        run.message or "",
    )
    return Row(run.id, cells, COLOURS.get(state, ""))


def run_lines(run: CronJobExecution, backup: BackupExecution | None, now: datetime) -> list[str]:
    """The head of a run's page: the linked record in words."""
    slot = f", slot {run.scheduled_at:%Y-%m-%d %H:%M}Z" if run.scheduled_at else ""
    lines = [
        f"{WORDS.get(run.status, '?')}  {run.namespace}/{run.cronjob}  {run.job or '(no Job)'}",
        f"started {age(run.started_at, now)}  took {duration(run.duration_seconds)}  "
        f"by {run.trigger.value}{slot}",
    ]
    if run.message:
        lines.append(f"{run.message} {run.next_step or ''}")
    return [*lines, *_backup_lines(backup)]


def _backup_lines(backup: BackupExecution | None) -> list[str]:
    if backup is None:
        return ["backup: none"]
    lines = [f"backup: {WORDS.get(backup.status, '?')} -> {backup.storage_id} ({backup.backup_type})"]
    if backup.progress is not None:
        lines.append(bar(backup.progress.percent, 40) + f" {size(backup.progress.bytes_done)}")
    if backup.result is not None:
        result = backup.result
        kept = "removed by retention" if backup.snapshot_removed_at else "kept"
        lines.append(
            f"snapshot {result.snapshot_id} ({kept}): {result.files_total} files, "
            f"{size(result.bytes_read)} read, "
            f"{size(result.bytes_added)} new, {duration(result.duration_seconds)}"
        )
    if backup.message:
        lines.append(f"{backup.message} {backup.next_step or ''}")
    return lines


def bar(percent: float, width: int) -> str:
    """`[####......] 41%`."""
    full = round(width * max(0.0, min(100.0, percent)) / 100)
    return f"[{'#' * full}{'.' * (width - full)}] {percent:.0f}%"
