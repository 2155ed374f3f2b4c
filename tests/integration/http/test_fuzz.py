"""schemathesis against the daemon's own OpenAPI document, as each level: no 5xx, nothing undocumented."""

import grp
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

LEVELS = {"read": "games", "operate": "mail", "admin": "news"}  # groups that every Debian has
SETTINGS = """
[access]
read = ["games"]
operate = ["mail"]
admin = ["news"]
[limits]
requests_per_second = 100000
"""
pytestmark = [
    pytest.mark.torture,
    pytest.mark.skipif(os.getuid() != 0, reason="needs root to become somebody else"),
]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("fuzz")
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
    for parent in path.parents:
        if not parent.stat().st_mode & 0o1:
            parent.chmod(0o711)
    yield path
    found.stdin.close()
    assert found.wait(30) == 0
    found.stdout.close()
    assert "Traceback" not in (folder / "log").read_text()


@pytest.mark.parametrize("level", LEVELS)
def test_no_5xx_and_no_undocumented_answer(daemon: Path, level: str, tmp_path: Path) -> None:
    gid = grp.getgrnam(LEVELS[level]).gr_gid
    bridge = [sys.executable, "-c", (Path(__file__).parent / "bridge.py").read_text()]
    with subprocess.Popen([*bridge, str(daemon), "54321", str(gid)], stdout=subprocess.PIPE) as running:
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
