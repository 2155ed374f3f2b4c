"""The alert rule about a cluster's token that ends soon, and the doctor's line about it; pure."""

from datetime import datetime, timedelta

from kronkeep_common.alert_codes import AlertCode
from kronkeep_common.api import Check
from kronkeep_common.models.alert import Severity
from kronkeep_common.text import clean, duration
from kronkeep_daemon.alerts.rule_results import AlertFinding, format_minute

WARNING = timedelta(days=14)
CRITICAL = timedelta(days=2)
NEXT_STEP = (
    "Make another (kubectl -n kronkeep create token kronkeepd --duration 8760h) and write it into the "
    "kubeconfig, as docs/configuration.md says; kronkeepd reads it again without a restart."
)


def token_findings(cluster_id: str, name: str, end: datetime | None, now: datetime) -> list[AlertFinding]:
    """Return a finding where the token in the cluster's kubeconfig ends within two weeks.

    end: None for a token without an end, or one that something renews.
    """
    if end is None or end - now > WARNING:
        return []
    severity: Severity = "critical" if end - now <= CRITICAL else "warning"
    return [
        AlertFinding(
            code=AlertCode.TOKEN_ENDING,
            severity=severity,
            kind="watch",
            object=f"token of {clean(name, 80)}",
            object_id=f"token {cluster_id}",
            message=_token_words(end, now),
            next_step=NEXT_STEP,
            since=end - WARNING,
            cluster=cluster_id,
        )
    ]


def check_token(name: str, end: datetime | None, now: datetime) -> Check | None:
    """Return when the token in a cluster's kubeconfig ends; None for one without an end."""
    if end is None:
        return None
    check = f"cluster {clean(name, 80)} token"
    if end - now > WARNING:
        message = f"The token in its kubeconfig ends at {format_minute(end)}."
        return Check(name=check, status="ok", message=message)
    return Check(
        name=check,
        status="warn" if end > now else "fail",
        message=_token_words(end, now),
        next_step=NEXT_STEP,
    )


def _token_words(end: datetime, now: datetime) -> str:
    if end <= now:
        return f"The token in its kubeconfig ended at {format_minute(end)}."
    left = duration((end - now).total_seconds())
    return (
        f"The token in its kubeconfig ends in {left}, at {format_minute(end)}: after that nothing is "
        "recorded or backed up."
    )
