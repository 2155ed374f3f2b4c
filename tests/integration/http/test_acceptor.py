"""Connections are accepted or refused a few at a time, so that a flood leaves the others their turns."""

import asyncio
import errno
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from tests.waiting import LONGEST_WAIT

from kronkeep_daemon.http import acceptor
from kronkeep_daemon.http.acceptor import Acceptor
from kronkeep_daemon.http.user_limits import UserLimits
from kronkeep_daemon.settings import LimitSettings
from kronkeep_daemon.testing import FakeClock

CONNECTIONS = 100


class Greeter(asyncio.Protocol):
    """The protocol of an accepted connection: it sends the uid."""

    def __init__(self, uid: int) -> None:
        self._uid = uid

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).write(b"uid %d" % self._uid)


class Listening(socket.socket):
    """A listening socket that counts what it accepts, and may fail as if there were no file descriptors."""

    accepted = 0
    out_of_files = False

    def accept(self) -> tuple[socket.socket, Any]:
        if self.out_of_files:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        connection = super().accept()
        self.accepted += 1
        return connection


@asynccontextmanager
async def open_acceptor(path: Path, most: int) -> AsyncIterator[Listening]:
    listening = Listening(socket.AF_UNIX)
    listening.bind(str(path))
    limits = UserLimits(FakeClock(), lambda: LimitSettings(connections_per_uid=most))
    accepting = Acceptor(listening, limits, cast(Any, Greeter))
    try:
        yield listening
    finally:
        await accepting.close()


def connect(path: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(path))
    client.setblocking(False)
    return client


async def receive(client: socket.socket) -> bytes:
    return await asyncio.get_running_loop().sock_recv(client, 200)


async def test_one_turn_of_the_loop_accepts_only_a_few_of_a_flood(tmp_path: Path) -> None:
    async with asyncio.timeout(LONGEST_WAIT), open_acceptor(tmp_path / "s", CONNECTIONS) as listening:
        clients = [connect(tmp_path / "s") for _ in range(CONNECTIONS)]
        most = 0
        while listening.accepted < CONNECTIONS:
            before = listening.accepted
            await asyncio.sleep(0)
            most = max(most, listening.accepted - before)
        assert most <= acceptor.AT_ONCE
        assert {await receive(client) for client in clients} == {b"uid %d" % os.getuid()}
        for client in clients:
            client.close()


async def test_a_connection_above_the_limit_is_answered_and_closed(tmp_path: Path) -> None:
    async with asyncio.timeout(LONGEST_WAIT), open_acceptor(tmp_path / "s", 2):
        clients = [connect(tmp_path / "s") for _ in range(3)]
        assert (await receive(clients[0])).startswith(b"uid ")
        assert (await receive(clients[1])).startswith(b"uid ")
        assert await receive(clients[2]) == acceptor.BUSY_RESPONSE
        assert await receive(clients[2]) == b""
        for client in clients:
            client.close()


async def test_accepting_pauses_without_file_descriptors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acceptor, "PAUSE", 0.01)
    async with asyncio.timeout(LONGEST_WAIT), open_acceptor(tmp_path / "s", CONNECTIONS) as listening:
        listening.out_of_files = True
        client = connect(tmp_path / "s")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await receive(client)
        listening.out_of_files = False
        assert (await receive(client)).startswith(b"uid ")
        client.close()


async def test_a_closed_acceptor_accepts_nothing(tmp_path: Path) -> None:
    async with open_acceptor(tmp_path / "s", CONNECTIONS):
        pass
    with socket.socket(socket.AF_UNIX) as client, pytest.raises(ConnectionRefusedError):
        client.connect(str(tmp_path / "s"))
