"""`kronkeep get --watch`: the list, then each change as a line."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

from tests.command_line import run_kronkeep
from tests.daemon_process import Daemon


def test_a_watched_list_has_the_time_and_the_cause_of_each_change_once(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "s")
    asyncio.run(daemon.start())
    schedule = ("--image", "busybox", "--schedule", "0 2 29 2 *")
    assert run_kronkeep(daemon, "create", "watched", *schedule, "--", "sh", "-c", "exit 7").returncode == 0
    command = [sys.executable, "-m", "kronkeep_tui", "--socket", daemon.announcement["socket"]]
    argv = [*command, "get", "runs", "--watch", "-n", "default", "--filter", "name:watched", "--zone", "utc"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        assert watching.stderr is not None
        assert watching.stderr.readline() == "Nothing found.\n"  # the list; from here on it watches
        assert run_kronkeep(daemon, "trigger", "watched", "--wait").returncode == 1
        changes: list[str] = []
        while not changes or "failed" not in changes[-1]:
            changes.append(watching.stdout.readline())
        watching.terminate()
    words = [
        re.sub(r"^2\d{3}-\d\d-\d\dT[0-9:]{8}Z  executions  default/watched  ", "", line) for line in changes
    ]
    assert all(len(line) < len(change) for line, change in zip(words, changes, strict=True)), changes
    assert len(set(words)) == len(words), "a line that says nothing new"
    assert "ExitCode" in changes[-1]
    assert "exit code 7" in changes[-1].lower()
    asyncio.run(daemon.stop())
