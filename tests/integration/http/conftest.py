"""A daemon whose levels belong to groups that every Debian has, with a socket that anybody may connect to."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

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
    """A folder that others may pass through; pytest closes its own to them whenever a session starts."""
    with tempfile.TemporaryDirectory(prefix="kronkeep-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.fixture(scope="module")
def open_socket(open_folder: Path) -> Iterator[Path]:
    """The socket; at the end the log must hold no traceback."""
    folder = open_folder
    (folder / "kronkeepd.toml").write_text(SETTINGS)
    command = [sys.executable, "-m", "kronkeep_daemon", "--embedded", "--attached", "--announce"]
    command += ["--config", str(folder / "kronkeepd.toml"), "--state", str(folder / "s")]
    with (folder / "log").open("wb") as log:
        found = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
    assert found.stdout is not None
    assert found.stdin is not None
    line = next(json.loads(line) for line in found.stdout if b'"pid"' in line)
    path = Path(line["socket"])
    path.chmod(0o666)
    path.parent.chmod(0o711)
    yield path
    found.stdin.close()
    assert found.wait(30) == 0
    found.stdout.close()
    assert "Traceback" not in (folder / "log").read_text()
