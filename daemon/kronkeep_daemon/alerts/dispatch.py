"""The dispatch of messages to channels: stored with their alerts, sent in order by a worker for each channel.

A notice is written in the same commit as its alert and removed once the channel has accepted it, so a restart
loses none; one that is interrupted in between is sent again with the same id. What a channel refuses is tried
again with growing pauses, then dropped and logged. In a storm, such as a node that fails with hundreds of
runs, one message covers all notices that wait.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from prometheus_client import CollectorRegistry, Counter

from kronkeep_common.clock import Clock
from kronkeep_common.errors import ReadOnlyHistory
from kronkeep_common.models import Alert
from kronkeep_common.monitoring.metric_families import NOTICES
from kronkeep_daemon.alerts.alert_changes import EventName
from kronkeep_daemon.alerts.alertmanager_feed import AlertmanagerFeed
from kronkeep_daemon.alerts.channel_health import ChannelFault, ChannelHealth
from kronkeep_daemon.alerts.channel_rules import FilteredSilences, routes_of, sent_id
from kronkeep_daemon.alerts.channel_sender import ChannelSender
from kronkeep_daemon.alerts.channel_trials import ChannelTrials
from kronkeep_daemon.alerts.channels import AlertMessage
from kronkeep_daemon.alerts.delivery import ChannelDelivery
from kronkeep_daemon.alerts.notices import Notice, NoticeSelection
from kronkeep_daemon.alerts.shared_alerts import SharedAlerts
from kronkeep_daemon.alerts.shared_state import SharedMessage, SharedState, is_local
from kronkeep_daemon.alerts.storm_groups import find_cause, group_alerts
from kronkeep_daemon.history import History, Records
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
WAITING = 1000  # notices of one channel; above it the oldest are dropped
GATHER_SECONDS = 2.0  # in which the notices of a storm gather into one message
SINGLES = 5  # notices that are sent one by one; of more, those of one event and cause are one message
STORM_SECONDS = 600.0  # in which a channel that was sent SINGLES messages is in a storm ...
STORM_GATHER_SECONDS = 60.0  # ... and gets those of a minute together


class AlertDispatcher:
    """Stores notices and sends them to their channels."""

    def __init__(
        self,
        *,
        history: History,
        clock: Clock,
        settings: Callable[[], Settings],
        supervisor: Supervisor,
        cluster: Cluster,
        registry: CollectorRegistry,
        shared: SharedAlerts,
        stands_by: Callable[[str], bool],
        changed: Callable[[], None],
    ) -> None:
        self._history = history
        self._clock = clock
        self._settings = settings
        self._supervisor = supervisor
        self._health = ChannelHealth(changed)
        self._delivery = ChannelDelivery(settings=settings, cluster=cluster, health=self._health)
        self.sender = ChannelSender(
            delivery=self._delivery, health=self._health, settings=settings, clock=clock
        )
        self.trials = ChannelTrials(
            delivery=self._delivery, health=self._health, settings=settings, clock=clock
        )
        self._shared = shared
        self._feed = AlertmanagerFeed(
            delivery=self._delivery,
            health=self._health,
            clock=clock,
            supervisor=supervisor,
            stands_by=stands_by,
        )
        self._notices: Records[Notice] = Records(history.table("notices"), Notice)
        self._selection = NoticeSelection(
            history=history,
            clock=clock,
            settings=settings,
            shared=shared,
            stands_by=stands_by,
            notices=self._notices,
        )
        self._recent: dict[str, list[float]] = {}  # when each channel was sent messages lately
        self._outcomes: dict[str, str] = {}  # by id, of notices that are sent or dropped but not removed yet
        self._counter = Counter(NOTICES.name, NOTICES.help, NOTICES.labels, registry=registry)

    def add(
        self, active: Sequence[Alert], silences: FilteredSilences, clusters: Mapping[str, str]
    ) -> list[Alert]:
        """Buffer, until the next commit, what channels must be sent of alerts, and return those alerts.

        active: the alerts that have not ended; those that have ended are found by what was sent of them.
        clusters: ids by name.
        """
        alerts = self._selection.select(active, silences, clusters)
        names = {cluster_id: name for name, cluster_id in clusters.items()}
        self._feed.update(active, routes_of(self._settings().alerts, clusters), names)
        for channel in self._settings().alerts.channels:
            self._limit_waiting(channel.name)
        return alerts

    def undo(self) -> None:
        """Forget what was buffered and could not be committed."""
        self._selection.undo()

    def _limit_waiting(self, name: str) -> None:
        waiting = self._notices_of(name)
        for notice in waiting[: max(0, len(waiting) - WAITING)]:
            log.error("channel %s: more than %d messages wait; the oldest is dropped", name, WAITING)
            self._notices.remove(notice.id)
            self._counter.labels(name, "dropped").inc()

    def stuck_channels(self) -> list[ChannelFault]:
        """Return the channels of the settings that no longer accept messages."""
        self._health.keep_only(frozenset(channel.name for channel in self._settings().alerts.channels))
        return self._health.stuck()

    def list_untried_channels(self) -> list[str]:
        """Return the names of the channels that have not been tried since the start."""
        names = [channel.name for channel in self._settings().alerts.channels]
        return [name for name in names if not self._health.is_proven(name)]

    def start_workers(self) -> None:
        """Start a worker for each channel that has notices to send."""
        for name in sorted({notice.channel for notice in self._notices.all()}):
            task = f"alert channel {name}"
            if not self._supervisor.running(task):
                self._supervisor.start(task, partial(self._send_waiting, name), death="quiet")

    def _notices_of(self, channel: str) -> list[Notice]:
        return [notice for notice in self._notices.all() if notice.channel == channel]

    async def _send_waiting(self, name: str) -> None:
        """Send the notices of a channel, oldest first, until none waits."""
        while self._notices_of(name):
            now = self._clock.monotonic()
            recent = [sent for sent in self._recent.get(name, []) if now - sent < STORM_SECONDS]
            self._recent[name] = recent
            await self._clock.sleep(GATHER_SECONDS if len(recent) < SINGLES else STORM_GATHER_SECONDS)
            for group in group_notices(self._notices_of(name)):
                if not await self._send_and_remove(group):
                    return
                recent.append(self._clock.monotonic())

    async def _send_and_remove(self, notices: list[Notice]) -> bool:
        """Send notices as one message and remove them; return False while the disk is full."""
        unsent = [notice for notice in notices if notice.id not in self._outcomes]
        ids = [notice.id for notice in unsent]
        # The outcome is set before the attempt: should a channel's library raise, which ends this worker, the
        # next one drops these notices, and does not raise over them again.
        self._outcomes |= dict.fromkeys(ids, "dropped")
        if unsent:
            self._outcomes |= dict.fromkeys(ids, await self._deliver(unsent))
        for notice in notices:
            self._share_sent(notice)
            self._notices.remove(notice.id)
        try:
            await self._history.commit()
        except ReadOnlyHistory:
            return False  # the notices stay until there is space; their outcomes keep them from a second send
        for notice in notices:
            self._counter.labels(notice.channel, self._outcomes.pop(notice.id)).inc()
        return True

    def _share_sent(self, notice: Notice) -> None:
        """Let other daemons know what a channel was sent."""
        if is_local(notice.alert):
            return
        sent = SharedMessage(at=notice.created_at, event=notice.event, severity=notice.alert.severity)
        key = sent_id(notice.alert, notice.channel)
        self._shared.of(notice.alert.cluster).change(SharedState(sent={key: sent}))

    async def _deliver(self, notices: list[Notice]) -> str:
        """Send notices as one message; return `sent` or `dropped`."""
        notice = notices[0]
        others = tuple(other.alert for other in notices[1:])
        cause = find_cause([notice.alert, *others]) if others else None
        message = AlertMessage(
            id=notice.id,
            event=notice.event,
            alert=notice.alert,
            others=others,
            cause=cause.text if cause else None,
        )
        return await self.sender.send(notice.channel, message)


def group_notices(waiting: list[Notice]) -> list[list[Notice]]:
    """Group notices into messages: one for each, or in a storm one for all of one event and cause."""
    if len(waiting) <= SINGLES:
        return [[notice] for notice in waiting]
    events: dict[EventName, dict[str, Notice]] = {}
    for notice in waiting:
        events.setdefault(notice.event, {})[notice.alert.id] = notice
    return [
        [notices[alert.id] for alert in group.alerts]
        for notices in events.values()
        for group in group_alerts([notice.alert for notice in notices.values()])
    ]
