"""schemathesis against the daemon's own OpenAPI document, as each level: no 5xx, nothing undocumented."""

import grp
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.integration.http.conftest import GROUPS

from kronkeep_daemon.http.access import Level

pytestmark = [
    pytest.mark.torture,
    pytest.mark.skipif(os.getuid() != 0, reason="needs root to become somebody else"),
]


@pytest.mark.parametrize("level", [Level.READ, Level.OPERATE, Level.ADMIN])
def test_no_5xx_and_no_undocumented_answer(open_socket: Path, level: Level, tmp_path: Path) -> None:
    gid = grp.getgrnam(GROUPS[level]).gr_gid
    bridge = [sys.executable, "-c", (Path(__file__).parent / "bridge.py").read_text()]
    with subprocess.Popen([*bridge, str(open_socket), "54321", str(gid)], stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        url = f"http://127.0.0.1:{int(running.stdout.readline())}"
        tool = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
        assert tool is not None
        checks = (
            "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
        )
        command = [tool, "run", url + "/openapi.json", "-H", "Host: localhost", "--checks", checks]
        command += ["--phases", "examples,coverage,fuzzing,stateful", "--max-time", "25", "--workers", "1"]
        command += ["--exclude-path", "/v1/events", "--suppress-health-check", "all", "--no-color"]
        command += ["--exclude-path-regex", "/logs$"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        running.kill()
    assert done.returncode == 0, done.stdout[-6000:]
