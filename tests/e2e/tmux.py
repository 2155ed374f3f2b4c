"""The terminal in a window of tmux."""

import asyncio
import os
import subprocess
import sys
import uuid
from pathlib import Path

from tests.waiting import LONGEST_WAIT

from kronkeep_tui.widgets.message_line import REST_SECONDS


class Tmux:
    """kronkeep in a window of a tmux server of its own; `keys` counts the keys that were sent."""

    def __init__(self, socket: Path, home: Path, width: int = 80, height: int = 24) -> None:
        self._name = f"kronkeep-{uuid.uuid4().hex[:12]}"
        self.keys = 0
        environment = {k: v for k, v in os.environ.items() if k not in ("TMUX", "NO_COLOR")}
        environment |= {
            "XDG_CONFIG_HOME": str(home),
            "TERM": "xterm-256color",
            "KRONKEEP_SOCKET": str(socket),
            "VISUAL": "sed -i s/busybox:1.36/busybox:1.37/",
        }
        command = f"{sys.executable} -m kronkeep_tui"
        size = ("-x", str(width), "-y", str(height), "-c", str(home))
        self._run("-f", "/dev/null", "new-session", "-d", *size, command, env=environment)

    def _run(self, *argv: str, env: dict[str, str] | None = None) -> str:
        completed = subprocess.run(
            ["tmux", "-L", self._name, *argv],
            capture_output=True,
            text=True,
            check=False,
            env=env,
            timeout=LONGEST_WAIT,
        )
        assert completed.returncode == 0, completed.stderr
        return completed.stdout

    def screen(self) -> str:
        return self._run("capture-pane", "-p")

    async def press(self, *keys: str) -> None:
        """Send special keys by their names in tmux."""
        self.keys += len(keys)
        await asyncio.to_thread(self._run, "send-keys", *keys)

    async def answer(self, key: str, question: str) -> None:
        """Answer a question once it could be read: keys that come before do not count."""
        await self.see(question)
        await asyncio.sleep(REST_SECONDS)
        await self.press(key)

    async def type(self, text: str) -> None:
        """Send every character as a key."""
        self.keys += len(text)
        await asyncio.to_thread(self._run, "send-keys", "-l", text)

    async def see(self, *texts: str) -> str:
        """Wait until the screen has every text, and return it."""
        end = asyncio.get_running_loop().time() + LONGEST_WAIT
        while True:
            screen = await asyncio.to_thread(self.screen)
            if all(text in screen for text in texts):
                return screen
            assert asyncio.get_running_loop().time() < end, f"{texts}\n{screen}"
            await asyncio.sleep(0.1)

    def has_ended(self) -> bool:
        """Whether the program, and with it the tmux server, has ended."""
        completed = subprocess.run(
            ["tmux", "-L", self._name, "list-sessions"],
            capture_output=True,
            check=False,
            timeout=LONGEST_WAIT,
        )
        return completed.returncode != 0

    def close(self) -> None:
        subprocess.run(
            ["tmux", "-L", self._name, "kill-server"], capture_output=True, check=False, timeout=LONGEST_WAIT
        )
