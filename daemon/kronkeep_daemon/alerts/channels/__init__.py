"""The ways to people, one module a kind: each has `send(url, message)`, which raises NotSent.

The URL holds a token more often than not, so nothing here puts it into a log or an error; httpx and apprise
would log it, and are told to be quiet.
"""

import logging
from collections.abc import Awaitable, Callable

from kronkeep_daemon.alerts.channels import apprise_channel, webhook
from kronkeep_daemon.alerts.channels.message import AlertMessage, NotSent

for name in ("httpx", "httpcore", "apprise"):
    logging.getLogger(name).setLevel(logging.WARNING)

KINDS: dict[str, Callable[[str, AlertMessage], Awaitable[None]]] = {
    "apprise": apprise_channel.send,
    "webhook": webhook.send,
}

__all__ = ["KINDS", "AlertMessage", "NotSent"]
