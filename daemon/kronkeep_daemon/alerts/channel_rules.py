"""Which channel is sent which alert, and when again: pure functions of alerts, settings and a time.

What a channel was sent last (`SentAlert`) is compared with how the alert is now. So nothing is lost while a
silence, quiet hours or another daemon hold it back: what is still wrong afterwards is sent then, and what has
ended meanwhile is not sent at all.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import NamedTuple

import msgspec

from kronkeep_common.models import Alert, Silence
from kronkeep_common.models.alert import Severity
from kronkeep_common.models.base import Moment, Record
from kronkeep_common.record_filter import RecordFilter, parse_filter
from kronkeep_common.schedule.zone import load_zone
from kronkeep_common.states import AlertStatus
from kronkeep_daemon.alert_settings import AlertSettings, ChannelSettings, QuietHours
from kronkeep_daemon.alerts.alert_changes import EventName
from kronkeep_daemon.history.record_ids import derive_id

FilteredSilences = Sequence[tuple[Silence, RecordFilter]]


class SentAlert(Record, frozen=True, kw_only=True):
    """What a channel was last sent of a problem, and when (`created_at`); `id` names both on every daemon."""

    id: str
    channel: str
    alert_id: str
    event: EventName
    severity: Severity
    created_at: Moment


class ChannelRoute(NamedTuple):
    """A channel, its parsed filter, and the seconds after which it is sent again (0: never)."""

    channel: ChannelSettings
    accepted: RecordFilter
    repeat: float


def routes_of(settings: AlertSettings, clusters: Mapping[str, str]) -> list[ChannelRoute]:
    """Return the route of each channel; `clusters` are ids by name."""
    return [
        ChannelRoute(
            channel,
            parse_filter(channel.filter, clusters),
            settings.repeat_seconds if channel.repeat_seconds is None else channel.repeat_seconds,
        )
        for channel in settings.channels
    ]


def sent_id(alert: Alert, channel: str) -> str:
    """Return the id of what a channel was sent of an alert's problem, the same on every daemon."""
    return derive_id("sent", alert.code, alert.kind, alert.object_id, channel)


def choose_event(
    alert: Alert, sent: SentAlert | None, route: ChannelRoute, now: datetime
) -> EventName | None:
    """Return what a channel must be sent of an alert now; None for nothing.

    sent: what it was last sent of the same problem, of this alert or an earlier one.
    """
    is_known = sent is not None and sent.event != "resolved"
    if is_held(alert, route.channel.quiet, now):
        return None
    if alert.status is AlertStatus.RESOLVED:
        return "resolved" if is_known else None
    if not selects(route, alert, now):
        return None
    if not is_known or sent is None:
        return "opened" if alert.status is AlertStatus.OPEN else None
    if alert.severity == "critical" and sent.severity == "warning":
        return "escalated"
    is_recent = sent.created_at <= now < sent.created_at + timedelta(seconds=route.repeat)
    is_due = route.repeat and not is_recent  # also where a clock that was ahead dated it in the future
    return "repeated" if is_due and alert.status is AlertStatus.OPEN else None


def apply_silences(alert: Alert, silences: FilteredSilences, now: datetime) -> Alert:
    """Return an alert with the silence that holds it back, or without one."""
    matching = (silence.id for silence, accepted in silences if accepted.matches(alert, now))
    silence_id = next(matching, None)
    return alert if silence_id == alert.silence_id else msgspec.structs.replace(alert, silence_id=silence_id)


def selects(route: ChannelRoute, alert: Alert, now: datetime) -> bool:
    """Whether a channel's filter and severity select an alert; one about itself is never sent to it."""
    if alert.kind == "channel" and alert.object_id == route.channel.name:
        return False
    is_severe = route.channel.severity == "warning" or alert.severity == "critical"
    return is_severe and route.accepted.matches(alert, now)


def is_held(alert: Alert, quiet: QuietHours | None, now: datetime) -> bool:
    """Whether a silence or quiet hours hold back whatever there is to tell of an alert."""
    if alert.silence_id is not None:
        return True
    return quiet is not None and is_quiet(quiet, now) and quiet.severity in ("critical", alert.severity)


def is_quiet(quiet: QuietHours, now: datetime) -> bool:
    """Whether a time lies in the quiet hours: from their start on, before their end."""
    local = now.astimezone(load_zone(quiet.time_zone).tzinfo).time()
    start = time.fromisoformat(quiet.start)
    end = time.fromisoformat(quiet.end)
    return start <= local < end if start < end else local >= start or local < end
