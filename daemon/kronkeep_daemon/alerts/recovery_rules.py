"""The alert rules about what a policy's backups are worth in a disaster: pure functions, as in `rules`."""

from kronkeep_common.alert_codes import AlertCode
from kronkeep_common.reasons import Reason
from kronkeep_common.text import duration
from kronkeep_daemon.alerts.rule_results import CronJobFacts, RuleResult


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
