"""The machine's restic, beside the daemon, on the repository of the storage `vault`."""

import asyncio
import base64
import subprocess
from pathlib import Path

from tests.daemon_process import Daemon

from kronkeep_daemon.kube import paths


async def run_restic(daemon: Daemon, repository: Path, *argv: str) -> str:
    """Run restic with the password from the storage's Secret and return what it prints."""
    cluster = await daemon.cluster()
    secret = await cluster.get(paths.secrets("kronkeep", "kronkeep-storage-vault"))
    await cluster.close()
    password_file = daemon.state.parent / "key"
    password_file.write_bytes(base64.b64decode(secret["data"]["password"]))
    command = ["restic", "-r", str(repository), "--password-file", str(password_file), "--no-cache", *argv]
    completed = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr
    return completed.stdout
