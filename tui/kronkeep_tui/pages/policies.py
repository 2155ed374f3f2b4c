"""Content of the policies view: a row for each, and details of the row under the cursor."""

from datetime import datetime

import msgspec

from kronkeep_common.models import BackupPolicy, CopyState, CronJob, Retention
from kronkeep_common.reasons import Reason
from kronkeep_common.text import age, count_words, duration
from kronkeep_tui.pages.jobs import MOST_RUNS, fault_lines
from kronkeep_tui.pages.jobs import detail as job_detail
from kronkeep_tui.pages.moments import age_cell, wait_cell
from kronkeep_tui.pages.status_words import backup_words, cause, good_age, role
from kronkeep_tui.store import Store, newest_backup
from kronkeep_tui.widgets.cells import Span, Text, plain
from kronkeep_tui.widgets.row_table import Column, TableRow

COLUMNS = (
    Column(title="BACKUP", width=10, letter="b"),
    Column(title="NAMESPACE", width=11, drop=5, grow=1, letter="n"),
    Column(title="CRONJOB", width=16, grow=3, letter="a"),
    Column(title="RPO", width=5, letter="o"),
    Column(title="GOOD", width=6, letter="g", right=True, is_moment=True),
    Column(title="VERIFIED", width=9, drop=2, letter="v", right=True, is_moment=True),
    Column(title="NEXT", width=6, drop=1, letter="x", right=True, is_moment=True),
    Column(title="FINDINGS", width=16, drop=3, grow=2),
    Column(title="STORAGE", width=12, drop=4, grow=1),
    Column(title="WHEN", width=15, drop=6, grow=1),
    Column(title="KEEPS", width=14, drop=7, grow=1),
)


def row(cronjob: CronJob, store: Store, now: datetime) -> TableRow:
    """Return the row of a policy; the details repeat what narrow screens drop."""
    policy = cronjob.policy
    cells = (
        (backup_words(store, cronjob),),
        cronjob.namespace,
        store.label(cronjob.namespace, cronjob.name),
        (rpo(cronjob),),
        (good_age(cronjob, now),),
        (verification_age(cronjob, now),),
        (_time_until_backup(cronjob, now),),
        (findings(cronjob, store),),
        _storages(policy) if policy else "-",
        (policy.schedule or "after each run") if policy else "-",
        retention_words(policy.retention) if policy else "-",
    )
    return TableRow(cronjob.id, cells)


def _storages(policy: BackupPolicy) -> str:
    """Return the storage of a policy, and how many copies it has elsewhere."""
    return f"{policy.storage_id} +{len(policy.copies)}" if policy.copies else policy.storage_id


def rpo(cronjob: CronJob) -> Span:
    """Return whether the last good backup is as young as the policy demands."""
    if cronjob.policy is None or cronjob.policy.rpo_seconds is None:
        return "-", "quiet"
    return ("LATE", "bad") if cronjob.backup_overdue else ("ok", "ok")


def verification_age(cronjob: CronJob, now: datetime) -> Span:
    """Return when a backup was last restored and compared."""
    at = cronjob.last_verified_at
    return ("never", "quiet") if at is None else (age_cell(min(at, now), now), "ok")


def _time_until_backup(cronjob: CronJob, now: datetime) -> Span:
    if cronjob.next_backup_at is None:
        return "-", "quiet"
    return wait_cell(cronjob.next_backup_at, now), ""


def findings(cronjob: CronJob, store: Store) -> Span:
    """Return the codes of the faults of the policy, its storage or its schedule."""
    if cronjob.policy_fault:
        return "cannot be read", "bad"
    if cronjob.nothing_to_archive:
        return "nothing to archive", "bad"
    if cronjob.storage_refusal:
        return "storage not usable", "bad"
    storage = store.storages.get(cronjob.policy.storage_id) if cronjob.policy is not None else None
    if storage is not None and storage.away_reason is not None:
        return f"storage: {storage.away_reason}", "bad"
    codes = [f"{len(cronjob.unarchived_volumes)} not archived"] if cronjob.unarchived_volumes else []
    codes += [finding.partition(":")[0] for finding in cronjob.policy_findings]
    return (", ".join(codes), "warn") if codes else ("none", "quiet")


def retention_words(retention: Retention) -> str:
    """Return what the rules keep together: `30 days`, `7 daily, 4 weekly`, `all of 30 days, and 7 daily`."""
    words = ("last", "hourly", "daily", "weekly", "monthly", "yearly")
    counts = [(getattr(retention, f"keep_{word}"), word) for word in words]
    counted = ", ".join(f"{count} {word}" for count, word in counts if count)
    if not retention.days:
        return counted or f"{good_words(retention)} alone"
    days = count_words(retention.days, "day")
    return f"all of {days}, and {counted}" if counted else days


def good_words(retention: Retention) -> str:
    """Return what stays whatever the other rules say: the newest good snapshots."""
    return "the newest good one" if retention.min_good == 1 else f"the newest {retention.min_good} good ones"


def detail(
    cronjob: CronJob, store: Store, now: datetime, width: int, most_runs: int = MOST_RUNS
) -> list[Text]:
    """Return the policy and its state, faults of policy and backup, then the CronJob and its run."""
    if cronjob.policy is None:
        return job_detail(cronjob, store, now, width, most_runs)
    lines = [*_promise(cronjob, cronjob.policy, now, width), *fault_lines(cronjob, width)]
    for copy in cronjob.copies:
        lines += copy_lines(copy, now, width)
    backup = newest_backup(store, cronjob)
    # A backup that failed with its run is left out: the run's own state says it below.
    if backup is not None and backup.reason != Reason.CRONJOB_FAILED:
        lines += cause(backup.message, backup.next_step, width, role(backup.status))
    rest = msgspec.structs.replace(
        cronjob, policy_findings=(), nothing_to_archive=None, storage_refusal=None, unarchived_volumes=()
    )
    return lines + job_detail(rest, store, now, width, most_runs)


def copy_lines(copy: CopyState, now: datetime, width: int) -> list[Text]:
    """Return how far a copy is, and why the last one failed."""
    lag: Span = ("  up to date", "ok")
    if copy.behind_since is not None:
        lag = (f"  behind for {age(min(copy.behind_since, now), now)}", "bad" if copy.overdue else "warn")
    elif copy.newest_at is None:
        lag = ("  nothing copied yet", "quiet")
    newest = age(min(copy.newest_at, now), now) if copy.newest_at is not None else "none"
    line: Text = (
        ("copy in ", "quiet"),
        (copy.storage_id, ""),
        ("  newest ", "quiet"),
        (newest, ""),
        (f" of {copy.backups}", "quiet"),
        lag,
        ("  LATE" if copy.overdue else "", "bad"),
        (f"  verified {age(min(copy.verified_at, now), now)}" if copy.verified_at else "", "ok"),
        ("  retention waits for approval" if copy.retention_waits else "", "warn"),
    )
    return [line, *cause(copy.message, copy.next_step, width, "bad")]


def _promise(cronjob: CronJob, policy: BackupPolicy, now: datetime, width: int) -> list[Text]:
    lead: list[Span] = [("no RPO: e sets one", "quiet")]
    if policy.rpo_seconds is not None:
        lead = [(f"a good backup every {duration(policy.rpo_seconds)} ", "quiet"), rpo(cronjob)]
    lead += [("  last good ", "quiet"), good_age(cronjob, now)]
    lead += [
        ("  verified ", "quiet"),
        verification_age(cronjob, now),
        ("  next ", "quiet"),
        _time_until_backup(cronjob, now),
    ]
    expected = cronjob.expected_restore_seconds
    if policy.rto_seconds is not None or expected is not None:
        is_late = policy.rto_seconds is not None and expected is not None and expected > policy.rto_seconds
        words = duration(expected) if expected is not None else "not known"
        limit = f" of {duration(policy.rto_seconds)}" if policy.rto_seconds is not None else ""
        lead += [("  restore ", "quiet"), (f"{words}{limit}", "bad" if is_late else "")]
    kept: list[Span] = [("keeps ", "quiet"), (retention_words(policy.retention), "")]
    if len(plain((*lead, *kept))) + 2 <= width:
        return [(*lead, ("  ", ""), *kept)]
    return [tuple(lead), tuple(kept)]
