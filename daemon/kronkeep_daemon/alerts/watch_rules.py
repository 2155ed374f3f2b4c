"""The rules about watches: those that are not live, and clusters that have never been connected; pure."""

from datetime import datetime, timedelta

from kronkeep_common.alert_codes import AlertCode
from kronkeep_common.api import CONNECTION
from kronkeep_common.models.alert import Severity
from kronkeep_common.text import clean
from kronkeep_daemon.alerts.rule_results import AlertFinding, RuleResult, watch_finding
from kronkeep_daemon.kube.client import PLACEHOLDER
from kronkeep_daemon.kube.watch import WatchState


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
