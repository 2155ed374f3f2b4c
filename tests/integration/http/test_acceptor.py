"""Who knocks is let in or turned away a few at a time, so that a flood leaves the others their turns."""

import asyncio
import errno
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from kronkeep_daemon.http import acceptor
from kronkeep_daemon.http.acceptor import Acceptor
from kronkeep_daemon.http.user_limits import UserLimits
from kronkeep_daemon.settings import LimitSettings
from kronkeep_daemon.testing import FakeClock

KNOCKS = 100


class Guest(asyncio.Protocol):
    """What is built for one who is let in: greets by the uid."""

    def __init__(self, uid: int) -> None:
        self._uid = uid

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).write(b"uid %d" % self._uid)


class Listening(socket.socket):
    """A listening socket that counts whom it takes, and may find that the system has no more files."""

    taken = 0
    out_of_files = False

    def accept(self) -> tuple[socket.socket, Any]:
        if self.out_of_files:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        found = super().accept()
        self.taken += 1
        return found


@asynccontextmanager
async def opened(path: Path, most: int) -> AsyncIterator[Listening]:
    listening = Listening(socket.AF_UNIX)
    listening.bind(str(path))
    limits = UserLimits(FakeClock(), lambda: LimitSettings(connections_per_uid=most))
    found = Acceptor(listening, limits, cast(Any, Guest))
    try:
        yield listening
    finally:
        found.close()


def knock(path: Path) -> socket.socket:
    guest = socket.socket(socket.AF_UNIX)
    guest.connect(str(path))
    guest.setblocking(False)
    return guest


async def heard(guest: socket.socket) -> bytes:
    return await asyncio.get_running_loop().sock_recv(guest, 200)


async def test_one_turn_of_the_loop_takes_only_a_few_of_a_flood(tmp_path: Path) -> None:
    async with asyncio.timeout(30), opened(tmp_path / "s", KNOCKS) as listening:
        guests = [knock(tmp_path / "s") for _ in range(KNOCKS)]
        most = 0
        while listening.taken < KNOCKS:
            before = listening.taken
            await asyncio.sleep(0)
            most = max(most, listening.taken - before)
        assert most <= acceptor.AT_ONCE
        assert {await heard(guest) for guest in guests} == {b"uid %d" % os.getuid()}
        for guest in guests:
            guest.close()


async def test_above_the_limit_a_knock_is_answered_and_closed(tmp_path: Path) -> None:
    async with asyncio.timeout(30), opened(tmp_path / "s", 2):
        guests = [knock(tmp_path / "s") for _ in range(3)]
        assert (await heard(guests[0])).startswith(b"uid ")
        assert (await heard(guests[1])).startswith(b"uid ")
        assert await heard(guests[2]) == acceptor.BUSY_RESPONSE
        assert await heard(guests[2]) == b""
        for guest in guests:
            guest.close()


async def test_without_files_it_pauses_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acceptor, "PAUSE", 0.01)
    async with asyncio.timeout(30), opened(tmp_path / "s", KNOCKS) as listening:
        listening.out_of_files = True
        guest = knock(tmp_path / "s")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await heard(guest)
        listening.out_of_files = False
        assert (await heard(guest)).startswith(b"uid ")
        guest.close()


async def test_a_closed_door_takes_no_one(tmp_path: Path) -> None:
    async with opened(tmp_path / "s", KNOCKS):
        pass
    with socket.socket(socket.AF_UNIX) as guest, pytest.raises(ConnectionRefusedError):
        guest.connect(str(tmp_path / "s"))
