"""The channels to people, a module a kind; each raises NotSent.

`alertmanager` is sent lists of alerts and `command` starts a program; the others have `send(url, message)`.

A URL often contains a token, so nothing here logs it or puts it into an error; httpx would log it at INFO,
so its loggers are set to WARNING.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from kronkeep_daemon.alerts.channels import apprise_channel, webhook
from kronkeep_daemon.alerts.channels.message import (
    AlertMessage,
    ChannelMessage,
    NotSent,
    ReportMessage,
    TrialMessage,
)

for name in ("httpx", "httpcore"):
    logging.getLogger(name).setLevel(logging.WARNING)


class ChannelKind(NamedTuple):
    """How a kind of channel sends, in at most how many seconds, and whether each message starts a process."""

    send: Callable[[str, ChannelMessage], Awaitable[None]]
    seconds: float = 10.0
    is_process: bool = False


KINDS: dict[str, ChannelKind] = {
    "apprise": ChannelKind(apprise_channel.send, seconds=20.0, is_process=True),
    "webhook": ChannelKind(webhook.send),
}
COMMAND_SECONDS = 10.0
ALERTMANAGER_SECONDS = 10.0

__all__ = [
    "KINDS",
    "AlertMessage",
    "ChannelKind",
    "ChannelMessage",
    "NotSent",
    "ReportMessage",
    "TrialMessage",
]
