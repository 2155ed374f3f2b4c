"""How findings change the alerts: pure functions, so that a restart repeats and loses no alert.

The only memory is the alerts that have not ended. A finding without an alert opens one, an alert without a
finding is resolved, and an alert that has become critical is opened again even where it was acknowledged.
Which channel is sent what, and when again, `channel_rules` decides.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Literal, NamedTuple

import msgspec

from kronkeep_common.models import Alert
from kronkeep_common.states import AlertStatus
from kronkeep_daemon.alerts.rule_results import AlertFinding, AlertKey
from kronkeep_daemon.history.record_ids import derive_id

EventName = Literal["opened", "escalated", "repeated", "resolved"]


class AlertEvent(NamedTuple):
    """One thing that people must learn about an alert."""

    event: EventName
    alert: Alert


class AlertChanges(NamedTuple):
    """The alerts that must be stored, and what people must learn about them."""

    alerts: list[Alert]
    events: list[AlertEvent]


def compare_alerts(
    unended: Iterable[Alert],
    findings: Iterable[AlertFinding],
    now: datetime,
    undecided: Collection[AlertKey] = (),
) -> AlertChanges:
    """Return how the findings change the alerts that have not ended.

    undecided: keys that cannot be judged now; alerts of these are not resolved.
    """
    known: dict[AlertKey, Alert] = {(alert.code, alert.kind, alert.object_id): alert for alert in unended}
    by_key = {finding.key: finding for finding in findings}
    transitions = [
        _open(finding, now) if key not in known else _update(known[key], finding)
        for key, finding in by_key.items()
    ]
    transitions += [
        _resolve(alert, now) for key, alert in known.items() if key not in by_key and key not in undecided
    ]
    return AlertChanges(
        [alert for alert, _ in transitions if alert is not None],
        [AlertEvent(event, alert) for alert, event in transitions if alert is not None and event is not None],
    )


Transition = tuple[Alert | None, EventName | None]


def _open(finding: AlertFinding, now: datetime) -> Transition:
    fields = {field: getattr(finding, field) for field in finding.__struct_fields__}
    fields["since"] = finding.since or now
    alert = Alert(
        id=derive_id("alert", *finding.key, now.isoformat()),
        status=AlertStatus.OPEN,
        created_at=now,
        **fields,
    )
    return alert, "opened"


def _update(alert: Alert, finding: AlertFinding) -> Transition:
    new = msgspec.structs.replace(
        alert,
        severity=finding.severity,
        message=finding.message,
        next_step=finding.next_step,
        record_id=finding.record_id,
        node=finding.node,
        image=finding.image,
        last_line=finding.last_line,
        reason=finding.reason,
    )
    if finding.severity == "critical" and alert.severity == "warning":
        return msgspec.structs.replace(
            new, status=AlertStatus.OPEN, acknowledged_at=None, acknowledged_by=None
        ), "escalated"
    return (new if new != alert else None), None


def _resolve(alert: Alert, now: datetime) -> Transition:
    return msgspec.structs.replace(alert, status=AlertStatus.RESOLVED, resolved_at=now), "resolved"
