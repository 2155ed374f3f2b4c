"""The process that delivers one message through apprise: an order on standard input, an exit code.

Of each answer at most 64 KB are read, redirects are not followed, and the process has at most 256 MB of its
own; whoever started it kills it at its deadline.
"""

import resource
import sys
from collections.abc import Iterator
from contextlib import suppress

import msgspec

SENT = 0
NOT_SENT = 1
UNKNOWN_URL = 3
MAX_ANSWER = 64 * 1024  # bytes
MAX_MEMORY = 256 * 1024 * 1024  # bytes; apprise itself takes about 35 MB


class AppriseOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What to deliver; `type` is one of apprise's NotifyType."""

    url: str
    title: str
    body: str
    type: str


def deliver(order: AppriseOrder) -> int:
    """Deliver once and return the exit code."""
    from apprise import Apprise, NotifyFormat, NotifyType  # takes 0.2 s: only this process pays

    target = Apprise()
    if not target.add(order.url):
        return UNKNOWN_URL
    sent = target.notify(
        body=order.body,
        title=order.title,
        notify_type=NotifyType(order.type),
        body_format=NotifyFormat.TEXT,
    )
    return SENT if sent else NOT_SENT


def _limit_answers() -> None:
    """Let apprise, which reads whole answers by `requests`, see at most 64 KB of one and no redirect."""
    from requests import Response, Session

    def iter_first_bytes(response: Response, *_: object, **__: object) -> Iterator[bytes]:
        first = response.raw.read(MAX_ANSWER, decode_content=True)
        if first:
            yield first

    def follow_nothing(session: Session, answer: Response) -> None:
        del session, answer

    Response.iter_content = iter_first_bytes  # type: ignore[method-assign, assignment]
    Session.get_redirect_target = follow_nothing  # type: ignore[method-assign, assignment]


def main() -> int:
    """Read the order, deliver it and return the exit code."""
    with suppress(OSError, ValueError):  # a filter of system calls may forbid it
        resource.setrlimit(resource.RLIMIT_DATA, (MAX_MEMORY, MAX_MEMORY))
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=AppriseOrder)
    _limit_answers()
    return deliver(order)


if __name__ == "__main__":
    sys.exit(main())
