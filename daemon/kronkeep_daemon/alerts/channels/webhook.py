"""The webhook channel: a POST of {"id", "event", "title", "text", "alert": {...}, "others": [{...}]}."""

import httpx
import msgspec

from kronkeep_daemon.alerts.channels.message import AlertMessage, NotSent

SECONDS = 10.0
AGAIN = (408, 425, 429)  # RFC 9110, 8470, 6585: what a client may send again


async def send(url: str, message: AlertMessage) -> None:
    """Send once; raise NotSent for anything but a 2xx response within 10 s. Redirects are not followed."""
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
    headers = {"Content-Type": "application/json", "Idempotency-Key": message.id}
    try:
        async with httpx.AsyncClient(timeout=SECONDS) as client:
            answer = await client.post(url, content=body, headers=headers)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as fault:
        raise NotSent("the URL is no http URL", final=True) from fault
    except httpx.HTTPError as fault:
        raise NotSent(f"no answer ({type(fault).__name__})") from fault
    if not answer.is_success:
        final = answer.status_code < 500 and answer.status_code not in AGAIN
        raise NotSent(f"the answer was {answer.status_code}", final=final)
