"""Which channel is sent of which alert, and when: filter, severity, quiet hours, silences, repetition."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from kronkeep_common.models import Alert, Silence
from kronkeep_common.record_filter import parse_filter
from kronkeep_common.states import AlertStatus
from kronkeep_daemon.alert_settings import AlertSettings, ChannelSettings, QuietHours
from kronkeep_daemon.alerts.channel_rules import (
    ChannelRoute,
    SentAlert,
    apply_silences,
    choose_event,
    is_quiet,
    routes_of,
    sent_id,
)

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ALERT = Alert(
    id="a",
    code="RunFailed",
    severity="warning",
    status=AlertStatus.OPEN,
    kind="cronjob",
    object="shop/dump",
    object_id="j",
    namespace="shop",
    cronjob="dump",
    since=NOW,
    created_at=NOW,
    message="It failed.",
    next_step="Look.",
)


def route(*, repeat: float = 0, **fields: Any) -> ChannelRoute:
    channel = ChannelSettings(name="ops", kind="webhook", url_file="u", repeat_seconds=repeat, **fields)
    return routes_of(AlertSettings(channels=(channel,)), {"prod": "c1"})[0]


def sent(event: str = "opened", severity: str = "warning", at: datetime = NOW) -> SentAlert:
    fields = {"id": sent_id(ALERT, "ops"), "channel": "ops", "alert_id": "a", "created_at": at}
    return msgspec.convert({**fields, "event": event, "severity": severity}, SentAlert)


def alert(**fields: Any) -> Alert:
    return msgspec.structs.replace(ALERT, **fields)


RESOLVED = alert(status=AlertStatus.RESOLVED)
ACKNOWLEDGED = alert(status=AlertStatus.ACKNOWLEDGED)
CRITICAL = alert(severity="critical")


@pytest.mark.parametrize(
    ("known", "last", "chosen", "event"),
    [
        (ALERT, None, route(), "opened"),
        (ALERT, sent(), route(), None),
        (ALERT, sent("resolved"), route(), "opened"),
        (ACKNOWLEDGED, None, route(), None),
        (CRITICAL, sent(), route(), "escalated"),
        (CRITICAL, sent("escalated", "critical"), route(), None),
        (RESOLVED, None, route(), None),
        (RESOLVED, sent(), route(), "resolved"),
        (RESOLVED, sent("resolved"), route(), None),
        (ALERT, sent(at=NOW - HOUR), route(repeat=3600), "repeated"),
        (ALERT, sent(at=NOW - HOUR), route(repeat=3601), None),
        (ALERT, sent(at=NOW - 9 * HOUR), route(), None),
        (ACKNOWLEDGED, sent(at=NOW - 9 * HOUR), route(repeat=60), None),
        (ALERT, sent(at=NOW + 9000 * HOUR), route(repeat=3600), "repeated"),  # sent by a clock that was ahead
        (ALERT, None, route(severity="critical"), None),
        (CRITICAL, None, route(severity="critical"), "opened"),
        (ALERT, None, route(filter="ns:shop code:RunFailed"), "opened"),
        (ALERT, None, route(filter="!ns:shop"), None),
        (alert(cluster="c1"), None, route(filter="cluster:prod"), "opened"),
        (RESOLVED, sent(), route(filter="!ns:shop"), "resolved"),  # whoever was sent learns of the end
        (alert(silence_id="s"), None, route(), None),
        (alert(silence_id="s", status=AlertStatus.RESOLVED), sent(), route(), None),
    ],
)
def test_what_a_channel_is_sent(
    known: Alert, last: SentAlert | None, chosen: ChannelRoute, event: str | None
) -> None:
    assert choose_event(known, last, chosen, NOW) == event


@pytest.mark.parametrize(
    ("start", "end", "zone", "at", "quiet"),
    [
        ("22:00", "07:00", "UTC", "22:00", True),
        ("22:00", "07:00", "UTC", "06:59", True),
        ("22:00", "07:00", "UTC", "07:00", False),
        ("22:00", "07:00", "UTC", "12:00", False),
        ("12:00", "13:00", "UTC", "12:59", True),
        ("12:00", "13:00", "UTC", "13:00", False),
        ("22:00", "07:00", "Europe/Berlin", "20:30", True),  # summer: UTC+2
        ("22:00", "07:00", "Europe/Berlin", "05:30", False),
    ],
)
def test_quiet_hours(start: str, end: str, zone: str, at: str, quiet: bool) -> None:
    hours = QuietHours(start=start, end=end, time_zone=zone)
    assert is_quiet(hours, datetime.fromisoformat(f"2026-06-01T{at}:00Z")) == quiet


def test_what_is_critical_is_sent_in_quiet_hours_unless_they_hold_it_too() -> None:
    hours = QuietHours(start="00:00", end="23:59")
    assert choose_event(ALERT, None, route(quiet=hours), NOW) is None
    assert choose_event(CRITICAL, None, route(quiet=hours), NOW) == "opened"
    held = msgspec.structs.replace(hours, severity="critical")
    assert choose_event(CRITICAL, None, route(quiet=held), NOW) is None


def test_a_silence_is_put_on_what_it_matches_and_taken_away_again() -> None:
    silence = Silence(
        id="s", filter="ns:shop", because="b", created_at=NOW, created_by="eve", ends_at=NOW + HOUR
    )
    silences = [(silence, parse_filter(silence.filter))]
    held = apply_silences(ALERT, silences, NOW)
    assert held.silence_id == "s"
    assert apply_silences(alert(namespace="bank"), silences, NOW).silence_id is None
    assert apply_silences(held, [], NOW) == ALERT
