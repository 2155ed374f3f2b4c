"""Alertmanagers are sent all that is wrong, again and again, as Prometheus does it.

What is no longer sent ends there by itself after five minutes, and what has ended is sent as ended at once.
So a restart of either side loses nothing. Grouping, silences and repetition are Alertmanager's own; an alert
that kronkeep itself has silenced is not sent.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

from kronkeep_common.clock import Clock
from kronkeep_common.models import Alert
from kronkeep_daemon.alerts.channel_health import ChannelHealth
from kronkeep_daemon.alerts.channel_rules import ChannelRoute, is_held, selects
from kronkeep_daemon.alerts.channels import NotSent
from kronkeep_daemon.alerts.channels.alertmanager import Labels, labels_of, postable_alert
from kronkeep_daemon.alerts.delivery import ChannelDelivery
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
KIND = "alertmanager"
AGAIN = timedelta(seconds=60)
LASTS = timedelta(minutes=5)  # what is not sent again is over for Alertmanager then
CHUNK = 500  # alerts in one request
LabelKey = tuple[tuple[str, str], ...]


class AlertmanagerFeed:
    """A sender of all alerts that have not ended to the channels of the kind `alertmanager`."""

    def __init__(
        self,
        *,
        delivery: ChannelDelivery,
        health: ChannelHealth,
        clock: Clock,
        supervisor: Supervisor,
        stands_by: Callable[[str], bool],
    ) -> None:
        self._delivery = delivery
        self._health = health
        self._clock = clock
        self._supervisor = supervisor
        self._stands_by = stands_by
        self._sent: dict[str, dict[LabelKey, Alert]] = {}  # by channel: what it holds as not ended
        self._sent_at: dict[str, datetime] = {}

    def update(
        self, active: Sequence[Alert], routes: Sequence[ChannelRoute], clusters: Mapping[str, str]
    ) -> None:
        """Send what is wrong now to each channel, where that has changed or a minute has passed.

        clusters: names by id.
        """
        for route in routes:
            name = route.channel.name
            task = f"alertmanager {name}"
            if route.channel.kind != KIND or self._supervisor.running(task):
                continue
            current = self._select(active, route, clusters)
            is_recent = name in self._sent_at and self._clock.now() - self._sent_at[name] < AGAIN
            if not is_recent or current != self._sent.get(name, {}):
                self._supervisor.start(task, partial(self._send, route, current), death="quiet")

    def _select(
        self, active: Sequence[Alert], route: ChannelRoute, clusters: Mapping[str, str]
    ) -> dict[LabelKey, Alert]:
        now = self._clock.now()
        return {
            tuple(sorted(labels_of(alert, clusters).items())): alert
            for alert in active
            if selects(route, alert, now)
            and not is_held(alert, route.channel.quiet, now)
            and not self._stands_by(alert.cluster)
        }

    async def _send(self, route: ChannelRoute, current: Mapping[LabelKey, Alert]) -> None:
        """Send what is wrong and what has ended; after a failure the next evaluation tries again."""
        channel = route.channel
        now = self._clock.now()
        before = self._sent.get(channel.name, {})
        ended = {key: alert for key, alert in before.items() if key not in current}
        alerts = [postable_alert(alert, _labels(key), now + LASTS) for key, alert in current.items()]
        if channel.recoveries:
            alerts += [postable_alert(alert, _labels(key), now) for key, alert in ended.items()]
        try:
            for start in range(0, len(alerts), CHUNK):
                await self._delivery.post_alerts(channel, alerts[start : start + CHUNK])
        except NotSent as fault:
            log.warning("channel %s: %s", channel.name, fault)
            self._health.refuse(channel.name, str(fault), now, final=fault.final)
            return
        if alerts:
            self._health.accept(channel.name)
        self._sent[channel.name] = dict(current)
        self._sent_at[channel.name] = now


def _labels(key: LabelKey) -> Labels:
    return dict(key)
