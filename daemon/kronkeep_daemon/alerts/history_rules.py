"""The alert rules about kronkeep's own history."""

from datetime import datetime, timedelta

from kronkeep_common.alert_codes import AlertCode
from kronkeep_daemon.alerts.rule_results import AlertFinding, RuleResult, history_finding
from kronkeep_daemon.history.facts import Fact

TOLD_DAYS = 7  # days after which the loss is in the log and in the record of the alert alone
WENT_BACK_NEXT_STEP = (
    "Find out what put an old copy of the state folder back (a volume or a machine that was rolled back). "
    "Runs that Kubernetes still has and snapshots of the repositories are recorded again by themselves; "
    "where a later copy of the history exists, stop kronkeepd and put that in place."
)


def history_went_back(lost: Fact, now: datetime) -> RuleResult | None:
    """At its start the history ended before a change whose sequence the cluster's Lease keeps."""
    if now >= lost.created_at + timedelta(days=TOLD_DAYS):
        return None
    last, _, acknowledged = (lost.name or "").partition(" ")
    return RuleResult(
        code=AlertCode.HISTORY_WENT_BACK,
        severity="critical",
        message=f"The history ended at change {last}, but change {acknowledged} was acknowledged before.",
        next_step=WENT_BACK_NEXT_STEP,
        since=lost.created_at,
    )


def history_findings(lost: Fact | None, now: datetime) -> list[AlertFinding]:
    """Return what is wrong with the history.

    lost: the fact about changes that are lost, if there is one.
    """
    result = history_went_back(lost, now) if lost is not None else None
    return [history_finding(result)] if result is not None else []
