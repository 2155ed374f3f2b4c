"""The attempts to send one message to a channel of the settings, with growing pauses between them."""

import logging
from collections.abc import Callable
from typing import Literal

from kronkeep_common.clock import Clock
from kronkeep_daemon.alert_settings import ChannelSettings
from kronkeep_daemon.alerts.channel_health import ChannelHealth
from kronkeep_daemon.alerts.channels import ChannelMessage, NotSent
from kronkeep_daemon.alerts.delivery import ChannelDelivery
from kronkeep_daemon.settings import Settings

log = logging.getLogger(__name__)
PAUSES = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0)  # seconds before each further attempt
Outcome = Literal["sent", "dropped"]


class ChannelSender:
    """A sender of messages, which notes what channels accept."""

    def __init__(
        self,
        *,
        delivery: ChannelDelivery,
        health: ChannelHealth,
        settings: Callable[[], Settings],
        clock: Clock,
    ) -> None:
        self._delivery = delivery
        self._health = health
        self._settings = settings
        self._clock = clock

    async def send(self, name: str, message: ChannelMessage) -> Outcome:
        """Return `sent` or `dropped`, after at most seven attempts within 22 minutes."""
        for pause in (*PAUSES, None):
            channel = self._find_channel(name)
            if channel is None:
                log.warning("channel %s is no longer in the settings; a message is dropped", name)
                return "dropped"
            try:
                await self._delivery.deliver(channel, message)
            except NotSent as fault:
                log.warning("channel %s: %s", channel.name, fault)
                self._health.refuse(channel.name, str(fault), self._clock.now(), final=fault.final)
                if fault.final or pause is None:
                    log.error("channel %s: the message %s is dropped", channel.name, message.id)
                    return "dropped"
            else:
                self._health.accept(channel.name)
                return "sent"
            await self._clock.sleep(pause)
        return "dropped"

    def _find_channel(self, name: str) -> ChannelSettings | None:
        return next((channel for channel in self._settings().alerts.channels if channel.name == name), None)
