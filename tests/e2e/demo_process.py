"""The demo as a process."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from kronkeep_common.client import Client

DEMO = [sys.executable, "-m", "kronkeep_tui", "demo"]


class Demo:
    """A demo without a terminal, in a temporary folder of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self._log = (folder.parent / f"{folder.name}.log").open("wb")
        self.process = subprocess.Popen(
            [*DEMO, "--headless"],
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, "TMPDIR": str(folder), "XDG_CACHE_HOME": str(folder.parent)},
        )
        self.announcement: dict[str, Any] = {}

    def read_announcement(self) -> None:
        assert self.process.stdout is not None
        self.announcement = json.loads(self.process.stdout.readline())

    def client(self) -> Client:
        return Client(Path(self.announcement["socket"]))

    def command_lines(self) -> list[str]:
        """Return the command lines of running processes that name the demo's folder."""
        return [line for line in list_command_lines() if str(self.folder) in line]

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._log.close()


def list_command_lines() -> list[str]:
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return lines
