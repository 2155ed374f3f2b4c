"""Mail, chat and pagers through apprise and its URLs (https://github.com/caronc/apprise/wiki)."""

import asyncio

from kronkeep_daemon.alerts.channels.message import AlertMessage, NotSent


async def send(url: str, message: AlertMessage) -> None:
    """Send once, in a thread; raise NotSent. Apprise's own timeouts apply: 4 s to connect, 4 s to read."""
    await asyncio.to_thread(_send, url, message)


def _send(url: str, message: AlertMessage) -> None:
    from apprise import Apprise, NotifyFormat, NotifyType  # takes 0.2 s: only who uses it pays

    target = Apprise()
    if not target.add(url):
        raise NotSent("apprise does not know that kind of URL", final=True)
    kinds = {"warning": NotifyType.WARNING, "critical": NotifyType.FAILURE}
    kind = NotifyType.SUCCESS if message.event == "resolved" else kinds[message.severity]
    sent = target.notify(
        body=message.text, title=message.title, notify_type=kind, body_format=NotifyFormat.TEXT
    )
    if not sent:
        raise NotSent("apprise could not deliver it")
