"""A probe starts without the daemon: it runs several times a minute."""

import subprocess
import sys


def test_a_probe_imports_nothing_of_the_daemon() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "kronkeep_daemon", "probe", "live", "--at", "/none"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "No kronkeepd answers at /none" in done.stderr
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "|" in line}
    assert "kronkeep_daemon.probe" in imported
    assert not imported & {"asyncio", "ssl", "sqlite3", "msgspec", "logging", "kronkeep_daemon.command_line"}
