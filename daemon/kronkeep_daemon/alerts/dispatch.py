"""The dispatch of messages to channels: stored with their alerts, sent in order by a worker for each channel.

A notice is written in the same commit as its alert and removed once the channel has accepted it, so a restart
loses none; one that is interrupted in between is sent again with the same id. What a channel refuses is tried
again with growing pauses, then dropped and logged. In a storm, such as a node that fails with hundreds of
runs, one message covers all notices that wait.

Where another daemon acts on the cluster, that one sends. Notices of this daemon are then held for a minute,
four times the duration of a Lease, and sent if the other daemon goes away meanwhile: rather twice than never.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial

import msgspec
from prometheus_client import CollectorRegistry, Counter

from kronkeep_common.clock import Clock
from kronkeep_common.errors import ReadOnlyHistory
from kronkeep_common.models import Alert
from kronkeep_common.models.base import Moment, Record
from kronkeep_daemon.alerts.alert_changes import AlertEvent, EventName
from kronkeep_daemon.alerts.channel_health import ChannelFault, ChannelHealth
from kronkeep_daemon.alerts.channels import AlertMessage, NotSent
from kronkeep_daemon.alerts.delivery import ChannelDelivery
from kronkeep_daemon.history import History, Records
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.settings import ChannelSettings, Settings
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
PAUSES = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0)  # seconds before each further attempt
WAITING = 1000  # notices of one channel; above it the oldest are dropped
GATHER_SECONDS = 2.0  # in which the notices of a storm gather into one message
HOLD_FOR = timedelta(seconds=60)
SINGLES = 5  # notices that are sent one by one; of more, those of one event are one message


class Notice(Record, frozen=True, kw_only=True):
    """One message that a channel has not accepted yet; `held` where another daemon acts on the cluster."""

    id: str
    channel: str
    event: EventName
    alert: Alert
    created_at: Moment
    held: bool = False


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
        stands_by: Callable[[str], bool],
        changed: Callable[[], None],
    ) -> None:
        self._history = history
        self._clock = clock
        self._settings = settings
        self._supervisor = supervisor
        self._stands_by = stands_by
        self._health = ChannelHealth(changed)
        self._delivery = ChannelDelivery(settings=settings, cluster=cluster, health=self._health)
        self._notices: Records[Notice] = Records(history.table("notices"), Notice)
        self._outcomes: dict[str, str] = {}  # by id, of notices that are sent or dropped but not removed yet
        self._counter = Counter(
            "kronkeep_notices", "Messages to channels, by their outcome", ["channel", "outcome"],
            registry=registry,
        )  # fmt: skip

    def add(self, events: Iterable[AlertEvent]) -> None:
        """Buffer a notice for each channel that the settings select for an event, until the next commit."""
        now = self._clock.now()
        for event in events:
            # Another daemon knows nothing of this one's channels, so what is wrong with them is not held.
            held = event.alert.kind != "channel" and self._stands_by(event.alert.cluster)
            for channel in self._settings().alerts.channels:
                if is_selected(channel, event):
                    notice_id = f"{event.alert.id}-{event.event}-{now.timestamp():.0f}-{channel.name}"
                    notice = Notice(
                        id=notice_id,
                        channel=channel.name,
                        event=event.event,
                        alert=event.alert,
                        created_at=now,
                        held=held,
                    )
                    self._notices.put(notice)
        for channel in self._settings().alerts.channels:
            waiting = self._notices_of(channel.name)
            for notice in waiting[: max(0, len(waiting) - WAITING)]:
                log.error(
                    "channel %s: more than %d messages wait; the oldest is dropped", channel.name, WAITING
                )
                self._notices.remove(notice.id)
                self._counter.labels(channel.name, "dropped").inc()

    def stuck_channels(self) -> list[ChannelFault]:
        """Return the channels of the settings that no longer accept messages."""
        self._health.keep_only(frozenset(channel.name for channel in self._settings().alerts.channels))
        return self._health.stuck()

    def untried_channels(self) -> list[str]:
        """Return the names of the channels that have not been tried since the start."""
        names = [channel.name for channel in self._settings().alerts.channels]
        return [name for name in names if not self._health.is_proven(name)]

    def start_workers(self) -> None:
        """Start a worker for each channel that has notices to send."""
        self._review_held()
        for name in sorted({notice.channel for notice in self._notices.all() if not notice.held}):
            task = f"alert channel {name}"
            if not self._supervisor.running(task):
                self._supervisor.start(task, partial(self._send_waiting, name), death="quiet")

    def _review_held(self) -> None:
        """Release held notices where no other daemon acts any more; drop those that the other one has sent by
        now.
        """
        oldest = self._clock.now() - HOLD_FOR
        for notice in [notice for notice in self._notices.all() if notice.held]:
            if not self._stands_by(notice.alert.cluster):
                self._notices.put(msgspec.structs.replace(notice, held=False))
            elif notice.created_at < oldest:
                self._notices.remove(notice.id)
                self._counter.labels(notice.channel, "left").inc()

    def _notices_of(self, channel: str) -> list[Notice]:
        return [notice for notice in self._notices.all() if notice.channel == channel]

    async def _send_waiting(self, name: str) -> None:
        """Send the notices of a channel, oldest first, until none waits."""
        await self._clock.sleep(GATHER_SECONDS)
        while waiting := [notice for notice in self._notices_of(name) if not notice.held]:
            for group in group_notices(waiting):
                if not await self._send_and_remove(group):
                    return

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
            self._notices.remove(notice.id)
        try:
            await self._history.commit()
        except ReadOnlyHistory:
            return False  # the notices stay until there is space; their outcomes keep them from a second send
        for notice in notices:
            self._counter.labels(notice.channel, self._outcomes.pop(notice.id)).inc()
        return True

    async def _deliver(self, notices: list[Notice]) -> str:
        """Return `sent` or `dropped`, after at most seven attempts within 22 minutes."""
        notice = notices[0]
        others = tuple(other.alert for other in notices[1:])
        message = AlertMessage(id=notice.id, event=notice.event, alert=notice.alert, others=others)
        for pause in (*PAUSES, None):
            channel = self._channel(notice.channel)
            if channel is None:
                log.warning("channel %s is no longer in the settings; a message is dropped", notice.channel)
                return "dropped"
            try:
                await self._delivery.deliver(channel, message)
            except NotSent as fault:
                log.warning("channel %s: %s", channel.name, fault)
                self._health.refuse(channel.name, str(fault), self._clock.now(), final=fault.final)
                if fault.final or pause is None:
                    log.error("channel %s: the message %s is dropped", channel.name, notice.id)
                    return "dropped"
            else:
                self._health.accept(channel.name)
                return "sent"
            await self._clock.sleep(pause)
        return "dropped"

    def _channel(self, name: str) -> ChannelSettings | None:
        return next((channel for channel in self._settings().alerts.channels if channel.name == name), None)


def group_notices(waiting: list[Notice]) -> list[list[Notice]]:
    """Group notices into messages: one for each, or in a storm one for all of one event."""
    if len(waiting) <= SINGLES:
        return [[notice] for notice in waiting]
    groups: dict[EventName, list[Notice]] = {}
    for notice in waiting:
        groups.setdefault(notice.event, []).append(notice)
    return list(groups.values())


def is_selected(channel: ChannelSettings, event: AlertEvent) -> bool:
    """Return whether the channel's settings select the event."""
    if event.event == "resolved" and not channel.recoveries:
        return False
    if event.alert.kind == "channel" and event.alert.object_id == channel.name:
        return False
    return channel.severity == "warning" or event.alert.severity == "critical"
