"""The transport of the standard library's HTTP client, which needs no event loop.

It starts in a fraction of the time: importing httpx alone takes 50 ms, as long as all else of `kronkeep get`.
Its methods are coroutines that never wait, so that `run_without_loop` can run them.
"""

import http.client
import socket
import time
from collections.abc import AsyncGenerator, Coroutine
from pathlib import Path
from typing import TypeVar

from kronkeep_common.client.transport import (
    TIMEOUT_SECONDS,
    USER_AGENT,
    AnswerMissing,
    ConnectionBroken,
    HttpAnswer,
    RequestRefused,
)

T = TypeVar("T")
CHUNK = 65536  # bytes


class _UnixConnection(http.client.HTTPConnection):
    """An HTTP connection over a Unix socket."""

    def __init__(self, path: Path, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = str(path)

    def connect(self) -> None:
        """Connect to the path instead of a host; raise OSError."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class BlockingTransport:
    """A transport that opens a connection for each request, and blocks."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def _send(
        self, method: str, target: str, content: bytes | None, headers: dict[str, str], timeout: float | None
    ) -> tuple[_UnixConnection, http.client.HTTPResponse]:
        connection = _UnixConnection(self._path, TIMEOUT_SECONDS)
        try:
            connection.request(method, target, content, headers | USER_AGENT)
            assert connection.sock is not None
            connection.sock.settimeout(timeout)
            return connection, connection.getresponse()
        except BaseException:
            connection.close()
            raise

    async def request(
        self, method: str, target: str, content: bytes | None, headers: dict[str, str]
    ) -> HttpAnswer:
        try:
            connection, response = self._send(method, target, content, headers, TIMEOUT_SECONDS)
            try:
                return HttpAnswer(response.status, response.read(), response.headers.get("ETag", ""))
            finally:
                connection.close()
        except TimeoutError as fault:
            raise AnswerMissing(str(fault)) from fault
        except (OSError, http.client.HTTPException) as fault:
            raise ConnectionBroken(str(fault)) from fault

    async def stream(self, target: str, headers: dict[str, str]) -> AsyncGenerator[bytes, None]:
        try:
            connection, response = self._send("GET", target, None, headers, None)
            try:
                if response.status >= 400:
                    raise RequestRefused(HttpAnswer(response.status, response.read()))
                while chunk := response.read1(CHUNK):
                    yield chunk
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as fault:
            raise ConnectionBroken(str(fault)) from fault

    async def sleep(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251 - there is no loop

    async def close(self) -> None:
        """Do nothing: no connection outlives its request."""


def run_without_loop(work: Coroutine[object, None, T]) -> T:
    """Run a coroutine over a BlockingTransport and return its result; raise RuntimeError if it waits."""
    try:
        work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    work.close()
    raise RuntimeError("this needs an event loop")
