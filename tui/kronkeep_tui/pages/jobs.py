"""Content of the CronJobs view: a row for each, and details of the row under the cursor."""

from collections.abc import Sequence
from datetime import datetime

from rich.cells import cell_len

from kronkeep_common.models import CronJob, CronJobExecution
from kronkeep_common.text import age, duration, short_id, size
from kronkeep_tui.pages.durations import slow_role, trend, usual_seconds
from kronkeep_tui.pages.history import figures, sparkline_rows
from kronkeep_tui.pages.moments import age_cell, local_time, time_until, wait_cell
from kronkeep_tui.pages.status_words import (
    backup_words,
    cause,
    good_age,
    job_role,
    job_state,
    progress_words,
    role,
    state,
    strip,
)
from kronkeep_tui.store import Store, newest_backup, runs_of
from kronkeep_tui.widgets.cells import Span, Text, plain, wrap
from kronkeep_tui.widgets.row_table import Column, TableRow

LAST_RUNS = 10
MOST_RUNS = 12  # lines of a CronJob's details
COLUMNS = (
    Column(title="ST", width=10, letter="s"),
    Column(title="LAST 10", width=11, drop=5),
    Column(title="NAMESPACE", width=11, drop=3, grow=2, letter="n"),
    Column(title="NAME", width=16, grow=6, letter="a"),
    Column(title="SCHEDULE", width=13, drop=6, grow=2),
    Column(title="NEXT", width=6, drop=2, letter="x", right=True, is_moment=True),
    Column(title="LAST", width=6, drop=4, letter="l", right=True, is_moment=True),
    Column(title="BACKUP", width=10, drop=1, letter="b"),
    Column(title="DUR", width=8, drop=7, letter="d", right=True),
    Column(title="USUAL", width=8, drop=8, right=True),
    Column(title="GOOD", width=6, drop=9, letter="g", right=True, is_moment=True),
    Column(title="SIZE", width=10, drop=10, right=True),
    Column(title="STORAGE", width=12, drop=11),
    Column(title="ZONE", width=14, drop=12),
)


def row(cronjob: CronJob, store: Store, now: datetime, runs: Sequence[CronJobExecution] = ()) -> TableRow:
    """Return the row of a CronJob; with its newest runs, the newest first, their durations are a trend."""
    backup = newest_backup(store, cronjob)
    usual = usual_seconds(runs)
    is_read = len(runs) >= min(LAST_RUNS, len(cronjob.recent)) > 0
    cells = (
        job_state(cronjob),
        trend(runs, LAST_RUNS) if is_read else strip(cronjob.recent, LAST_RUNS),
        cronjob.namespace,
        store.label(cronjob.namespace, cronjob.name),
        cronjob.schedule or "-",
        wait_cell(cronjob.next_at if not cronjob.suspended else None, now),
        age_cell(cronjob.last_started_at, now),
        (backup_words(store, cronjob),),
        ((duration(cronjob.last_duration_seconds), slow_role(cronjob.last_duration_seconds, usual)),),
        ((duration(usual), "quiet"),),
        (good_age(cronjob, now),),
        size(backup.result.bytes_read) if backup and backup.result else "-",
        cronjob.policy.storage_id if cronjob.policy else "-",
        cronjob.time_zone or ("-" if cronjob.is_claim else "controller's"),
    )
    return TableRow(cronjob.id, cells, job_role(cronjob))


def detail(
    cronjob: CronJob, store: Store, now: datetime, width: int, most_runs: int = MOST_RUNS
) -> list[Text]:
    """Return what is wrong, then policy and times, then the last runs."""
    lines = _head(cronjob, now, store.cluster_suffix(cronjob.cluster), width)
    run = store.executions.get(cronjob.last_execution_id)
    if run is not None:
        lines += cause(run.message, run.next_step, width, role(run.status))
    lines += fault_lines(cronjob, width)
    lines += [*_policy(cronjob, store, now), *_running_backup(cronjob, store, now, width)]
    if cronjob.is_claim:
        return lines
    lines += [(), *plan_lines(cronjob, now, width)]
    runs = runs_of(store, cronjob.id)
    lines += [(), *figures(runs), *sparkline_rows(store, runs, width)]
    lines += [(), (("RUNS", "title"),)]
    return [*lines, *(_run_line(run, now) for run in runs[:most_runs])]


def fault_lines(cronjob: CronJob, width: int) -> list[Text]:
    """Return what is wrong with the policy, how its schedule does not fit, and what it does not archive."""
    possible = (cronjob.policy_fault, cronjob.nothing_to_archive, cronjob.storage_refusal)
    faults = [fault for fault in possible if fault is not None]
    warnings = [*cronjob.policy_findings, *(volume.sentence for volume in cronjob.unarchived_volumes)]
    lines: list[Text] = [((part, "bad"),) for fault in faults for part in wrap(fault, width)]
    return lines + [((part, "warn"),) for warning in warnings for part in wrap(warning, width)]


def _head(cronjob: CronJob, now: datetime, where: str, width: int) -> list[Text]:
    """Return state and name, then schedule and next run, on one line where they fit."""
    if cronjob.is_claim:
        return [
            (
                (job_state(cronjob), job_role(cronjob)),
                (f"  {cronjob.namespace}/{cronjob.name}{where}", "strong"),
            )
        ]
    when = _suspension(cronjob) if cronjob.suspended else f"next {_time_until_run(cronjob.next_at, now)}"
    text = cronjob.schedule_text or cronjob.schedule
    state_span = (job_state(cronjob), job_role(cronjob))
    name = f"  {cronjob.namespace}/{cronjob.name}{where}"
    times = f"{text}, {when}"
    first: Text = (state_span, (name, "strong"))
    if cell_len(plain(first)) + 2 + cell_len(times) <= width:
        return [(*first, (f"  {times}", ""))]
    return [first, *(((part, ""),) for part in wrap(times, width))]


def plan_lines(cronjob: CronJob, now: datetime, width: int) -> list[Text]:
    """Return what comes next: run, backup, and how long a restore of the newest backup would take."""
    plan = [
        ("next run", None if cronjob.suspended else cronjob.next_at),
        ("next backup", cronjob.next_backup_at),
    ]
    words = [f"{name} {_time_until_run(moment, now)}" for name, moment in plan if moment is not None]
    if cronjob.expected_restore_seconds is not None:
        words.append(f"a restore takes about {duration(cronjob.expected_restore_seconds)}")
    parts = wrap("; ".join(words), max(20, width - 6)) if words else []
    return [((f"{'' if number else 'PLAN':6}", "title"), (part, "")) for number, part in enumerate(parts)]


def _time_until_run(moment: datetime | None, now: datetime) -> str:
    return "-" if moment is None else f"{time_until(moment, now)}, {local_time(moment, now, '%a %H:%M')}"


def _suspension(cronjob: CronJob) -> str:
    if cronjob.maintenance is None:
        return "suspended"
    return f"suspended by the maintenance {short_id(cronjob.maintenance)} (M)"


def _policy(cronjob: CronJob, store: Store, now: datetime) -> list[Text]:
    policy = cronjob.policy
    if policy is None:
        return [
            (("no backup policy", "quiet"), (" · e adds one" if not cronjob.policy_fault else "", "quiet"))
        ]
    backup: Span = backup_words(store, cronjob)
    return [
        (
            ("backup ", "quiet"),
            backup,
            (f" → {policy.storage_id}", ""),
            (f"  {policy.schedule or 'after each run'}", "quiet"),
            ("  last good ", "quiet"),
            good_age(cronjob, now),
        )
    ]


def _running_backup(cronjob: CronJob, store: Store, now: datetime, width: int) -> list[Text]:
    """Return what holds the running backup up, or else its progress."""
    backup = newest_backup(store, cronjob)
    if backup is None or backup.status != "running":
        return []
    if backup.reason is not None:
        return cause(backup.message, backup.next_step, width, "warn")
    if backup.progress is None:
        return []
    return [((progress_words(backup.progress, backup.started_at, now, 20), "run"),)]


def _run_line(run: CronJobExecution, now: datetime) -> Text:
    shown, kind = state(run.status)
    began = age(run.started_at or run.created_at, now)
    return (
        (f"{shown:5}", kind),
        (f"{began:>5}  {duration(run.duration_seconds):>7}  ", ""),
        (run.reason or "", "quiet"),
    )


def question(verb: str, names: list[str]) -> str:
    """Return `Run a and b now?` for a few names, `Run 12 of them now?` for many."""
    shown = ", ".join(names) if len(names) <= 3 else f"{len(names)} CronJobs"
    return f"{verb} {shown}?"
