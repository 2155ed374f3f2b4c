"""Sections of the pane beside a list on a wide screen: backups, what retention does, what goes on; pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import BackupExecution, BackupStorage, CronJob, RetentionPlan
from kronkeep_common.states import BACKUP_TRANSITIONS, is_final
from kronkeep_common.text import age, count_words, duration, size, stay_words
from kronkeep_tui.pages.moments import local_time, time_until
from kronkeep_tui.pages.policies import retention_words
from kronkeep_tui.pages.status_words import backup_state, cause, progress_words
from kronkeep_tui.store import Store
from kronkeep_tui.widgets.cells import Text, fit, wrap

MOST_LINES = 10  # of a section
MOST_REMOVALS = 4
MOST_LOOKED_AT = 2_000  # backups, the newest, among which those of a storage are searched
NAME_CELLS = 22


def backup_lines(
    backups: Iterable[BackupExecution], now: datetime, *, store: Store | None = None
) -> list[Text]:
    """Return the newest ended backups, a line each; with a store, each with the name of its CronJob."""
    lines: list[Text] = []
    for backup in backups:
        if len(lines) == MOST_LINES:
            break
        if is_final(BACKUP_TRANSITIONS, backup.status):
            lines.append(_backup_line(backup, now, store))
    return [(), (("BACKUPS", "title"),), *lines] if lines else []


def _backup_line(backup: BackupExecution, now: datetime, store: Store | None) -> Text:
    shown, kind = backup_state(backup)
    result = backup.result
    began = age(backup.ended_at or backup.created_at, now)
    name = "" if store is None else f"  {fit(store.label(backup.namespace, backup.cronjob), NAME_CELLS)}"
    figures = f"{size(result.bytes_added):>10} new of {size(result.bytes_read)}" if result else ""
    # The blanks before the age belong to the state: a line would break before them (wrap_facts).
    return (
        (f"{shown:5}{' ' * (5 - len(began))}", kind),
        (f"{began}  {duration(backup.duration_seconds):>7}{name}{figures}", ""),
        (f"  {backup.reason}" if backup.reason else "", "quiet"),
    )


def retention_lines(
    plan: RetentionPlan | KronkeepError | None, waiting: Sequence[Text], now: datetime, width: int
) -> list[Text]:
    """Return how many snapshots stay and go by a policy's rules; `waiting` where that was not read."""
    title: Text = (("KEEP  ", "title"),)
    if plan is None:
        first, *more = waiting
        return [(), (*title, *first), *more]
    if isinstance(plan, KronkeepError):
        return [(), title, *cause(plan.message, plan.next_step, width, "bad")]
    removals = len(plan.remove)
    words = f"{stay_words(len(plan.keep))}, {removals} {'goes' if removals == 1 else 'go'}"
    when = " after the next backup" if removals and plan.blocked_by is None and plan.held_by is None else ""
    lines: list[Text] = [(), (*title, (f"{words}{when}", ""), (f"  ({retention_words(plan.retention)})", ""))]
    for reason in (plan.held_by, plan.blocked_by):
        lines += [((part, "warn"),) for part in wrap(reason, width)] if reason else []
    for verdict in plan.remove[:MOST_REMOVALS]:
        why = f"{local_time(verdict.created_at, now, '%d %b %H:%M')}  {verdict.why}"
        lines.append(((f"goes  {verdict.snapshot_id[:8]:8}  {why}", "quiet"),))
    return lines


def snapshot_lines(
    backup: BackupExecution,
    cronjob: CronJob | None,
    plan: RetentionPlan | KronkeepError | None,
    waiting: Sequence[Text],
    width: int,
) -> list[Text]:
    """Return what becomes of a snapshot, and how long its restore takes; `waiting` before that was read."""
    words = ["pinned, so it stays"] if backup.pinned else []
    if isinstance(plan, RetentionPlan) and not backup.pinned:
        words += [f"stays: {each.why}" for each in plan.keep if each.backup_id == backup.id]
        words += [f"goes: {each.why}" for each in plan.remove if each.backup_id == backup.id]
    elif isinstance(plan, KronkeepError):
        words.append(plan.message)
    elif cronjob is None or cronjob.policy is None:
        words += [] if backup.pinned else ["stays: no policy, so nothing removes it by itself"]
    else:
        return [(), (("PLAN  ", "title"), *waiting[0]), *waiting[1:]]
    if cronjob is not None and cronjob.expected_restore_seconds is not None:
        words.append(f"a restore takes about {duration(cronjob.expected_restore_seconds)}")
    parts = wrap("; ".join(words), max(20, width - 6)) if words else []
    lines: list[Text] = [
        ((f"{'' if number else 'PLAN':6}", "title"), (part, "")) for number, part in enumerate(parts)
    ]
    return [(), *lines] if lines else []


def storage_lines(
    storage: BackupStorage, users: Sequence[CronJob], store: Store, now: datetime
) -> list[Text]:
    """Return the archives that go on or wait for a storage, the next ones that are due, and the last ones."""
    newest = store.backups.newest()[:MOST_LOOKED_AT]
    own = [backup for backup in newest if backup.storage_id == storage.id]
    return [
        *_open_lines(own, store, now),
        *_due_lines(users, store, now),
        *backup_lines(own, now, store=store),
    ]


def _open_lines(own: Sequence[BackupExecution], store: Store, now: datetime) -> list[Text]:
    unended = [backup for backup in own if not is_final(BACKUP_TRANSITIONS, backup.status)]
    lines: list[Text] = [
        (),
        (("NOW", "title"), ("" if unended else "  no archive goes on or waits", "quiet")),
    ]
    for backup in unended[:MOST_LINES]:
        shown, kind = backup_state(backup)
        name = fit(store.label(backup.namespace, backup.cronjob), NAME_CELLS)
        words = progress_words(backup.progress, backup.started_at, now, 10) if backup.progress else ""
        lines.append(((f"{shown:5}", kind), (f"{name}  ", ""), (words, "run")))
    if len(unended) > MOST_LINES:
        lines.append(((f"and {count_words(len(unended) - MOST_LINES, 'more archive')}", "quiet"),))
    return lines


def _due_lines(users: Sequence[CronJob], store: Store, now: datetime) -> list[Text]:
    due = sorted(
        (cronjob.next_backup_at, store.label(cronjob.namespace, cronjob.name))
        for cronjob in users
        if cronjob.next_backup_at is not None
    )
    lines: list[Text] = [
        (
            (fit(name, NAME_CELLS), ""),
            (f"  {time_until(at, now)}, {local_time(at, now, '%a %H:%M')}", "quiet"),
        )
        for at, name in due[:MOST_LINES]
    ]
    return [(), (("PLAN", "title"), ("  the next backups", "quiet")), *lines] if lines else []
