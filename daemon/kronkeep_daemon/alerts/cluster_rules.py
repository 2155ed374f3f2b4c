"""The alert rules about a cluster: its watches, its clock and the token in its kubeconfig; pure.

The doctor's line about the token is made here too.
"""

from datetime import datetime, timedelta

from kronkeep_common.alert_codes import AlertCode
from kronkeep_common.api import CONNECTION, Check
from kronkeep_common.models.alert import Severity
from kronkeep_common.text import clean, duration
from kronkeep_daemon.alerts.rule_results import (
    AlertFinding,
    ClockFault,
    RuleResult,
    clock_finding,
    format_minute,
    watch_finding,
)
from kronkeep_daemon.kube.client import PLACEHOLDER
from kronkeep_daemon.kube.cluster_clock import CLOCK_NEXT_STEP
from kronkeep_daemon.kube.watch import WatchState

TOKEN_WARNING = timedelta(days=14)
TOKEN_CRITICAL = timedelta(days=2)
RENEW_STEP = (
    "Make another (kubectl -n kronkeep create token kronkeepd --duration 8760h) and write it into the "
    "kubeconfig, as docs/configuration.md says; kronkeepd reads it again without a restart."
)


def watch_findings(watch: WatchState, now: datetime, limit: float) -> list[AlertFinding]:
    """Return a finding where a watch has not been live for `limit` seconds: what is shown may be old."""
    if watch.status == "live" or now - watch.since < timedelta(seconds=limit):
        return []
    if watch.name == CONNECTION:
        return [watch_finding(watch, _never_connected(watch))]
    message = f"The watch is {watch.status}: {watch.why or 'the cluster does not answer'}."
    next_step = "Check the connection to the cluster: kronkeep doctor."
    severity: Severity = "critical" if watch.needed else "warning"
    return [
        watch_finding(
            watch,
            RuleResult(
                code=AlertCode.WATCH_NOT_LIVE,
                severity=severity,
                message=message,
                next_step=next_step,
                since=watch.since,
            ),
        )
    ]


def _never_connected(watch: WatchState) -> RuleResult:
    name = clean(watch.cluster.removeprefix(PLACEHOLDER), 80)
    why = watch.why or "It does not answer."
    return RuleResult(
        code=AlertCode.CLUSTER_NEVER_CONNECTED,
        severity="critical",
        message=f"The cluster {name} was never connected: nothing of it is recorded or backed up. {why}",
        next_step=watch.next_step or "Check the connection to the cluster: kronkeep doctor.",
        since=watch.since,
    )


def clock_findings(fault: ClockFault) -> list[AlertFinding]:
    """Return a finding about a cluster's clock: while it is at fault nothing irrevocable is done."""
    result = RuleResult(
        code=AlertCode.CLOCK_JUMPED,
        severity="critical",
        message=(
            f"{fault.message} Until that is over nothing is removed, no alert ends, "
            "and no run is recorded as missed."
        ),
        next_step=CLOCK_NEXT_STEP,
    )
    return [clock_finding(fault, result)]


def token_findings(cluster_id: str, name: str, end: datetime | None, now: datetime) -> list[AlertFinding]:
    """Return a finding where the token in the cluster's kubeconfig ends within two weeks.

    end: None for a token without an end, or one that something renews.
    """
    if end is None or end - now > TOKEN_WARNING:
        return []
    severity: Severity = "critical" if end - now <= TOKEN_CRITICAL else "warning"
    return [
        AlertFinding(
            code=AlertCode.TOKEN_ENDING,
            severity=severity,
            kind="watch",
            object=f"token of {clean(name, 80)}",
            object_id=f"token {cluster_id}",
            message=_token_words(end, now),
            next_step=RENEW_STEP,
            since=end - TOKEN_WARNING,
            cluster=cluster_id,
        )
    ]


def check_token(name: str, end: datetime | None, now: datetime) -> Check | None:
    """Return when the token in a cluster's kubeconfig ends; None for one without an end."""
    if end is None:
        return None
    check = f"cluster {clean(name, 80)} token"
    if end - now > TOKEN_WARNING:
        message = f"The token in its kubeconfig ends at {format_minute(end)}."
        return Check(name=check, status="ok", message=message)
    return Check(
        name=check,
        status="warn" if end > now else "fail",
        message=_token_words(end, now),
        next_step=RENEW_STEP,
    )


def _token_words(end: datetime, now: datetime) -> str:
    if end <= now:
        return f"The token in its kubeconfig ended at {format_minute(end)}."
    left = duration((end - now).total_seconds())
    return (
        f"The token in its kubeconfig ends in {left}, at {format_minute(end)}: after that nothing is "
        "recorded or backed up."
    )
