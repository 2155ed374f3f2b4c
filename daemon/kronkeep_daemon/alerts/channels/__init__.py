"""The channels to people, a module a kind; each has `send(url, message)`, which raises NotSent.

A URL often contains a token, so nothing here logs it or puts it into an error; httpx and apprise would log it
at INFO, so their loggers are set to WARNING.
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
