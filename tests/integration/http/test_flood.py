"""Half-open connections and readers that never read, from one user: another user does not notice."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.daemon_process import Daemon

pytestmark = [
    pytest.mark.torture,
    pytest.mark.timeout(200),
    pytest.mark.skipif(os.getuid() != 0, reason="needs root to become somebody else"),
]
SECONDS = 60
FLOOD = """
import os, socket, sys, time
os.setgroups([]); os.setgid(65534); os.setuid(65534)
end, held = time.monotonic() + float(sys.argv[2]), []
while time.monotonic() < end:
    while len(held) < 3200:
        s = socket.socket(socket.AF_UNIX); s.setblocking(False)
        try:
            s.connect(sys.argv[1])
            path = b'/v1/events' if len(held) < 200 else b'/'
            s.send(b'GET ' + path + b' HTTP/1.1\\r\\nHost: localhost' + b'\\r\\n\\r\\n' * (len(held) < 200))
        except OSError:
            s.close(); break
        held.append(s)
    time.sleep(0.05)
    if len(held) >= 3200:
        for s in held[200:1200]: s.close()
        del held[200:1200]
"""


@pytest.fixture
async def daemon(open_folder: Path) -> AsyncIterator[Daemon]:
    folder = open_folder
    (folder / "config").mkdir()
    (folder / "config" / "kronkeepd.toml").write_text('[access]\nread = ["nogroup"]\n')
    process = Daemon(folder / "s")
    process.arguments = ("--config", str(folder / "config" / "kronkeepd.toml"))
    await process.start()
    yield process
    await process.stop()


def resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def time_request(path: str) -> float:
    """Return the seconds that one request took, the wait for a place in the backlog included."""
    began = time.perf_counter()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b""
        while some := connection.recv(4096):
            answer += some
    assert b" 200 OK" in answer
    return time.perf_counter() - began


def measure_during_flood(path: str) -> list[float]:
    """Return the sorted durations of requests while the other user's program ran."""
    durations = []
    with subprocess.Popen([sys.executable, "-c", FLOOD, path, str(SECONDS)]) as flood:
        while flood.poll() is None:
            durations.append(time_request(path))
            time.sleep(0.05)
    return sorted(durations)


async def test_another_user_does_not_notice(daemon: Daemon) -> None:
    path = daemon.announcement["socket"]
    pid = daemon.announcement["pid"]
    log = daemon.log
    Path(path).chmod(0o666)
    Path(path).parent.chmod(0o711)
    before = resident_bytes(pid)
    lines = len(log.read_text().splitlines())
    took = await asyncio.to_thread(measure_during_flood, path)
    assert len(took) > 100
    assert took[int(len(took) * 0.99)] < 0.25
    assert resident_bytes(pid) - before < 50 * 1024 * 1024
    assert len(log.read_text().splitlines()) - lines < 100
