"""The alert rule about CronJobs that stay suspended after their maintenance; pure."""

from kronkeep_common.alert_codes import AlertCode
from kronkeep_common.text import clean, short_id
from kronkeep_daemon.alerts.rule_results import AlertFinding, HeldCronJob


def maintenance_finding(held: HeldCronJob) -> AlertFinding:
    """Return the finding about a CronJob that does not run although nothing is being maintained."""
    name = clean(f"{held.namespace}/{held.cronjob}", 300)
    maintenance = short_id(held.maintenance_id)
    why = f"is over since {held.since:%Y-%m-%d %H:%M} UTC" if held.is_known else "no daemon knows"
    return AlertFinding(
        code=AlertCode.MAINTENANCE_NOT_ENDED,
        severity="critical",
        kind="cronjob",
        object=name,
        object_id=held.cronjob_id,
        message=f"It is still suspended by the maintenance {maintenance}, which {why}.",
        next_step=f"kronkeep get maintenance {maintenance} says why; kronkeep resume {name} lets it run.",
        since=held.since,
        cluster=held.cluster,
        namespace=held.namespace,
        cronjob=held.cronjob,
        cronjob_id=held.cronjob_id,
    )
