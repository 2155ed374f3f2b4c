"""Content of the runs view and of one run's page: run, backup, snapshot and restores linked."""

from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter

from kronkeep_common.models import BackupCopy, BackupExecution, CronJobExecution, Restore
from kronkeep_common.text import age, count_words, duration, size
from kronkeep_tui.pages.durations import since_run, slow_role, trend, usual_seconds
from kronkeep_tui.pages.moments import age_cell, local_time
from kronkeep_tui.pages.status_words import FAULTS, backup_state, cause, progress_words, state
from kronkeep_tui.store import Store, backup_of, manual_backups_of
from kronkeep_tui.widgets.cells import Cell, Span, Text, wrap
from kronkeep_tui.widgets.row_table import Column, TableRow

MOST_MANUAL = 3  # backups that somebody started, on the page of a run
TREND = 8  # runs
WITH_USUAL = 120  # columns of the terminal, from which on the usual duration and the trend are shown
COLUMNS = (
    Column(title="ST", width=5, letter="s"),
    Column(title="STARTED", width=8, letter="a", right=True, is_moment=True),
    Column(title="TOOK", width=7, letter="d", right=True),
    Column(title="USUAL", width=7, drop=3, right=True),
    Column(title="TREND", width=TREND + 1, drop=4),
    Column(title="NAMESPACE", width=11, drop=8, grow=1),
    Column(title="CRONJOB", width=18, grow=3, letter="n"),
    Column(title="BY", width=10, drop=6),
    Column(title="BACKUP", width=8, drop=1),
    Column(title="WHY", width=12, drop=2, grow=4),
    Column(title="EXIT", width=5, drop=9),
    Column(title="NODE", width=12, drop=10),
    Column(title="JOB", width=24, drop=11, grow=1),
)


def columns_at(columns: int) -> tuple[Column, ...]:
    """Return the columns for a terminal of a width: narrow ones have neither usual duration nor trend."""
    if columns >= WITH_USUAL:
        return COLUMNS
    wider = {"TOOK": 8, "WHY": 15}
    return tuple(
        column._replace(width=wider.get(column.title, column.width))
        for column in COLUMNS
        if column.title not in ("USUAL", "TREND")
    )


def took(run: CronJobExecution, now: datetime) -> str:
    """Return how long a run took, or has taken so far."""
    if run.duration_seconds is None and run.status == "running" and run.started_at:
        return duration(max(0.0, (now - run.started_at).total_seconds()) // 1)
    return duration(run.duration_seconds)


def row(
    run: CronJobExecution, store: Store, now: datetime, others: Sequence[CronJobExecution] | None = None
) -> TableRow:
    """Return the row of a run; with the other runs of its CronJob, the newest first, with what is usual."""
    shown, kind = state(run.status)
    backup = backup_of(store, run)
    lasting: tuple[Cell, ...] = (took(run, now),)
    if others is not None:
        usual = usual_seconds(others)
        lasting = (
            ((took(run, now), slow_role(run.duration_seconds, usual)),),
            ((duration(usual), "quiet"),),
            trend(since_run(others, run.id), TREND),
        )
    cells = (
        shown,
        age_cell(run.started_at or run.created_at, now),
        *lasting,
        run.namespace,
        store.label(run.namespace, run.cronjob),
        run.trigger.value,
        (backup_state(backup),) if backup else "-",
        run.message or _backup_words(backup),
        "-" if run.exit_code is None else str(run.exit_code),
        run.node or "-",
        run.job or "(no Job)",
    )
    return TableRow(run.id, cells, kind)


def _backup_words(backup: BackupExecution | None) -> str:
    """Return why the backup of a good run cannot be relied on."""
    if backup is None or backup.status not in FAULTS or not backup.message:
        return ""
    return f"backup: {backup.message}"


def head(run: CronJobExecution, store: Store, now: datetime, width: int) -> list[Text]:
    """Return the linked record in words, what is wrong, and what to do first."""
    slot = f", slot {local_time(run.scheduled_at, now, '%d %b %H:%M')}" if run.scheduled_at else ""
    started = (
        f"{local_time(run.started_at, now, '%d %b %H:%M:%S')}, {age(run.started_at, now)} ago"
        if run.started_at
        else "never"
    )
    lines: list[Text] = [
        (
            state(run.status),
            (f"  {run.namespace}/{run.cronjob}{store.cluster_suffix(run.cluster)}", "strong"),
            (f"  {run.job or '(no Job)'}", "quiet"),
            (f"  {run.reason}" if run.reason else "", "warn"),
        ),
        (
            ("started ", "quiet"),
            (started, ""),
            ("  took ", "quiet"),
            (took(run, now), ""),
            (f"  by {run.trigger.value}{slot}", "quiet"),
        ),
    ]
    lines += cause(run.message, run.next_step, width, state(run.status)[1])
    lines += [*_pods(run), *backup_lines(backup_of(store, run), store, now, width)]
    return [*lines, *(_manual_line(backup, now) for backup in manual_backups_of(store, run)[:MOST_MANUAL])]


def _manual_line(backup: BackupExecution, now: datetime) -> Text:
    """Return a backup that somebody started beside the run's own one, with its cause."""
    return (
        ("by hand ", "quiet"),
        backup_state(backup),
        (f" → {backup.storage_id}  {age(backup.created_at, now)} ago", ""),
        (f"  {backup.reason}" if backup.reason else "", "quiet"),
    )


def _pods(run: CronJobExecution) -> list[Text]:
    if not run.pods:
        return []
    count = (
        f"{run.attempts}, of which {len(run.pods)} are kept"
        if run.attempts > len(run.pods)
        else len(run.pods)
    )
    words: list[Span] = [("pods ", "quiet"), (str(count), "")]
    last = run.pods[-1]
    if last.exit_code is not None:
        words.append((f"  attempt {last.attempt}" if last.attempt > 1 else "", ""))
        words.append((f"  exit {last.exit_code}{f' {last.reason}' if last.reason else ''}", ""))
    words.append((f"  on {last.node}" if last.node else "", "quiet"))
    words.append((f"  {count_words(run.restarts, 'restart')}" if run.restarts else "", "warn"))
    return [tuple(words)]


def backup_lines(backup: BackupExecution | None, store: Store, now: datetime, width: int) -> list[Text]:
    """Return the backup, its snapshot and its restores."""
    if backup is None:
        return [(("backup ", "quiet"), ("none belongs to this run", "quiet"))]
    again = f"  attempt {backup.attempt}" if backup.attempt > 1 else ""
    lines: list[Text] = [
        (
            ("backup ", "quiet"),
            backup_state(backup),
            (f" → {backup.storage_id}", ""),
            (f"  {backup.backup_type}, {backup.trigger}{again}", "quiet"),
            (f"  due {age(backup.due_at, now)}" if backup.due_at and backup.due_at > now else "", ""),
        )
    ]
    if backup.progress is not None and backup.result is None:
        lines.append(
            ((progress_words(backup.progress, backup.started_at, now, max(10, min(40, width - 50))), "run"),)
        )
        if backup.progress.current_file:
            lines.append(((f"  {backup.progress.current_file}", "quiet"),))
    lines += cause(backup.message, backup.next_step, width, state(backup.status)[1])
    left_out = [volume.sentence for volume in backup.unarchived_volumes]
    lines += [((part, "warn"),) for words in backup.unusual for part in wrap(f"! {words}", width)]
    lines += [((f"! {warning}", "warn"),) for warning in (*backup.warnings[:3], *left_out[:3])]
    return [*lines, *_snapshot(backup, store, now)]


def _snapshot(backup: BackupExecution, store: Store, now: datetime) -> list[Text]:
    result = backup.result
    if result is None:
        return []
    kept: Span = ("removed by retention", "warn") if backup.snapshot_removed_at else ("kept", "ok")
    if backup.snapshot_missing_at is not None:
        kept = ("missing from the repository", "bad")
    if backup.recovered_at is not None:
        kept = (f"{kept[0]}, found in the repository", kept[1])
    lines: list[Text] = [
        (
            ("snapshot ", "quiet"),
            (result.snapshot_id[:12], "strong"),
            (" ", ""),
            kept,
            (f"  {count_words(result.files_total, 'file')}, {size(result.bytes_read)} read", ""),
            (f", {size(result.bytes_added)} new", ""),
            (f"  in {duration(result.duration_seconds)}", "quiet"),
        )
    ]
    copies = sorted(
        (copy for copy in store.copies.newest() if copy.backup_id == backup.id), key=attrgetter("storage_id")
    )
    lines += [_copy(copy, now) for copy in copies]
    restores = [r for r in store.restores.newest() if r.backup_id == backup.id]
    return lines + [_restore(restore, now) for restore in restores[:3]]


def _copy(copy: BackupCopy, now: datetime) -> Text:
    gone: dict[str, Span] = {
        "removed": ("  removed by its retention", "warn"),
        "missing": ("  missing from the repository: it is made again", "bad"),
    }
    return (
        ("copy ", "quiet"),
        state(copy.status),
        (f" → {copy.storage_id}", ""),
        gone.get(copy.snapshot_state, ("", "")),
        (f"  verified {age(copy.verified_at, now)} ago" if copy.verified_at else "", "ok"),
        (f"  {copy.message}" if copy.message else "", "warn"),
    )


def _restore(restore: Restore, now: datetime) -> Text:
    target = restore.target
    where = (
        f"{target.namespace or restore.namespace}/{target.claim or target.kind}"
        if target
        else "scratch space"
    )
    return (
        (f"{restore.purpose} ", "quiet"),
        state(restore.status),
        (f" → {where}", ""),
        (f"  {age(restore.created_at, now)} ago", "quiet"),
    )


def detail(run: CronJobExecution, store: Store, now: datetime, width: int) -> list[Text]:
    """Return the details of the run under the cursor."""
    return head(run, store, now, width)


def label(run: CronJobExecution) -> str:
    """Return NAMESPACE/JOB, or the CronJob's name for a run without a Job."""
    return f"{run.namespace}/{run.job or run.cronjob}"
