"""What the client needs of HTTP: `Transport`, and what it answers and raises.

`HttpxTransport` is for programs with an event loop. `BlockingTransport` is for scripts and the command line.
"""

from collections.abc import AsyncGenerator
from typing import NamedTuple, Protocol

from kronkeep_common.version import VERSION

USER_AGENT = {"User-Agent": f"kronkeep/{VERSION}"}  # the audit trail has it
TIMEOUT_SECONDS = 30.0  # until a request without an answer is given up


class HttpAnswer(NamedTuple):
    """A status, the whole body, and the body's entity tag where it has one."""

    status: int
    body: bytes
    tag: str = ""


class ConnectionBroken(Exception):
    """Nobody answered, or the connection ended before the answer did."""


class AnswerMissing(ConnectionBroken):
    """The connection stands, but no answer came within TIMEOUT_SECONDS."""


class RequestRefused(Exception):
    """A stream that was refused; `answer` says why."""

    def __init__(self, answer: HttpAnswer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Transport(Protocol):
    """HTTP requests to one socket; all methods raise Broken, and `stream` raises Refused too."""

    async def request(
        self, method: str, target: str, content: bytes | None, headers: dict[str, str]
    ) -> HttpAnswer:
        """Send a request and return its whole answer; `target` is path and query."""
        ...

    def stream(self, target: str, headers: dict[str, str]) -> AsyncGenerator[bytes, None]:
        """Send a GET request and yield the chunks of its answer as they come."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for so many seconds."""
        ...

    async def close(self) -> None:
        """Close all open connections."""
        ...
