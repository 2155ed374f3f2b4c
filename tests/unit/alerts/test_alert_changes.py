"""How findings change alerts: opened once, escalated, resolved once."""

from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from kronkeep_common.models import Alert
from kronkeep_common.states import ALERT_TRANSITIONS, AlertStatus, may_follow
from kronkeep_daemon.alerts.alert_changes import AlertChanges, compare_alerts
from kronkeep_daemon.alerts.rule_results import AlertFinding

NOW = datetime(2026, 6, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def finding(severity: str = "warning", name: str = "a", message: str = "It failed.") -> AlertFinding:
    return msgspec.convert(
        {
            "code": "RunFailed",
            "severity": severity,
            "kind": "cronjob",
            "object": f"shop/{name}",
            "object_id": name,
            "message": message,
            "next_step": "Look.",
        },
        AlertFinding,
    )


def events_of(changes: AlertChanges) -> list[tuple[str, str]]:
    return [(event.event, event.alert.object) for event in changes.events]


def open_alert() -> Alert:
    (alert,) = compare_alerts([], [finding()], NOW).alerts
    return alert


def test_what_is_new_is_opened_and_what_stays_is_sent_no_more() -> None:
    first = compare_alerts([], [finding(name="a"), finding(name="b")], NOW)
    assert events_of(first) == [("opened", "shop/a"), ("opened", "shop/b")]
    assert first.alerts[0].since == NOW
    again = compare_alerts(first.alerts, [finding(name="a"), finding(name="b")], NOW + HOUR / 2)
    assert again == AlertChanges([], [])


def test_a_new_message_is_kept_and_not_sent() -> None:
    changes = compare_alerts([open_alert()], [finding(message="It failed twice.")], NOW + HOUR)
    assert [alert.message for alert in changes.alerts] == ["It failed twice."]
    assert changes.events == []


def test_what_becomes_critical_is_open_again_and_sent_once() -> None:
    known = msgspec.structs.replace(open_alert(), status=AlertStatus.ACKNOWLEDGED, acknowledged_by="eve")
    changes = compare_alerts([known], [finding("critical")], NOW + HOUR)
    assert events_of(changes) == [("escalated", "shop/a")]
    assert (changes.alerts[0].status, changes.alerts[0].acknowledged_by) == (AlertStatus.OPEN, None)
    assert compare_alerts(changes.alerts, [finding("critical")], NOW + 2 * HOUR) == AlertChanges([], [])
    assert events_of(compare_alerts(changes.alerts, [finding("warning")], NOW + 2 * HOUR)) == []


def test_what_has_gone_is_resolved_once_and_a_return_is_another_alert() -> None:
    known = open_alert()
    gone = compare_alerts([known], [], NOW + HOUR)
    assert events_of(gone) == [("resolved", "shop/a")]
    assert gone.alerts[0].resolved_at == NOW + HOUR
    back = compare_alerts([], [finding()], NOW + 2 * HOUR)
    assert events_of(back) == [("opened", "shop/a")]
    assert back.alerts[0].id != known.id


LOOKS = st.lists(
    st.dictionaries(st.sampled_from("abc"), st.sampled_from(["warning", "critical"])), max_size=12
)


@given(LOOKS)
def test_over_any_looks_each_alert_opens_once_and_resolves_once(looks: list[dict[str, str]]) -> None:
    kept: dict[str, Alert] = {}
    events: list[tuple[str, str]] = []
    for number, look in enumerate(looks):
        findings = [finding(severity, name) for name, severity in look.items()]
        unended = [alert for alert in kept.values() if alert.status is not AlertStatus.RESOLVED]
        changes = compare_alerts(unended, findings, NOW + number * HOUR)
        for alert in changes.alerts:
            if alert.id in kept:
                assert may_follow(ALERT_TRANSITIONS, kept[alert.id].status, alert.status)
            kept[alert.id] = alert
        events += [(event.event, event.alert.id) for event in changes.events]
        unended = [alert for alert in kept.values() if alert.status is not AlertStatus.RESOLVED]
        assert sorted(alert.object_id for alert in unended) == sorted(look)
    for event in ("opened", "resolved"):
        ids = [alert_id for name, alert_id in events if name == event]
        assert len(ids) == len(set(ids))
    assert {alert_id for name, alert_id in events if name == "opened"} == set(kept)
