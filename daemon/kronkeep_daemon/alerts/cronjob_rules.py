"""The alert rules about a CronJob, its runs and backups: pure functions; each returns what is wrong, or None.

A rule is about the present: its alert ends once the rule returns None. A run or backup that somebody
cancelled is not wrong, and the one before it is judged.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from itertools import takewhile

from kronkeep_common.alert_codes import AlertCode
from kronkeep_common.models import (
    BackupExecution,
    CronJobExecution,
    KeptLog,
)
from kronkeep_common.reasons import Reason
from kronkeep_common.states import (
    BACKUP_TRANSITIONS,
    EXECUTION_TRANSITIONS,
    BackupStatus,
    ExecutionStatus,
    is_final,
)
from kronkeep_common.text import age, duration
from kronkeep_daemon.alerts.copy_rules import copy_failed, copy_overdue
from kronkeep_daemon.alerts.drill_rules import drill_failed, drill_overdue
from kronkeep_daemon.alerts.rule_results import (
    AlertFinding,
    AlertKey,
    CronJobFacts,
    RuleResult,
    cronjob_finding,
    format_minute,
)
from kronkeep_daemon.backups.retention_rules import newest_first

BAD_RUNS = (ExecutionStatus.FAILED, ExecutionStatus.UNKNOWN)
_BACKUP_WORDS = {
    BackupStatus.FAILED: "The newest backup failed.",
    BackupStatus.MISSED: "The newest backup was not made.",
    BackupStatus.UNKNOWN: "How the newest backup ended is not known.",
}
_OF_ITS_RUN = (Reason.CRONJOB_FAILED, Reason.CRONJOB_UNKNOWN)  # why a backup ended so: its run has an alert


def run_failed(facts: CronJobFacts) -> RuleResult | None:
    """The newest run that ended failed, or its end is not known; critical from `failing_runs` failures on."""
    failures = list(takewhile(_is_bad, _final_runs(facts, missed=False)))
    if not failures or _waits_for_news(facts, failures[0].status):
        return None
    newest = failures[0]
    failed = sum(run.status is ExecutionStatus.FAILED for run in failures)
    return RuleResult(
        code=AlertCode.RUN_FAILED,
        severity="critical" if failed >= facts.failing_runs else "warning",
        message=f"{_failure_words(len(failures), failed)} {newest.message or newest.reason or ''}".strip(),
        next_step=newest.next_step or "Read the run's log.",
        since=failures[-1].ended_at or failures[-1].created_at,
        record_id=newest.id,
        node=newest.node,
        last_line=_last_line(newest.logs),
        reason=newest.reason,
    )


def _failure_words(runs: int, failed: int) -> str:
    """Return a sentence about the last runs, of which so many failed; how the others ended is not known."""
    if failed == runs:
        return f"The last {runs} runs failed." if runs > 1 else "The newest run failed."
    if not failed:
        which = f"the last {runs} runs" if runs > 1 else "the newest run"
        return f"How {which} ended is not known."
    others = "the other" if runs - failed == 1 else "the others"
    return f"Of the last {runs} runs {failed} failed, and how {others} ended is not known."


def _waits_for_news(facts: CronJobFacts, status: str) -> bool:
    """Whether later records may still tell more: a daemon that was away is catching up."""
    return status == "unknown" and not facts.settled


def run_missed(facts: CronJobFacts) -> RuleResult | None:
    """No run started for the newest slot, or it is later than the settings allow."""
    next_step = "Check the CronJob's events, its concurrencyPolicy and its startingDeadlineSeconds."
    ended = _final_runs(facts, missed=True)
    if ended and ended[0].status is ExecutionStatus.MISSED:
        slot = ended[0].scheduled_at or ended[0].created_at
        return RuleResult(
            code=AlertCode.RUN_MISSED,
            severity="warning",
            message=f"No run started at {format_minute(slot)}.",
            next_step=next_step,
            since=slot,
            record_id=ended[0].id,
        )
    late = facts.cronjob.late_since
    if late is not None and facts.live:
        return RuleResult(
            code=AlertCode.RUN_MISSED,
            severity="warning",
            message=f"The run of {format_minute(late)} has not started.",
            next_step=next_step,
            since=late,
        )
    return None


def backup_failed(facts: CronJobFacts) -> RuleResult | None:
    """The newest backup that ended created no snapshot, or its end is not known; not because of its run,
    which has its own alert.
    """
    newest = _newest_backup(facts)
    if newest is None or newest.status not in _BACKUP_WORDS or _waits_for_news(facts, newest.status):
        return None
    is_unknown = newest.status is BackupStatus.UNKNOWN
    message = f"{_BACKUP_WORDS[newest.status]} {newest.message or newest.reason or ''}".strip()
    next_step = newest.next_step or "Read the backup's log, and back up again."
    return RuleResult(
        code=AlertCode.BACKUP_FAILED,
        severity="warning" if is_unknown else "critical",
        message=message,
        next_step=next_step,
        since=newest.ended_at or newest.created_at,
        record_id=newest.id,
        last_line=_last_line(newest.logs),
        reason=newest.reason,
    )


def backup_partial(facts: CronJobFacts) -> RuleResult | None:
    """The newest backup that ended could not read everything."""
    newest = _newest_backup(facts)
    if newest is None or newest.status is not BackupStatus.PARTIAL:
        return None
    message = f"The newest backup is partial. {newest.message or ''}".strip()
    next_step = newest.next_step or "Check what could not be read."
    return RuleResult(
        code=AlertCode.BACKUP_PARTIAL,
        severity="warning",
        message=message,
        next_step=next_step,
        since=newest.ended_at or newest.created_at,
        record_id=newest.id,
        reason=newest.reason,
    )


def backup_overdue(facts: CronJobFacts) -> RuleResult | None:
    """The newest good backup is older than the policy allows (rpo_seconds), or there never was one."""
    policy = facts.cronjob.policy
    good = facts.cronjob.last_good_backup_at
    if policy is None or policy.rpo_seconds is None or not facts.cronjob.backup_overdue:
        return None
    due = good + timedelta(seconds=policy.rpo_seconds) if good else None
    last = (
        f"The newest good backup is {age(min(good, facts.now), facts.now)} old"
        if good
        else "There is no good backup"
    )
    message = f"{last}; one is required every {duration(policy.rpo_seconds)}."
    return RuleResult(
        code=AlertCode.BACKUP_OVERDUE,
        severity="critical",
        message=message,
        next_step=f"Back up now, and find out why there is none.{_verify_step(facts.backups)}",
        since=due,
    )


def _verify_step(backups: Sequence[BackupExecution]) -> str:
    """Return what makes backups good that were found in a repository; empty where there are none."""
    waiting = [backup for backup in backups if backup.is_unconfirmed]
    if not waiting:
        return ""
    count = "One backup was" if len(waiting) == 1 else f"{len(waiting)} backups were"
    return f" {count} found in the repository: kronkeep verify {waiting[0].id} makes it count."


def snapshot_missing(facts: CronJobFacts) -> RuleResult | None:
    """The repository lacks snapshots that retention has not removed."""
    missing = [backup for backup in facts.backups if backup.snapshot_missing_at is not None]
    if not missing:
        return None
    newest = missing[0]
    count = "The snapshot of a backup" if len(missing) == 1 else f"The snapshots of {len(missing)} backups"
    verb = "is" if len(missing) == 1 else "are"
    return RuleResult(
        code=AlertCode.SNAPSHOT_MISSING,
        severity="critical",
        message=(
            f"{count} {verb} no longer in the repository; the newest is {newest.id} "
            f"of {format_minute(newest.created_at)}."
        ),
        next_step="Find out who removed them (another tool, a volume that was rolled back), and back up now.",
        since=min(each.snapshot_missing_at for each in missing if each.snapshot_missing_at is not None),
        record_id=newest.id,
    )


def policy_invalid(facts: CronJobFacts) -> RuleResult | None:
    """The annotation with the policy cannot be used, so nothing is backed up."""
    fault = facts.cronjob.policy_fault
    if fault is None:
        return None
    return RuleResult(
        code=AlertCode.POLICY_INVALID,
        severity="critical",
        message=fault,
        next_step="Correct the annotation kronkeep.dev/backup-policy.",
    )


def nothing_to_archive(facts: CronJobFacts) -> RuleResult | None:
    """The policy is in force and archives nothing, perhaps since somebody changed the CronJob's volumes."""
    message = facts.cronjob.nothing_to_archive
    policy = facts.cronjob.policy
    if message is None or policy is None or not policy.enabled:
        return None
    return RuleResult(
        code=AlertCode.NOTHING_TO_ARCHIVE,
        severity="critical",
        message=message,
        next_step=Reason.NOTHING_TO_ARCHIVE.next_step,
    )


def storage_not_usable(facts: CronJobFacts) -> RuleResult | None:
    """The policy is in force, and its storage is not there or does not serve the CronJob's namespace."""
    message = facts.cronjob.storage_refusal
    policy = facts.cronjob.policy
    if message is None or policy is None or not policy.enabled:
        return None
    return RuleResult(
        code=AlertCode.STORAGE_NOT_USABLE,
        severity="critical",
        message=message,
        next_step=f"kronkeep describe storage {policy.storage_id} says whom it serves; or name another.",
    )


def conflict_accepted(facts: CronJobFacts) -> RuleResult | None:
    """The backup's schedule does not fit the CronJob's, and the policy accepts that."""
    policy = facts.cronjob.policy
    findings = facts.cronjob.policy_findings
    if policy is None or policy.on_conflict != "accept" or not findings:
        return None
    next_step = "Shift the backup's schedule, or back up after each run."
    code = AlertCode.SCHEDULE_CONFLICT_ACCEPTED
    return RuleResult(code=code, severity="warning", message=findings[0], next_step=next_step)


# Codes of findings that follow from the schedules alone, and not from how long runs take.
CONFLICTS = ("NeverFires:", "SameTime:", "BackupBeforeRun:")


def first_conflict(findings: Iterable[str]) -> str | None:
    """Return the first of a policy's findings that is a conflict of the schedules themselves."""
    return next((each for each in findings if each.startswith(CONFLICTS)), None)


def conflict_made_outside(facts: CronJobFacts) -> RuleResult | None:
    """The schedules conflict though the policy does not accept that, as after kubectl changed one of them."""
    policy = facts.cronjob.policy
    if policy is None or policy.on_conflict == "accept":
        return None
    conflict = first_conflict(facts.cronjob.policy_findings)
    if conflict is None:
        return None
    message = f"The backup's schedule no longer fits the CronJob's. {conflict}"
    next_step = "Shift the backup's schedule, or let it follow each run: kronkeep edit."
    code = AlertCode.SCHEDULE_CONFLICT
    return RuleResult(code=code, severity="warning", message=message, next_step=next_step)


def backup_unusual(facts: CronJobFacts) -> RuleResult | None:
    """A backup succeeded whose figures are unusual, and nobody has acknowledged that."""
    if not facts.unusual:
        return None
    newest = facts.unusual[-1]
    count = f" {len(facts.unusual)} backups are; the newest:" if len(facts.unusual) > 1 else ""
    return RuleResult(
        code=AlertCode.BACKUP_UNUSUAL,
        severity="warning",
        message=f"The backup is unusual.{count} {' '.join(newest.unusual)} Retention removes nothing now.",
        next_step=Reason.UNUSUAL.next_step,
        since=facts.unusual[0].ended_at or facts.unusual[0].created_at,
        record_id=newest.id,
    )


def restore_too_slow(facts: CronJobFacts) -> RuleResult | None:
    """Restoring the newest good backup is expected to take longer than the policy allows (rto_seconds)."""
    policy = facts.cronjob.policy
    expected = facts.cronjob.expected_restore_seconds
    if policy is None or policy.rto_seconds is None or expected is None or expected <= policy.rto_seconds:
        return None
    return RuleResult(
        code=AlertCode.RESTORE_TOO_SLOW,
        severity="warning",
        message=(
            f"By earlier restores the newest good backup takes {duration(expected)} to restore, "
            f"and the policy allows {duration(policy.rto_seconds)}."
        ),
        next_step="Back up less in one policy, use a faster storage or network, or allow more (rto_seconds).",
    )


def post_hook_failed(facts: CronJobFacts) -> RuleResult | None:
    """A post hook failed, and no later backup's ended well; critical where pre hooks did what it undoes."""
    policy = facts.cronjob.policy
    newest = next(filter(_tells_of_post_hooks, newest_first(facts.backups)), None)
    if policy is None or newest is None or not newest.failed_post_hooks:
        return None
    hook = newest.failed_post_hooks[0]
    return RuleResult(
        code=AlertCode.POST_HOOK_FAILED,
        severity="critical" if policy.hooks.pre else "warning",
        message=(
            f"The post hook {hook.name} {hook.status} after the backup: {hook.message or ''} "
            "What it was to undo, as a frozen database, may still be so."
        ),
        next_step=f"Run its command by hand, then see why it failed: kronkeep describe backup {newest.id}.",
        since=newest.ended_at or newest.created_at,
        record_id=newest.id,
    )


def _tells_of_post_hooks(backup: BackupExecution) -> bool:
    """Whether a backup shows how the post hooks ended: some ran, or it succeeded, so all of them did."""
    if not is_final(BACKUP_TRANSITIONS, backup.status):
        return False
    return backup.status is BackupStatus.SUCCEEDED or any(run.stage == "post" for run in backup.hooks)


CRONJOB_RULES: tuple[Callable[[CronJobFacts], RuleResult | None], ...] = (
    run_failed,
    run_missed,
    backup_failed,
    backup_partial,
    backup_unusual,
    post_hook_failed,
    backup_overdue,
    copy_failed,
    copy_overdue,
    snapshot_missing,
    restore_too_slow,
    drill_failed,
    drill_overdue,
    policy_invalid,
    nothing_to_archive,
    storage_not_usable,
    conflict_accepted,
    conflict_made_outside,
)


def cronjob_findings(facts: CronJobFacts) -> list[AlertFinding]:
    """Return all that is wrong with a CronJob."""
    results = (rule(facts) for rule in CRONJOB_RULES)
    return [cronjob_finding(facts.cronjob, result) for result in results if result is not None]


def keys_not_decided(facts: CronJobFacts) -> set[AlertKey]:
    """Return the keys of alerts about a CronJob that cannot be judged now, and so stay as they are."""
    codes = [] if facts.live else [AlertCode.RUN_MISSED, AlertCode.RUN_FAILED]
    codes += [] if facts.checked else [AlertCode.SCHEDULE_CONFLICT_ACCEPTED, AlertCode.SCHEDULE_CONFLICT]
    if not facts.settled:
        runs = _final_runs(facts, missed=False)
        backup = _newest_backup(facts)
        codes += [AlertCode.RUN_FAILED] if runs and _waits_for_news(facts, runs[0].status) else []
        codes += [AlertCode.BACKUP_FAILED] if backup and _waits_for_news(facts, backup.status) else []
    return {(code, "cronjob", facts.cronjob.id) for code in codes}


def _last_line(logs: Sequence[KeptLog]) -> str | None:
    """Return the last line that a failed container wrote, the newest container first."""
    lines = [line for log in reversed(logs) for line in reversed(log.last_lines) if line.strip()]
    return lines[0] if lines else None


def _is_bad(run: CronJobExecution) -> bool:
    return run.status in BAD_RUNS


def _final_runs(facts: CronJobFacts, *, missed: bool) -> list[CronJobExecution]:
    ignored = {ExecutionStatus.CANCELLED} | (set() if missed else {ExecutionStatus.MISSED})
    return [
        run for run in facts.runs if is_final(EXECUTION_TRANSITIONS, run.status) and run.status not in ignored
    ]


def _newest_backup(facts: CronJobFacts) -> BackupExecution | None:
    if facts.cronjob.policy is None:
        return None
    for backup in newest_first(facts.backups):
        ended = is_final(BACKUP_TRANSITIONS, backup.status) and backup.status is not BackupStatus.CANCELLED
        if ended and not backup.is_unconfirmed and backup.reason not in _OF_ITS_RUN:
            return backup
    return None
