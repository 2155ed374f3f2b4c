"""When a cluster last sent anything, and the watches that wait for it to send more."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kronkeep_common.clock import Clock
from kronkeep_common.errors import ClusterUnreachable

if TYPE_CHECKING:
    import aiohttp

KEEPALIVE = {socket.TCP_KEEPIDLE: 10, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 3}  # seconds but the last


class Contact:
    """The contact with one cluster."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heard_at = clock.monotonic()
        self._watches: dict[aiohttp.ClientResponse, ClusterUnreachable | None] = {}  # why it was ended here

    def note(self) -> None:
        """Take note that something has come."""
        self._heard_at = self._clock.monotonic()

    def silent_for(self) -> float:
        """Return for how many seconds nothing has come: no answer, no line of a watch."""
        return self._clock.monotonic() - self._heard_at

    @contextmanager
    def follow(self, response: "aiohttp.ClientResponse") -> Iterator[None]:
        """Let `end_watches` end a watch that is read in the block, and close it afterwards."""
        keep_alive(response)
        self._watches[response] = None
        try:
            yield
        except ClusterUnreachable as broken:
            why = self._watches[response]
            if why is None:
                raise
            raise why from broken
        finally:
            del self._watches[response]
            response.close()

    def end_watches(self, why: ClusterUnreachable) -> None:
        """End every watch that is open; their readers get the error."""
        for response in list(self._watches):
            self._watches[response] = why
            response.close()


def keep_alive(response: "aiohttp.ClientResponse") -> None:
    """Have the kernel find out whether the connection of a stream still exists where nothing comes.

    A packet that wants an answer is sent after ten silent seconds and then every five; after three without
    one the connection breaks (tcp(7)). Firewalls and NATs that forget idle connections keep this one.
    """
    transport = response.connection.transport if response.connection is not None else None
    connection = transport.get_extra_info("socket") if transport is not None else None
    if connection is None:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE.items():
        connection.setsockopt(socket.IPPROTO_TCP, option, value)
