"""Limits of each user on the socket: connections, streams, requests a second, and the headers' deadline.

The numbers are those of LimitSettings. A flood by one uid leaves the others their share: `connections` limits
the sum of all, and the last 32 of them are reserved for root and the daemon's own user.
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
    """A token bucket: at most `burst` tokens, refilled at `rate` a second."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at = now

    def take(self, now: float) -> bool:
        """Take one token, if there is one; `now` is in seconds of the monotonic clock."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class UserBuckets:
    """One bucket for each uid; above MOST_BUCKETS uids all of them start full again."""

    def __init__(self) -> None:
        self._buckets: dict[int, TokenBucket] = {}

    def take(self, uid: int, rate: float, now: float) -> bool:
        """Return whether the uid stays within `rate` a second, with bursts of twice that."""
        if uid not in self._buckets:
            if len(self._buckets) >= MOST_BUCKETS:
                self._buckets.clear()
            self._buckets[uid] = TokenBucket(rate, rate * 2, now)
        return self._buckets[uid].take(now)


class UserLimits:
    """The connections, streams and requests of each uid, limited as the settings say."""

    def __init__(self, clock: Clock, settings: Callable[[], LimitSettings]) -> None:
        self._clock = clock
        self.settings = settings
        self._connections: Counter[int] = Counter()
        self._streams: Counter[int] = Counter()
        self._streaming: set[asyncio.Task[None]] = set()
        self._requests = UserBuckets()
        self._refusals = UserBuckets()
        self._lines = UserBuckets()

    def admit_connection(self, uid: int) -> bool:
        """Count a connection and return True, unless the uid or the daemon has too many."""
        limits = self.settings()
        own = uid in (0, os.getuid())
        most = limits.connections if own else max(1, limits.connections - RESERVED)
        if self._connections[uid] >= limits.connections_per_uid or self._connections.total() >= most:
            return False
        self._connections[uid] += 1
        return True

    def release_connection(self, uid: int) -> None:
        """Count a connection as closed."""
        self._connections -= Counter([uid])

    @contextmanager
    def count_stream(self, uid: int, task: "asyncio.Task[None]") -> Iterator[None]:
        """Count a stream of the uid while the block runs in its connection's task; raise TooMany."""
        most = self.settings().streams_per_uid
        if self._streams[uid] >= most:
            raise TooMany(f"You have {most} streams open, which is the limit.", next_step="Close one first.")
        self._streams[uid] += 1
        self._streaming.add(task)
        try:
            yield
        finally:
            self._streaming.discard(task)
            self._streams -= Counter([uid])

    def end_streams(self) -> None:
        """End every stream, so that a daemon that stops need not wait; their readers reconnect."""
        for task in self._streaming:
            task.cancel()

    def count_request(self, uid: int) -> None:
        """Count one request; raise TooMany above the rate."""
        rate = self.settings().requests_per_second
        if not self._requests.take(uid, rate, self._clock.monotonic()):
            raise TooMany(f"You send more than {rate:.0f} requests a second.")

    def may_log_refusal(self, uid: int) -> bool:
        """Return whether another refusal of this uid is logged: one in two seconds is."""
        return self._lines.take(uid, 0.5, self._clock.monotonic())

    def may_audit_refusal(self, uid: int) -> bool:
        """Return whether another refusal of this uid is audited: ten a second are."""
        return self._refusals.take(uid, 10.0, self._clock.monotonic())


class CountedConnection(web.RequestHandler):
    """aiohttp's connection, counted for its uid, and closed when the headers of a request take too long."""

    def __init__(self, server: web.Server, limits: UserLimits, uid: int, **options: Any) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **options)
        self._limits = limits
        self._uid = uid
        self._header_deadline: asyncio.TimerHandle | None = None
        self._answering = False
        self._stream: asyncio.Task[None] | None = None
        self.first_request = asyncio.get_running_loop().create_future()  # done when it is being answered

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._start_header_deadline(transport)

    def data_received(self, data: bytes) -> None:
        if not self._answering and self._header_deadline is None and self.transport is not None:
            self._start_header_deadline(self.transport)
        super().data_received(data)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP with a problem, unlogged, since anybody can send any number of it."""
        if status >= 500:
            return super().handle_error(request, status, exc, message)
        reason = clean((message or "").partition("\n")[0], 200)
        answer = problem_response(InvalidRequest(f"This is not an HTTP/1.1 request: {reason}"), status)
        answer.force_close()
        return answer

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_header_deadline()
        self._end_wait_for_request()
        self._limits.release_connection(self._uid)
        super().connection_lost(exc)
        if self._stream is not None:
            self._stream.cancel()

    @contextmanager
    def cancel_on_close(self, stream: "asyncio.Task[None]") -> Iterator[None]:
        """Cancel the stream's task when the connection ends, so that it counts only while somebody reads.

        The task is that of the connection, so what is asked after the stream is not cancelled.
        """
        self._stream = stream
        try:
            yield
        finally:
            self._stream = None

    def _start_header_deadline(self, transport: asyncio.BaseTransport) -> None:
        seconds = self._limits.settings().header_seconds
        self._header_deadline = asyncio.get_running_loop().call_later(seconds, transport.close)

    def _stop_header_deadline(self) -> None:
        if self._header_deadline is not None:
            self._header_deadline.cancel()
            self._header_deadline = None

    def _end_wait_for_request(self) -> None:
        if not self.first_request.done():
            self.first_request.set_result(None)

    @contextmanager
    def without_header_deadline(self) -> Iterator[None]:
        """Suspend the deadline for headers while the block answers a request."""
        self._stop_header_deadline()
        self._end_wait_for_request()
        self._answering = True
        try:
            yield
        finally:
            self._answering = False
