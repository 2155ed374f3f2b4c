"""A daemon whose levels belong to groups that every Debian has, with a socket that anybody may connect to."""

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.daemon_process import Daemon

from kronkeep_daemon.http.access import Level

GROUPS = {Level.NONE: "nogroup", Level.READ: "games", Level.OPERATE: "mail", Level.ADMIN: "news"}
SETTINGS = """
[access]
read = ["games"]
operate = ["mail"]
admin = ["news"]
[limits]
requests_per_second = 100000
"""


@pytest.fixture(scope="module")
def open_folder() -> Iterator[Path]:
    """Yield a folder that others may traverse; pytest closes its own to them whenever a session starts."""
    with tempfile.TemporaryDirectory(prefix="kronkeep-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.fixture(scope="module")
def open_socket(open_folder: Path) -> Iterator[Path]:
    """Yield the socket; at the end the log must hold no traceback."""
    settings = open_folder / "kronkeepd.toml"
    settings.write_text(SETTINGS)
    daemon = Daemon(open_folder / "s")
    daemon.arguments = ("--config", str(settings))
    asyncio.run(daemon.start())
    yield open_to_all(daemon)
    assert asyncio.run(daemon.stop()) == 0
    assert "Traceback" not in daemon.log.read_text()


def open_to_all(daemon: Daemon) -> Path:
    """Let anybody connect to the daemon's socket from now on, and return its path."""
    path = Path(daemon.announcement["socket"])
    path.chmod(0o666)
    path.parent.chmod(0o711)
    return path


async def request_as_nobody(daemon: Daemon, path: str) -> bytes:
    """Return the daemon's response to a user without any group; others may connect only meanwhile."""
    script = (
        "import os, socket, sys\nos.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
        "head = f'GET {sys.argv[2]} HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n'\n"
        "program = b'User-Agent: evil\\xff\\xe2\\x80\\xae/1 ' + 70 * b'x'\n"
        "s.sendall(head.encode() + program + b'\\r\\n\\r\\n')\n"
        "data = b''\nwhile chunk := s.recv(4096): data += chunk\nsys.stdout.buffer.write(data)\n"
    )
    command = [sys.executable, "-c", script, str(open_to_all(daemon)), path]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=True)
    Path(daemon.announcement["socket"]).chmod(0o660)
    return done.stdout
