"""The acceptor of connections: a few in each turn of the event loop, with a refusal for users with too many.

asyncio's own listener accepts in one turn as many connections as the kernel queues, 512, and builds a parser
for each before anything can refuse it: under a flood by one user the requests of all others waited for that,
0.9 s at the 99th percentile. Here they wait for 16, and a refused connection costs one accept and one send.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from kronkeep_daemon.http.access import peer_credentials
from kronkeep_daemon.http.user_limits import CountedConnection, UserLimits

log = logging.getLogger(__name__)
BACKLOG = 512  # connections that the kernel queues until they are accepted
AT_ONCE = 16  # connections accepted in one turn of the event loop
PAUSE = 1.0  # seconds without accepting any, where the system has no more file descriptors
BUSY_RESPONSE = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"
)


def peer_uid(connection: socket.socket) -> int:
    """Return the uid of the process at the other end of a Unix socket."""
    _, uid, _ = peer_credentials(connection)
    return uid


class Acceptor:
    """Accepts connections until it is closed; `build` returns the protocol that serves one of a uid.

    `identify` returns the uid for which a connection counts, by default that of the process at its other end.
    """

    def __init__(
        self,
        listening: socket.socket,
        limits: UserLimits,
        build: Callable[[int], CountedConnection],
        *,
        identify: Callable[[socket.socket], int] = peer_uid,
    ) -> None:
        self._listening = listening
        self._limits = limits
        self._build = build
        self._identify = identify
        self._loop = asyncio.get_running_loop()
        self._connecting: set[asyncio.Task[None]] = set()
        self._closed = False
        listening.setblocking(False)
        listening.listen(BACKLOG)
        self._watch_socket()

    def _watch_socket(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._listening.fileno(), self._accept)

    def _accept(self) -> None:
        """Accept connections that wait; the event loop calls again while there are more."""
        for _ in range(AT_ONCE):
            try:
                connection, _address = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as fault:
                log.error("no connection can be accepted: %s", fault.strerror)
                self._loop.remove_reader(self._listening.fileno())
                self._loop.call_later(PAUSE, self._watch_socket)
                return
            self._admit(connection)

    def _admit(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        uid = self._identify(connection)
        if self._limits.admit_connection(uid):
            task = self._loop.create_task(self._connect(connection, uid), name="connection")
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)
            return
        with connection, suppress(OSError):
            connection.send(BUSY_RESPONSE)

    async def _connect(self, connection: socket.socket, uid: int) -> None:
        await self._loop.connect_accepted_socket(partial(self._build, uid), connection)

    async def close(self) -> None:
        """Accept no more connections, and wait until those that were accepted are served; they stay open."""
        self._closed = True
        self._loop.remove_reader(self._listening.fileno())
        self._listening.close()
        if self._connecting:
            await asyncio.wait(self._connecting)
