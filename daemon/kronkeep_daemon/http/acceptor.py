"""Takes connections from the listening socket, a few in a turn of the event loop, or turns them away.

asyncio's own listener takes in one turn as many as the kernel keeps, 512, and builds a parser for each before
anybody can refuse it: under a flood by one user everybody else's requests waited for that, 0.9 s at the 99th
percentile. Here they wait for 16, and who has too many connections costs an accept and a send.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress

from kronkeep_daemon.http.access import credentials
from kronkeep_daemon.http.user_limits import Connection, Limits

log = logging.getLogger(__name__)
BACKLOG = 512  # connections that the kernel keeps until they are taken
AT_ONCE = 16  # connections taken in one turn of the event loop
PAUSE = 1.0  # seconds without taking any, where the system has no more files
FULL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"


class Door:
    """Serves what is admitted with the connections that `build` makes for a uid, until it is closed."""

    def __init__(self, listening: socket.socket, limits: Limits, build: Callable[[int], Connection]) -> None:
        self._listening = listening
        self._limits = limits
        self._build = build
        self._loop = asyncio.get_running_loop()
        self._letting_in: set[asyncio.Task[None]] = set()
        self._closed = False
        listening.setblocking(False)
        listening.listen(BACKLOG)
        self._open()

    def _open(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._listening.fileno(), self._take)

    def _take(self) -> None:
        """Takes who waits; the loop comes again where there are more."""
        for _ in range(AT_ONCE):
            try:
                connection, _address = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as fault:
                log.error("no connection can be taken: %s", fault.strerror)
                self._loop.remove_reader(self._listening.fileno())
                self._loop.call_later(PAUSE, self._open)
                return
            self._admit(connection)

    def _admit(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        _, uid, _ = credentials(connection)
        if self._limits.admit(uid):
            task = self._loop.create_task(self._let_in(connection, uid), name="connection")
            self._letting_in.add(task)
            task.add_done_callback(self._letting_in.discard)
            return
        with connection, suppress(OSError):
            connection.send(FULL)

    async def _let_in(self, connection: socket.socket, uid: int) -> None:
        await self._loop.connect_accepted_socket(lambda: self._build(uid), connection)

    def close(self) -> None:
        """Takes no one more."""
        self._closed = True
        self._loop.remove_reader(self._listening.fileno())
        self._listening.close()
