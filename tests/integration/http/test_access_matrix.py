"""Every route of the table as each level and as a stranger, on a real socket with real peer credentials."""

import grp
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.integration.http.conftest import GROUPS
from tests.waiting import LONGEST_WAIT

from kronkeep_daemon.http.access import Level
from kronkeep_daemon.http.routes import ROUTES

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs root to become somebody else")
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


@pytest.mark.parametrize("held", list(GROUPS))
def test_a_route_refuses_exactly_those_below_its_level(open_socket: Path, held: Level) -> None:
    asked = [(route.method, route.path.replace("{", "").replace("}", "")) for route in ROUTES]
    command = [sys.executable, "-c", ASK, str(open_socket), str(grp.getgrnam(GROUPS[held]).gr_gid)]
    lines = "".join(json.dumps(one) + "\n" for one in asked)
    done = subprocess.run(
        command, input=lines, capture_output=True, text=True, check=True, timeout=LONGEST_WAIT
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(ROUTES)
    wrong = [
        (route.method, route.path, route.level.name, status)
        for route, (status, refused) in zip(ROUTES, answers, strict=True)
        if refused != (held < route.level) or (status >= 500 and route.path != "/readyz")
    ]
    assert wrong == []
