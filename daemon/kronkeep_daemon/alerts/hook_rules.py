"""The alert rule of hooks after backups: a pure function, as in `rules`."""

from kronkeep_common.alert_codes import AlertCode
from kronkeep_common.models import BackupExecution
from kronkeep_common.states import BACKUP_TRANSITIONS, BackupStatus, is_final
from kronkeep_daemon.alerts.rule_results import CronJobFacts, RuleResult
from kronkeep_daemon.backups.retention_rules import newest_first


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
