"""How much one user may ask of the socket at once: connections, streams, requests a second, and deadlines.

Figures are those of LimitSettings. A flood of one uid leaves the others their part: `connections` counts all,
and the last 32 of them are kept for root and the daemon's own user.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web

from kronkeep_common.clock import Clock
from kronkeep_common.errors import InvalidRequest, TooMany
from kronkeep_common.text import clean
from kronkeep_daemon.http.problems import problem_response
from kronkeep_daemon.settings import LimitSettings

RESERVED = 32
MOST_BUCKETS = 1024


class TokenBucket:
    """Tokens that come back at `rate` a second, `burst` of them at most."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at = now

    def take(self, now: float) -> bool:
        """Takes one token, if there is one."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class UserBuckets:
    """One bucket a uid; when there are too many uids, all begin anew."""

    def __init__(self) -> None:
        self._buckets: dict[int, TokenBucket] = {}

    def take(self, uid: int, rate: float, now: float) -> bool:
        """Whether the uid may go on, at `rate` a second with twice that at once."""
        if uid not in self._buckets:
            if len(self._buckets) >= MOST_BUCKETS:
                self._buckets.clear()
            self._buckets[uid] = TokenBucket(rate, rate * 2, now)
        return self._buckets[uid].take(now)


class UserLimits:
    """What is open now, by uid."""

    def __init__(self, clock: Clock, settings: Callable[[], LimitSettings]) -> None:
        self._clock = clock
        self.settings = settings
        self._connections: Counter[int] = Counter()
        self._streams: Counter[int] = Counter()
        self._streaming: set[asyncio.Task[None]] = set()
        self._requests = UserBuckets()
        self._refusals = UserBuckets()
        self._lines = UserBuckets()

    def admit(self, uid: int) -> bool:
        """Counts a connection in, unless the uid or the daemon has too many."""
        limits = self.settings()
        own = uid in (0, os.getuid())
        most = limits.connections if own else max(1, limits.connections - RESERVED)
        if self._connections[uid] >= limits.connections_per_uid or self._connections.total() >= most:
            return False
        self._connections[uid] += 1
        return True

    def leave(self, uid: int) -> None:
        """Counts a connection out."""
        self._connections -= Counter([uid])

    @contextmanager
    def stream(self, uid: int, task: "asyncio.Task[None]") -> Iterator[None]:
        """One stream of the uid while the block runs, on its connection's task; raises TooMany."""
        most = self.settings().streams_per_uid
        if self._streams[uid] >= most:
            raise TooMany(f"You have {most} streams open, which is the most.", next_step="Close one first.")
        self._streams[uid] += 1
        self._streaming.add(task)
        try:
            yield
        finally:
            self._streaming.discard(task)
            self._streams -= Counter([uid])

    def end_streams(self) -> None:
        """Ends every stream: their readers come back, and a daemon that stops need not wait for them."""
        for task in self._streaming:
            task.cancel()

    def request(self, uid: int) -> None:
        """Counts one request; raises TooMany above the rate."""
        rate = self.settings().requests_per_second
        if not self._requests.take(uid, rate, self._clock.monotonic()):
            raise TooMany(f"You send more than {rate:.0f} requests a second.")

    def worth_logging(self, uid: int) -> bool:
        """Whether another refusal of this uid is logged: one in two seconds is."""
        return self._lines.take(uid, 0.5, self._clock.monotonic())

    def worth_keeping(self, uid: int) -> bool:
        """Whether another refusal of this uid is audited: ten a second are."""
        return self._refusals.take(uid, 10.0, self._clock.monotonic())


class CountedConnection(web.RequestHandler):
    """aiohttp's connection, counted by uid, closed when the headers of a request take too long."""

    def __init__(self, server: web.Server, limits: UserLimits, uid: int, **named: Any) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **named)
        self._limits = limits
        self._uid = uid
        self._patience: asyncio.TimerHandle | None = None
        self._working = False
        self._stream: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Waits for the first request."""
        super().connection_made(transport)
        self._await_headers(transport)

    def data_received(self, data: bytes) -> None:
        """Bytes of a request."""
        if not self._working and self._patience is None and self.transport is not None:
            self._await_headers(self.transport)
        super().data_received(data)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """A problem for what is no HTTP, unlogged, since anybody can send any number of it."""
        if status >= 500:
            return super().handle_error(request, status, exc, message)
        words = clean((message or "").partition("\n")[0], 200)
        answer = problem_response(InvalidRequest(f"This is no request in HTTP/1.1: {words}"), status)
        answer.force_close()
        return answer

    def connection_lost(self, exc: BaseException | None) -> None:
        """Counts the connection out."""
        self._stop_waiting()
        self._limits.leave(self._uid)
        super().connection_lost(exc)
        if self._stream is not None:
            self._stream.cancel()

    def carries(self, stream: "asyncio.Task[None]") -> None:
        """The stream ends with the connection, which counts against its user only while somebody reads."""
        self._stream = stream

    def _await_headers(self, transport: asyncio.BaseTransport) -> None:
        seconds = self._limits.settings().header_seconds
        self._patience = asyncio.get_running_loop().call_later(seconds, transport.close)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    @contextmanager
    def working(self) -> Iterator[None]:
        """While a request is answered no deadline for headers runs."""
        self._stop_waiting()
        self._working = True
        try:
            yield
        finally:
            self._working = False
