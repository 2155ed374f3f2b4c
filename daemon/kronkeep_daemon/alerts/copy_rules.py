"""The alert rules of copies of backups in other storages; pure."""

from kronkeep_common.alert_codes import AlertCode
from kronkeep_common.text import age, duration
from kronkeep_daemon.alerts.rule_results import CronJobFacts, RuleResult


def copy_failed(facts: CronJobFacts) -> RuleResult | None:
    """The copy of a backup that ended last in one of the policy's storages failed."""
    failed = [copy for copy in facts.cronjob.copies if copy.failed_copy_id is not None]
    if not failed:
        return None
    copy = failed[0]
    more = f" So it is in {len(failed) - 1} more storages." if len(failed) > 1 else ""
    why = copy.message or copy.reason or ""
    return RuleResult(
        code=AlertCode.COPY_FAILED,
        severity="warning",
        message=f"The last copy to {copy.storage_id} failed. {why}{more}".strip(),
        next_step=copy.next_step or "Read the copy's log: kronkeep logs --copy ID.",
        since=copy.failed_at,
        record_id=copy.failed_copy_id,
    )


def copy_overdue(facts: CronJobFacts) -> RuleResult | None:
    """The newest good backup in a copy is older than that allows (rpo_seconds), or there never was one."""
    policy = facts.cronjob.policy
    late = [copy for copy in facts.cronjob.copies if copy.overdue]
    if policy is None or not policy.enabled or not late:
        return None
    copy = late[0]
    spec = policy.copy_in(copy.storage_id)
    required = duration(spec.rpo_seconds) if spec is not None and spec.rpo_seconds is not None else "that"
    last = (
        f"The newest good backup in the copy in {copy.storage_id} is "
        f"{age(min(copy.newest_at, facts.now), facts.now)} old"
        if copy.newest_at is not None
        else f"There is no good backup in the copy in {copy.storage_id}"
    )
    return RuleResult(
        code=AlertCode.COPY_OVERDUE,
        severity="critical",
        message=f"{last}; one is required every {required}.",
        next_step="See why it is not copied: kronkeep get copies, kronkeep get queue.",
        since=copy.behind_since,
        record_id=copy.failed_copy_id,
    )
