"""`kronkeep` as a process of its own."""

import os
import subprocess
import sys

from tests.daemon_process import Daemon
from tests.waiting import LONGEST_WAIT


def run_kronkeep(daemon: Daemon, *argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command line against a daemon, with additional environment variables."""
    command = [sys.executable, "-m", "kronkeep_tui", "--socket", daemon.announcement["socket"], *argv]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
        timeout=LONGEST_WAIT,
        stdin=subprocess.DEVNULL,
    )
