"""Every route of the table as each level and as a stranger, on a real socket with real peer credentials."""

import grp
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kronkeep_daemon.http.access import Level
from kronkeep_daemon.http.routes import ROUTES

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs root to become somebody else")
HELD = {Level.NONE: "nogroup", Level.READ: "games", Level.OPERATE: "mail", Level.ADMIN: "news"}
SETTINGS = """
[access]
read = ["games"]
operate = ["mail"]
admin = ["news"]
[limits]
requests_per_second = 100000
"""
# Becomes the user, then sends every request of standard input on a connection of its own; one answer a line.
ASK = """
import json, os, socket, sys
os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(54321)
for line in sys.stdin:
    method, path = json.loads(line)
    head = f"{method} {path} HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n"
    with socket.socket(socket.AF_UNIX) as asked:
        asked.connect(sys.argv[1])
        asked.sendall((head + "Content-Length: 2\\r\\n\\r\\n{}").encode())
        answer = b""
        while b"\\r\\n\\r\\n" not in answer or (b" 403 " in answer[:20] and b"}" not in answer):
            some = asked.recv(65536)
            if not some:
                break
            answer += some
    refused = answer.startswith(b"HTTP/1.1 403 ") and b"This needs the level" in answer
    print(json.dumps([int(answer.split()[1]), refused]))
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("matrix")
    (folder / "kronkeepd.toml").write_text(SETTINGS)
    command = [sys.executable, "-m", "kronkeep_daemon", "--embedded", "--attached", "--announce"]
    command += ["--config", str(folder / "kronkeepd.toml"), "--state", str(folder / "s")]
    with (folder / "log").open("wb") as log:
        found = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
    assert found.stdout is not None
    assert found.stdin is not None
    line = next(json.loads(line) for line in found.stdout if b'"pid"' in line)
    socket = Path(line["socket"])
    socket.chmod(0o666)
    for parent in socket.parents:
        if not parent.stat().st_mode & 0o1:
            parent.chmod(0o711)
    yield socket
    found.stdin.close()
    assert found.wait(30) == 0
    found.stdout.close()


@pytest.mark.parametrize("held", list(HELD))
def test_a_route_refuses_exactly_those_below_its_level(path: Path, held: Level) -> None:
    asked = [(route.method, route.path.replace("{", "").replace("}", "")) for route in ROUTES]
    command = [sys.executable, "-c", ASK, str(path), str(grp.getgrnam(HELD[held]).gr_gid)]
    lines = "".join(json.dumps(one) + "\n" for one in asked)
    done = subprocess.run(command, input=lines, capture_output=True, text=True, check=True, timeout=60)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(ROUTES)
    wrong = [
        (route.method, route.path, route.level.name, status)
        for route, (status, refused) in zip(ROUTES, answers, strict=True)
        if refused != (held < route.level) or (status >= 500 and route.path != "/readyz")
    ]
    assert wrong == []
