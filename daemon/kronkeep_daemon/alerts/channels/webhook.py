"""The webhook channel: a POST of {"id", "event", "title", "text", "alert": {...}, "others": [{...}]}."""

from kronkeep_daemon.alerts.channels.http_post import post
from kronkeep_daemon.alerts.channels.message import AlertMessage


async def send(url: str, message: AlertMessage) -> None:
    """Send once; raise NotSent for anything but a 2xx status."""
    await post(url, message.encode(), {"Content-Type": "application/json", "Idempotency-Key": message.id})
