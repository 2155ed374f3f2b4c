"""One attempt to deliver a message: the channel's URL is read, then its kind sends, all within one deadline.

However a receiver hangs, drips or floods, it holds its own channel's worker for 10 s (where a process must
start for 20 s) and nobody else's.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Any

from kronkeep_daemon import secret_urls
from kronkeep_daemon.alert_settings import ChannelSettings
from kronkeep_daemon.alerts.channel_health import ChannelHealth
from kronkeep_daemon.alerts.channels import (
    ALERTMANAGER_SECONDS,
    COMMAND_SECONDS,
    KINDS,
    ChannelMessage,
    NotSent,
    alertmanager,
    command,
)
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.secret_urls import UrlUnreadable, read_url
from kronkeep_daemon.settings import Settings

PROCESSES = 6  # at once for channels whose last delivery went well, 35 MB each
FAILING_PROCESSES = 1  # at once for all other channels, so that those cannot hold the places


class ChannelDelivery:
    """Delivers messages to channels."""

    def __init__(self, *, settings: Callable[[], Settings], cluster: Cluster, health: ChannelHealth) -> None:
        self._settings = settings
        self._cluster = cluster
        self._health = health
        self._places = asyncio.Semaphore(PROCESSES)
        self._failing_places = asyncio.Semaphore(FAILING_PROCESSES)

    async def deliver(self, channel: ChannelSettings, message: ChannelMessage) -> None:
        """Try once; raise NotSent, also where it takes longer than its kind has time."""
        if channel.kind == "command":
            async with self._place(channel), _deadline(COMMAND_SECONDS):
                await command.run(channel.command, message)
            return
        kind = KINDS[channel.kind]
        async with self._place(channel) if kind.is_process else nullcontext(), _deadline(kind.seconds):
            await kind.send(await self._read_url(channel), message)

    async def post_alerts(self, channel: ChannelSettings, alerts: Sequence[dict[str, Any]]) -> None:
        """Send alerts to an Alertmanager once; raise NotSent."""
        async with _deadline(ALERTMANAGER_SECONDS):
            await alertmanager.send(await self._read_url(channel), alerts)

    def _place(self, channel: ChannelSettings) -> asyncio.Semaphore:
        return self._failing_places if self._health.is_failing(channel.name) else self._places

    async def _read_url(self, channel: ChannelSettings) -> str:
        """Return the channel's URL as it is now, since it may have been changed; raise NotSent."""
        try:
            return await read_url(channel, self._cluster, self._settings().namespace)
        except UrlUnreadable as fault:
            raise NotSent(str(fault)) from fault


@asynccontextmanager
async def _deadline(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as fault:
        raise NotSent(f"it was not delivered within {seconds:.0f} s") from fault


async def read_url_file(name: str) -> str:
    """Return the first line of a file or credential; raise NotSent."""
    try:
        return await secret_urls.read_url_file(name)
    except UrlUnreadable as fault:
        raise NotSent(str(fault)) from fault
