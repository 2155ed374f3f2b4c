"""How requests reach the socket: the standard library's HTTP client, which needs no event loop.

`Client` speaks through a Transport. The one on httpx (`loop.py`) is for programs with an event loop; this one
blocks, and starts in a fraction of the time (importing httpx alone takes 50 ms, as long as all else of
`kronkeep get`). Its methods are coroutines that never wait, so `finished` can run them without a loop.
"""

import http.client
import socket
import time
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar
from urllib.parse import quote

T = TypeVar("T")
SECONDS = 30.0
CHUNK = 65536


def part(name: str) -> str:
    """A name or id as one part of a path, whatever is in it: `../x` leads to no other route."""
    return quote(name, safe="")


class Answer(NamedTuple):
    """A status, its whole body, and the body's entity tag where it has one."""

    status: int
    body: bytes
    tag: str = ""


class Broken(Exception):
    """Nobody answered, or the connection ended before the answer did."""


class Refused(Exception):
    """A stream that was refused; `answer` says why."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Transport(Protocol):
    """What `Client` needs; all raise Broken, `stream` also Refused."""

    async def request(
        self, method: str, target: str, content: bytes | None, headers: dict[str, str]
    ) -> Answer:
        """One request and its whole answer; `target` is path and query."""
        ...

    def stream(self, target: str, headers: dict[str, str]) -> AsyncIterator[bytes]:
        """The chunks of an answer, for as long as they come."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        ...

    async def close(self) -> None:
        """Closes the connections."""
        ...


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = str(path)

    def connect(self) -> None:
        """Connects to the path instead of a host; raises OSError."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class BlockingTransport:
    """One connection a request; blocks."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def _send(
        self, method: str, target: str, content: bytes | None, headers: dict[str, str], timeout: float | None
    ) -> tuple[_Connection, http.client.HTTPResponse]:
        connection = _Connection(self._path, SECONDS)
        try:
            connection.request(method, target, content, headers)
            assert connection.sock is not None
            connection.sock.settimeout(timeout)
            return connection, connection.getresponse()
        except BaseException:
            connection.close()
            raise

    async def request(
        self, method: str, target: str, content: bytes | None, headers: dict[str, str]
    ) -> Answer:
        """One request and its whole answer; raises Broken."""
        try:
            connection, response = self._send(method, target, content, headers, SECONDS)
            try:
                return Answer(response.status, response.read(), response.headers.get("ETag", ""))
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as fault:
            raise Broken(str(fault)) from fault

    async def stream(self, target: str, headers: dict[str, str]) -> AsyncIterator[bytes]:
        """The chunks of an answer; raises Broken, Refused."""
        try:
            connection, response = self._send("GET", target, None, headers, None)
            try:
                if response.status >= 400:
                    raise Refused(Answer(response.status, response.read()))
                while chunk := response.read1(CHUNK):
                    yield chunk
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as fault:
            raise Broken(str(fault)) from fault

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        time.sleep(seconds)  # noqa: ASYNC251 - there is no loop

    async def close(self) -> None:
        """Nothing is kept open."""


def finished(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine over a BlockingTransport; raises RuntimeError for one that waits."""
    try:
        work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    work.close()
    raise RuntimeError("this needs an event loop")
