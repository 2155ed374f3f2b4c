"""The alert rules: pure functions of records and a time; each returns what is wrong, or None.

A rule is about the present: its alert ends once the rule returns None. A run or backup that somebody
cancelled is not wrong, and the one before it is judged.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import takewhile

from kronkeep_common.alert_codes import AlertCode
from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import BackupExecution, BackupStorage, CronJobExecution
from kronkeep_common.models.alert import Severity
from kronkeep_common.reasons import Reason
from kronkeep_common.schedule import Schedule
from kronkeep_common.states import (
    BACKUP_TRANSITIONS,
    EXECUTION_TRANSITIONS,
    RESTORE_TRANSITIONS,
    BackupStatus,
    ExecutionStatus,
    RestoreStatus,
    StorageStatus,
    is_final,
)
from kronkeep_common.text import age, duration, size
from kronkeep_daemon.alerts.rule_results import (
    AlertFinding,
    AlertKey,
    CronJobFacts,
    RuleResult,
    cronjob_finding,
    storage_finding,
    watch_finding,
)
from kronkeep_daemon.kube.watch import WatchState

BAD_RUNS = (ExecutionStatus.FAILED, ExecutionStatus.UNKNOWN)
BAD_BACKUPS = (BackupStatus.FAILED, BackupStatus.MISSED, BackupStatus.UNKNOWN)


def run_failed(known: CronJobFacts) -> RuleResult | None:
    """The newest run that ended failed, or its end is not known; `failing_runs` in a row are critical."""
    row = list(takewhile(lambda run: run.status in BAD_RUNS, _final_runs(known, missed=False)))
    if not row:
        return None
    newest = row[0]
    many = len(row) >= known.failing_runs
    words = f"The last {len(row)} runs failed." if len(row) > 1 else "The newest run failed."
    return RuleResult(
        code=AlertCode.RUN_FAILED,
        severity="critical" if many else "warning",
        message=f"{words} {newest.message or newest.reason or ''}".strip(),
        next_step=newest.next_step or "Look at the run's log.",
        since=row[-1].ended_at or row[-1].created_at,
        record_id=newest.id,
    )


def run_missed(known: CronJobFacts) -> RuleResult | None:
    """No run started for the newest slot, or it is later than the settings allow."""
    step = "Look at the CronJob's events, its concurrencyPolicy and its startingDeadlineSeconds."
    ended = _final_runs(known, missed=True)
    if ended and ended[0].status is ExecutionStatus.MISSED:
        slot = ended[0].scheduled_at or ended[0].created_at
        return RuleResult(
            code=AlertCode.RUN_MISSED,
            severity="warning",
            message=f"No run came at {_format_minute(slot)}.",
            next_step=step,
            since=slot,
            record_id=ended[0].id,
        )
    late = known.cronjob.late_since
    if late is not None and known.live:
        return RuleResult(
            code=AlertCode.RUN_MISSED,
            severity="warning",
            message=f"The run of {_format_minute(late)} has not begun.",
            next_step=step,
            since=late,
        )
    return None


def backup_failed(known: CronJobFacts) -> RuleResult | None:
    """The newest backup that ended created no snapshot, and not because its run failed, which has its own
    alert.
    """
    newest = _newest_backup(known)
    if newest is None or newest.status not in BAD_BACKUPS:
        return None
    words = f"The newest backup is {newest.status}. {newest.message or newest.reason or ''}".strip()
    step = newest.next_step or "Look at the backup, and back up again."
    return RuleResult(
        code=AlertCode.BACKUP_FAILED,
        severity="critical",
        message=words,
        next_step=step,
        since=newest.ended_at or newest.created_at,
        record_id=newest.id,
    )


def backup_partial(known: CronJobFacts) -> RuleResult | None:
    """The newest backup that ended could not read everything."""
    newest = _newest_backup(known)
    if newest is None or newest.status is not BackupStatus.PARTIAL:
        return None
    words = f"The newest backup is partial. {newest.message or ''}".strip()
    step = newest.next_step or "Look at what could not be read."
    return RuleResult(
        code=AlertCode.BACKUP_PARTIAL,
        severity="warning",
        message=words,
        next_step=step,
        since=newest.ended_at or newest.created_at,
        record_id=newest.id,
    )


def backup_overdue(known: CronJobFacts) -> RuleResult | None:
    """The newest good backup is older than the policy allows (rpo_seconds), or there never was one."""
    policy = known.cronjob.policy
    good = known.cronjob.last_good_backup_at
    if policy is None or policy.rpo_seconds is None or not known.cronjob.backup_overdue:
        return None
    due = good + timedelta(seconds=policy.rpo_seconds) if good else None
    last = f"The newest good backup is {age(good, known.now)} old" if good else "There is no good backup"
    words = f"{last}; one is wanted every {duration(policy.rpo_seconds)}."
    return RuleResult(
        code=AlertCode.BACKUP_OVERDUE,
        severity="critical",
        message=words,
        next_step="Back up now, and look at why none was made.",
        since=due,
    )


def drill_failed(known: CronJobFacts) -> RuleResult | None:
    """The newest drill that ended did not restore everything."""
    policy = known.cronjob.policy
    ended = [drill for drill in known.drills if is_final(RESTORE_TRANSITIONS, drill.status)]
    if policy is None or policy.drill is None or not ended or ended[0].status is not RestoreStatus.FAILED:
        return None
    newest = ended[0]
    words = f"The newest drill failed. {newest.message or newest.reason or ''}".strip()
    step = newest.next_step or "Look at the drill; the backup may not be restorable."
    return RuleResult(
        code=AlertCode.DRILL_FAILED,
        severity="critical",
        message=words,
        next_step=step,
        since=newest.ended_at or newest.created_at,
        record_id=newest.id,
    )


def drill_overdue(known: CronJobFacts) -> RuleResult | None:
    """A drill's slot and its deadline have passed, and none was started for that slot or a later one."""
    policy = known.cronjob.policy
    if policy is None or policy.drill is None or not policy.enabled:
        return None
    drill = policy.drill
    try:
        schedule = Schedule.parse(drill.schedule, drill.time_zone, controller_zone=known.controller_zone)
    except KronkeepError:
        return None
    slot = schedule.previous(known.now - timedelta(seconds=drill.deadline_seconds))
    if slot is None or known.drills_since is None or slot <= known.drills_since:
        return None
    if any((one.due_at or one.created_at) >= slot for one in known.drills):
        return None
    step = "Begin a drill now, and look at why none was begun."
    return RuleResult(
        code=AlertCode.DRILL_OVERDUE,
        severity="warning",
        message=f"The drill of {_format_minute(slot)} was not made.",
        next_step=step,
        since=slot,
    )


def policy_invalid(known: CronJobFacts) -> RuleResult | None:
    """The annotation with the policy cannot be used, so nothing is backed up."""
    fault = known.cronjob.policy_fault
    if fault is None:
        return None
    return RuleResult(
        code=AlertCode.POLICY_INVALID,
        severity="critical",
        message=fault,
        next_step="Correct the annotation kronkeep.dev/backup-policy.",
    )


def conflict_accepted(known: CronJobFacts) -> RuleResult | None:
    """The backup's schedule does not fit the CronJob's, and the policy accepts that."""
    policy = known.cronjob.policy
    findings = known.cronjob.policy_findings
    if policy is None or policy.on_conflict != "accept" or not findings:
        return None
    step = "Shift the backup's schedule, or back up after each run."
    return RuleResult(
        code=AlertCode.SCHEDULE_CONFLICT_ACCEPTED, severity="warning", message=findings[0], next_step=step
    )


CRONJOB_RULES: tuple[Callable[[CronJobFacts], RuleResult | None], ...] = (
    run_failed,
    run_missed,
    backup_failed,
    backup_partial,
    backup_overdue,
    drill_failed,
    drill_overdue,
    policy_invalid,
    conflict_accepted,
)


def cronjob_findings(known: CronJobFacts) -> list[AlertFinding]:
    """Return all that is wrong with a CronJob."""
    results = (rule(known) for rule in CRONJOB_RULES)
    return [cronjob_finding(known.cronjob, one) for one in results if one is not None]


def undecided_keys(known: CronJobFacts) -> set[AlertKey]:
    """Return the keys of alerts about a CronJob that cannot be judged now, and so stay as they are."""
    codes = [] if known.live else [AlertCode.RUN_MISSED, AlertCode.RUN_FAILED]
    codes += [] if known.checked else [AlertCode.SCHEDULE_CONFLICT_ACCEPTED]
    return {(code, "cronjob", known.cronjob.id) for code in codes}


def storage_failed(storage: BackupStorage) -> RuleResult | None:
    """The storage could not be created or deleted."""
    if storage.status is not StorageStatus.FAILED:
        return None
    step = storage.next_step or "Look at the storage, and try it again."
    return RuleResult(
        code=AlertCode.STORAGE_FAILED,
        severity="critical",
        message=_message_of(storage, "The storage has failed."),
        next_step=step,
    )


def storage_unreachable(storage: BackupStorage) -> RuleResult | None:
    """The repository of an active storage could not be opened the last time."""
    if storage.status is not StorageStatus.ACTIVE or storage.reason is None or storage.check_ok is False:
        return None
    step = storage.next_step or "Look at the storage's server and credentials."
    return RuleResult(
        code=AlertCode.STORAGE_UNREACHABLE,
        severity="critical",
        message=_message_of(storage, "The storage does not answer."),
        next_step=step,
    )


def storage_damaged(storage: BackupStorage) -> RuleResult | None:
    """`restic check` found errors in the repository."""
    if storage.check_ok is not False:
        return None
    step = storage.next_step or "Run restic check and repair; back up to another storage meanwhile."
    why = _message_of(storage, "The repository's check found errors.")
    return RuleResult(
        code=AlertCode.STORAGE_DAMAGED,
        severity="critical",
        message=why,
        next_step=step,
        since=storage.checked_at,
    )


def storage_filling(storage: BackupStorage) -> RuleResult | None:
    """85 % of the capacity is used, or 95 %, which is critical."""
    usage = storage.usage
    if usage is None or not usage.capacity_bytes:
        return None
    if usage.level == "critical" or usage.level == "warning":
        percent = 100 * usage.used_bytes / usage.capacity_bytes
        if usage.available_bytes is not None:
            percent = max(percent, 100 - 100 * usage.available_bytes / usage.capacity_bytes)
        words = f"{percent:.0f} % of {size(usage.capacity_bytes)} are used."
        return RuleResult(
            code=AlertCode.STORAGE_FILLING,
            severity=usage.level,
            message=words,
            next_step="Add space, or keep fewer backups.",
        )
    return None


STORAGE_RULES: tuple[Callable[[BackupStorage], RuleResult | None], ...] = (
    storage_failed,
    storage_unreachable,
    storage_damaged,
    storage_filling,
)


def storage_findings(storage: BackupStorage) -> list[AlertFinding]:
    """Return all that is wrong with a storage."""
    results = (rule(storage) for rule in STORAGE_RULES)
    return [storage_finding(storage, one) for one in results if one is not None]


def watch_findings(watch: WatchState, now: datetime, limit: float) -> list[AlertFinding]:
    """Return a finding where a watch has not been live for `limit` seconds: what is shown may be old."""
    if watch.status == "live" or now - watch.since < timedelta(seconds=limit):
        return []
    words = f"The watch is {watch.status}: {watch.why or 'the cluster does not answer'}."
    step = "Look at the connection to the cluster: kronkeep doctor."
    severity: Severity = "critical" if watch.needed else "warning"
    return [
        watch_finding(
            watch,
            RuleResult(
                code=AlertCode.WATCH_NOT_LIVE,
                severity=severity,
                message=words,
                next_step=step,
                since=watch.since,
            ),
        )
    ]


def _final_runs(known: CronJobFacts, *, missed: bool) -> list[CronJobExecution]:
    passed = {ExecutionStatus.CANCELLED} | (set() if missed else {ExecutionStatus.MISSED})
    return [
        run for run in known.runs if is_final(EXECUTION_TRANSITIONS, run.status) and run.status not in passed
    ]


def _newest_backup(known: CronJobFacts) -> BackupExecution | None:
    if known.cronjob.policy is None:
        return None
    for backup in known.backups:
        ended = is_final(BACKUP_TRANSITIONS, backup.status) and backup.status is not BackupStatus.CANCELLED
        if ended and backup.reason != Reason.CRONJOB_FAILED:
            return backup
    return None


def _message_of(storage: BackupStorage, otherwise: str) -> str:
    return storage.message or storage.reason or otherwise


def _format_minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
