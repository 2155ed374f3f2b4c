"""A terminal for a program: a real pty of a given size, whose bytes and frames are counted.

The answer to `?2026$p` says that synchronised output is known, so every frame is framed and can be counted.
"""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import NamedTuple

ASKED = b"\x1b[?2026$p"
KNOWN = b"\x1b[?2026;2$y"
FRAME = b"\x1b[?2026h"
FIRST_ROW = 5  # of a table, below status, tabs, crumbs and titles
QUIET = 0.4  # nothing came for so long: what was asked for is drawn
LONGEST = 60.0


class Sent(NamedTuple):
    """What a program wrote: bytes and whole frames."""

    data: bytes

    @property
    def bytes(self) -> int:
        return len(self.data)

    @property
    def frames(self) -> int:
        return self.data.count(FRAME)


class Terminal:
    """A program on a pty; `control` is a pipe to its descriptor 3."""

    def __init__(self, argv: list[str], width: int, height: int, **environment: str) -> None:
        self.first = b""
        self._told = False
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        read, self._control = os.pipe()
        env = os.environ | {
            "TERM": "xterm-256color",
            "TEXTUAL_ANIMATIONS": "none",
            "TEXTUAL_SMOOTH_SCROLL": "0",
        }
        env.pop("NO_COLOR", None)

        def before() -> None:
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            os.dup2(read, 3)
            os.set_inheritable(3, True)

        self.process = subprocess.Popen(
            argv,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**env, **environment},
            preexec_fn=before,
            close_fds=False,
        )
        os.close(slave)
        os.close(read)

    def read(self, seconds: float, *, until: bytes = b"", chunk: bool = False) -> Sent:
        """What comes until QUIET seconds bring nothing, or at once when `until`, or any `chunk`, came."""
        found = b""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            ready, _, _ = select.select([self._master], [], [], QUIET)
            if not ready:
                break
            try:
                found += os.read(self._master, 65536)
            except OSError:
                break
            if not self._told and ASKED in found:
                os.write(self._master, KNOWN)
                self._told = True
            if chunk or (until and until in found):
                break
        return Sent(found)

    def settle(self) -> Sent:
        """What comes until nothing more does."""
        return self.read(LONGEST)

    def wait_for(self, text: bytes) -> Sent:
        """Reads until `text` was drawn; fails when it never is."""
        found = b""
        end = time.monotonic() + LONGEST
        while text not in found:
            assert time.monotonic() < end, found[-3000:]
            assert self.process.poll() is None, found[-3000:]
            found += self.read(LONGEST, until=text).data
        return Sent(found)

    def press(self, keys: bytes) -> Sent:
        """Sends keys and reads what they draw."""
        os.write(self._master, keys)
        return self.settle()

    def type(self, keys: bytes) -> None:
        """Sends keys."""
        os.write(self._master, keys)

    def cursor(self, key: bytes, row: int) -> Sent:
        """Sends a key and reads until the cursor of a table, as drawn, is on its row `row`."""
        self.type(key)
        there = re.compile(rb"\x1b\[%d;1H\x1b\[[0-9;]*7[0-9;]*m>" % (row + FIRST_ROW))
        found = b""
        while not there.search(found):
            assert self.process.poll() is None, found[-3000:]
            found += self.read(LONGEST, chunk=True).data
        return Sent(found)

    def change(self, count: int) -> None:
        """Lets so many changes happen."""
        os.write(self._control, b"%d\n" % count)

    def cpu(self) -> float:
        """Seconds of processor time that the program has used."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the program."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        os.close(self._master)
        os.close(self._control)


def kronkeep(
    scene: str, width: int, height: int, *, start: str = "jobs", theme: str = "dark", **environment: str
) -> Terminal:
    """The terminal over a canned daemon."""
    argv = [sys.executable, "-m", "tests.ui.pty_app", scene, start, theme]
    return Terminal(argv, width, height, **{"COLORTERM": "truecolor"} | environment)
