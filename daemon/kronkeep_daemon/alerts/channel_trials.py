"""Tests of channels that a person asks for: one message to each, tried once, with what became of it."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta

from kronkeep_common.clock import Clock
from kronkeep_common.errors import InvalidRequest
from kronkeep_common.models.alert import ChannelTrial
from kronkeep_common.name_suggestions import suggest_name
from kronkeep_common.text import clean
from kronkeep_daemon.alert_settings import ChannelSettings
from kronkeep_daemon.alerts.channel_health import ChannelHealth
from kronkeep_daemon.alerts.channels import NotSent, TrialMessage
from kronkeep_daemon.alerts.channels.alertmanager import postable_trial
from kronkeep_daemon.alerts.delivery import ChannelDelivery
from kronkeep_daemon.history.record_ids import new_id
from kronkeep_daemon.settings import Settings

LONGEST_SECONDS = 25.0  # of all tests, which run beside each other; the client waits for 30 s
LASTS = timedelta(minutes=1)  # of the alert that an Alertmanager gets


class ChannelTrials:
    """The tests of the channels of the settings."""

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

    async def try_channels(self, names: Sequence[str], user: str) -> list[ChannelTrial]:
        """Send a message to the channels of these names, to all without names; return what became of each.

        Filters, quiet hours and silences hold nothing back. What a channel refuses is not sent again, and
        does not count for ChannelStuck.

        Raise InvalidRequest for a name that no channel has, and where the settings have no channels.
        """
        channels = self._choose_channels(names)
        message = TrialMessage(id=new_id(), user=user)
        return list(await asyncio.gather(*(self._try_channel(channel, message) for channel in channels)))

    def _choose_channels(self, names: Sequence[str]) -> list[ChannelSettings]:
        by_name = {channel.name: channel for channel in self._settings().alerts.channels}
        if not by_name:
            raise InvalidRequest(
                "The settings have no channels, so alerts are sent nowhere.",
                next_step="Add [[alerts.channels]] to the settings: docs/alerts.md.",
            )
        for name in names:
            if name not in by_name:
                raise InvalidRequest(
                    f"There is no channel {clean(repr(name), 80)}.",
                    next_step=suggest_name(name, by_name),
                    field="channels",
                )
        return [by_name[name] for name in dict.fromkeys(names)] or list(by_name.values())

    async def _try_channel(self, channel: ChannelSettings, message: TrialMessage) -> ChannelTrial:
        fault: str | None = None
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                await self._send(channel, message)
        except NotSent as refusal:
            fault = clean(str(refusal), 500)
        except TimeoutError:
            fault = f"it was not delivered within {LONGEST_SECONDS:.0f} s"
        else:
            self._health.accept(channel.name)
        return ChannelTrial(name=channel.name, kind=channel.kind, is_sent=fault is None, message=fault)

    async def _send(self, channel: ChannelSettings, message: TrialMessage) -> None:
        if channel.kind == "alertmanager":
            now = self._clock.now()
            alert = postable_trial(message.title, message.text, now, now + LASTS)
            await self._delivery.post_alerts(channel, [alert])
        else:
            await self._delivery.deliver(channel, message)
