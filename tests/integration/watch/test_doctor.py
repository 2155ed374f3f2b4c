"""`kronkeep doctor` against a running daemon, as a person calls it."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.e2e.conftest import Daemon, eventually


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    found = Daemon(tmp_path / "s")
    await found.start()
    yield found
    await found.stop()


async def doctor(socket: str, *flags: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "kronkeep_tui", "--socket", socket, "doctor", *flags]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


async def test_each_line_says_how_it_is_and_what_to_do(daemon: Daemon) -> None:
    socket = daemon.line["socket"]
    code, text = await eventually(lambda: doctor(socket), lambda found: " 0 warn, 0 fail" in found[1])
    assert code == 0
    for name in (
        "daemon",
        "socket",
        "disk",
        "history",
        "version",
        "clock",
        "watches",
        "right jobs",
        "restic",
    ):
        assert name in text
    Path(socket).chmod(0o666)
    code, text = await doctor(socket)
    assert (code, text.splitlines()[0][:5]) == (0, "warn ")
    assert "SocketMode=0660" in text
    assert "right jobs" not in text


async def test_without_a_daemon_the_socket_is_what_fails(tmp_path: Path) -> None:
    code, text = await doctor(str(tmp_path / "nobody.sock"))
    assert code == 3
    assert text.startswith("fail  socket: ")
