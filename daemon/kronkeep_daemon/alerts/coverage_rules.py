"""The alert rule about claims that nobody backs up; pure."""

from datetime import datetime, timedelta

from kronkeep_common.alert_codes import AlertCode
from kronkeep_common.models.coverage import ClaimCoverage
from kronkeep_common.text import clean
from kronkeep_daemon.alert_settings import AlertSettings
from kronkeep_daemon.alerts.rule_results import AlertFinding


def coverage_findings(
    claim: ClaimCoverage, settings: AlertSettings, first_listed_at: datetime | None, now: datetime
) -> list[AlertFinding]:
    """Return a finding about a claim that is not covered some time after its creation.

    first_listed_at: when the claims of its cluster were first listed. Those that were there before were left
        without backups by somebody who knew; they are in the coverage, and no alert unless the settings say
        so. One that has a good backup was protected once, however old it is.
    """
    if not claim.is_uncovered or settings.uncovered == "never":
        return []
    is_new = first_listed_at is not None and claim.created_at >= first_listed_at
    if settings.uncovered == "new" and not is_new and claim.last_good_at is None:
        return []
    if now - claim.created_at < timedelta(seconds=settings.uncovered_seconds):
        return []
    return [
        AlertFinding(
            code=AlertCode.UNCOVERED,
            severity="warning",
            kind="claim",
            object=clean(f"{claim.namespace}/{claim.name}", 300),
            object_id=claim.id,
            cluster=claim.cluster,
            namespace=claim.namespace,
            message=f"The claim is not backed up. {claim.message}",
            next_step=claim.next_step or "kronkeep coverage says more.",
        )
    ]
