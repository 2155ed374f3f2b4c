"""The webhook channel: a POST of {"id", "event", "title", "text"} with {"alert", "others"} or {"report"}."""

from kronkeep_daemon.alerts.channels.http_post import post
from kronkeep_daemon.alerts.channels.message import ChannelMessage


async def send(url: str, message: ChannelMessage) -> None:
    """Send once; raise NotSent for anything but a 2xx status."""
    await post(url, message.encode(), {"Content-Type": "application/json", "Idempotency-Key": message.id})
