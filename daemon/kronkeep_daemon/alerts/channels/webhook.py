"""The webhook channel: a POST of {"id", "event", "title", "text", "alert": {...}, "others": [{...}]}."""

import msgspec

from kronkeep_daemon.alerts.channels.http_post import post
from kronkeep_daemon.alerts.channels.message import AlertMessage


async def send(url: str, message: AlertMessage) -> None:
    """Send once; raise NotSent for anything but a 2xx status."""
    body = msgspec.json.encode(
        {
            "id": message.id,
            "event": message.event,
            "title": message.title,
            "text": message.text,
            "alert": message.alert,
            "others": message.others,
        }
    )
    await post(url, body, {"Content-Type": "application/json", "Idempotency-Key": message.id})
