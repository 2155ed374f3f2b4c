"""The notices that wait for a channel, and their selection by what each channel was sent before.

`channel_rules` decides what a channel must be sent. What it was sent is recorded in the same commit as the
notice. Where another daemon acts on the cluster, that one sends, and says in the state that both share what
it has sent. So this one sends what the other had not sent when it went away. Where nothing is shared, it
counts as sent after a minute, four times the duration of a Lease: twice is better than never.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from kronkeep_common.clock import Clock
from kronkeep_common.models import Alert
from kronkeep_common.models.base import Moment, Record
from kronkeep_common.models.silence import CLOCKS_DIFFER
from kronkeep_daemon.alerts.alert_changes import EventName
from kronkeep_daemon.alerts.channel_rules import (
    ChannelRoute,
    FilteredSilences,
    SentAlert,
    apply_silences,
    choose_event,
    routes_of,
    sent_id,
)
from kronkeep_daemon.alerts.sent_alerts import SentAlerts
from kronkeep_daemon.alerts.shared_alerts import SharedAlerts
from kronkeep_daemon.alerts.shared_state import KEEP_RESOLVED, is_local
from kronkeep_daemon.history import History, Records
from kronkeep_daemon.settings import Settings

HOLD_FOR = timedelta(seconds=60)


class Notice(Record, frozen=True, kw_only=True):
    """One message that a channel has not accepted yet."""

    id: str
    channel: str
    event: EventName
    alert: Alert
    created_at: Moment


class NoticeSelection:
    """Selects what channels must be sent, and remembers what they were sent."""

    def __init__(
        self,
        *,
        history: History,
        clock: Clock,
        settings: Callable[[], Settings],
        shared: SharedAlerts,
        stands_by: Callable[[str], bool],
        notices: Records[Notice],
    ) -> None:
        self._history = history
        self._clock = clock
        self._settings = settings
        self._shared = shared
        self._stands_by = stands_by
        self._notices = notices
        self._sent = SentAlerts(history)

    def select(
        self, active: Sequence[Alert], silences: FilteredSilences, clusters: Mapping[str, str]
    ) -> list[Alert]:
        """Buffer notices until the next commit, and return the alerts that they are about."""
        now = self._clock.now()
        routes = [
            route
            for route in routes_of(self._settings().alerts, clusters)
            if route.channel.kind != "alertmanager"
        ]
        self._forget_channels({route.channel.name for route in routes})
        ended = [
            apply_silences(alert, silences, now)
            for alert in self._find_ended_alerts({alert.id for alert in active})
        ]
        return [alert for alert in (*active, *ended) if self._add_of_alert(alert, routes)]

    def undo(self) -> None:
        """Forget what was buffered and could not be committed."""
        self._sent.reload()

    def _add_of_alert(self, alert: Alert, routes: Sequence[ChannelRoute]) -> bool:
        now = self._clock.now()
        is_sent = False
        for route in routes:
            sent = self._read_sent(alert, route.channel.name)
            event = choose_event(alert, sent, route, now)
            if event is None or self._leaves_to_other(alert, route.channel.name, event):
                continue
            self._put_sent(alert, route.channel.name, event)
            if event != "resolved" or route.channel.recoveries:
                self._put_notice(alert, route.channel.name, event)
                is_sent = True
        return is_sent

    def _leaves_to_other(self, alert: Alert, channel: str, event: EventName) -> bool:
        """Whether another daemon sends it; without a shared state it has after a minute."""
        if is_local(alert) or not self._stands_by(alert.cluster):
            return False
        since = alert.resolved_at or alert.created_at
        if not self._shared.of(alert.cluster).is_shared and since < self._clock.now() - HOLD_FOR:
            self._put_sent(alert, channel, event)
        return True

    def _read_sent(self, alert: Alert, channel: str) -> SentAlert | None:
        """Return what a channel was last sent of the alert's problem, by this daemon or another."""
        key = sent_id(alert, channel)
        sent = self._sent.get(key)
        shared = None if is_local(alert) else self._shared.of(alert.cluster).state.sent.get(key)
        if shared is None or shared.at > self._clock.now() + CLOCKS_DIFFER:
            return sent
        if sent is not None and sent.created_at >= shared.at:
            return sent
        sent = SentAlert(
            id=key,
            channel=channel,
            alert_id=alert.id,
            event=shared.event,
            severity=shared.severity,
            created_at=shared.at,
        )
        self._sent.put(sent)
        return sent

    def _put_sent(self, alert: Alert, channel: str, event: EventName) -> None:
        self._sent.put(
            SentAlert(
                id=sent_id(alert, channel),
                channel=channel,
                alert_id=alert.id,
                event=event,
                severity=alert.severity,
                created_at=self._clock.now(),
            )
        )

    def _put_notice(self, alert: Alert, channel: str, event: EventName) -> None:
        now = self._clock.now()
        self._notices.put(
            Notice(
                id=f"{alert.id}-{event}-{now.timestamp():.0f}-{channel}",
                channel=channel,
                event=event,
                alert=alert,
                created_at=now,
            )
        )

    def _forget_channels(self, names: set[str]) -> None:
        """Forget what channels were sent that are no longer in the settings, and what ended long ago."""
        old = self._clock.now() - KEEP_RESOLVED
        for sent in self._sent.all():
            is_over = sent.event == "resolved" and sent.created_at < old
            if sent.channel not in names or is_over:
                self._sent.remove(sent.id)

    def _find_ended_alerts(self, active_ids: set[str]) -> list[Alert]:
        """Return the alerts that a channel knows of and that have ended."""
        ids = {sent.alert_id for sent in self._sent.all() if sent.event != "resolved"} - active_ids
        alerts = {alert_id: self._history.alerts.get(alert_id) for alert_id in ids}
        for sent in self._sent.all():
            if sent.alert_id in alerts and alerts[sent.alert_id] is None:
                self._sent.remove(sent.id)  # its record is gone: there is nothing to tell any more
        return [alert for alert in alerts.values() if alert is not None]
