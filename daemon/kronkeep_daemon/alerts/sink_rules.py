"""The alert rule of the databases that the history is shipped to."""

from datetime import datetime, timedelta

from kronkeep_common.alert_codes import AlertCode
from kronkeep_common.api import SinkView
from kronkeep_daemon.alerts.rule_results import AlertFinding, RuleResult, sink_finding


def sink_findings(sink: SinkView, now: datetime, limit: float) -> list[AlertFinding]:
    """Return a finding where a sink has taken nothing for `limit` seconds; it is critical once changes that
    it needs are gone.
    """
    if sink.status != "failed" or now - sink.since < timedelta(seconds=limit):
        return []
    result = RuleResult(
        code=AlertCode.SINK_NOT_SHIPPED,
        severity="critical" if sink.was_passed else "warning",
        message=f"{sink.message or 'It takes no changes.'} {_describe_backlog(sink)}".strip(),
        next_step=sink.next_step or "Look at the sink: kronkeep get sinks.",
        since=sink.since,
    )
    return [sink_finding(sink.name, result)]


def _describe_backlog(sink: SinkView) -> str:
    return f"{sink.lag} changes wait for it." if sink.lag else ""
