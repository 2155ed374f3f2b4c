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
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.ui.pty_app import SETTLE_KEY, SETTLED
from tests.waiting import LONGEST_WAIT

ASKED = b"\x1b[?2026$p"
KNOWN = b"\x1b[?2026;2$y"
FRAME = b"\x1b[?2026h"
SEQUENCE = re.compile(rb"\x1b\[[0-9;?]*[a-zA-Z]")
FIRST_ROW = 5  # of a table, below status, tabs, crumbs and titles


class Sent(NamedTuple):
    """What a program wrote: bytes and whole frames."""

    data: bytes

    @property
    def bytes(self) -> int:
        return len(self.data)

    @property
    def frames(self) -> int:
        return self.data.count(FRAME)

    @property
    def texts(self) -> list[str]:
        """What each frame writes, without its colours and moves, for a failing test."""
        frames = self.data.split(FRAME)[1:]
        return [SEQUENCE.sub(b" ", frame).decode(errors="replace")[:500] for frame in frames]


class Terminal:
    """A program on a pty; `control` is a pipe to its descriptor 3."""

    def __init__(self, argv: list[str], width: int, height: int, **environment: str) -> None:
        self.first = b""
        self._settled = 0
        self._begin = b""
        self._has_answered = False
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        read, self._control = os.pipe()
        env = os.environ | {
            "TERM": "xterm-256color",
            "TEXTUAL_ANIMATIONS": "none",
            "TEXTUAL_SMOOTH_SCROLL": "0",
        }
        for name in ("NO_COLOR", "COLUMNS", "LINES"):  # Textual takes the latter two for the terminal's size
            env.pop(name, None)

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

    def _read_chunk(self, deadline: float) -> bytes:
        """Return what comes next; nothing where the deadline (monotonic) passes or the program has ended."""
        ready, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return b""
        try:
            chunk = os.read(self._master, 65536)
        except OSError:  # the program has closed its end
            time.sleep(0.01)
            return b""
        if not self._has_answered:
            self._begin += chunk
            if ASKED in self._begin:
                os.write(self._master, KNOWN)
                self._has_answered = True
        return chunk

    def _read_until(self, is_enough: Callable[[bytes], object]) -> bytes:
        data = b""
        deadline = time.monotonic() + LONGEST_WAIT
        while not is_enough(data):
            assert time.monotonic() < deadline, data[-300:]
            assert self.process.poll() is None, data[-300:]
            data += self._read_chunk(deadline)
        return data

    def read_for(self, seconds: float) -> Sent:
        """Read everything that comes within so many seconds."""
        data = b""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            data += self._read_chunk(deadline)
        return Sent(data)

    def settle(self) -> Sent:
        """Read until the program has handled all that was typed and changed, and drawn what came of it."""
        self._settled += 1
        mark = SETTLED % self._settled
        self.type(SETTLE_KEY)
        os.write(self._control, b"settle %d\n" % self._settled)
        return Sent(self._read_until(lambda data: mark in data).replace(mark, b""))

    def wait_until_idle(self, seconds: float) -> Sent:
        """Read until nothing has come for so many seconds; fail when that never is."""
        data = b""
        deadline = time.monotonic() + LONGEST_WAIT
        while more := self.read_for(seconds).data:
            assert time.monotonic() < deadline, data[-300:]
            data += more
        return Sent(data)

    def wait_for(self, text: bytes) -> Sent:
        """Read until `text` was drawn; fail when it never is."""
        return Sent(self._read_until(lambda data: text in data))

    def press(self, keys: bytes) -> Sent:
        """Type keys and read all that they draw."""
        self.type(keys)
        return self.settle()

    def type(self, keys: bytes) -> None:
        """Type keys without reading what they draw."""
        os.write(self._master, keys)

    def cursor(self, key: bytes, row: int) -> Sent:
        """Type a key and read until the cursor of a table, as drawn, is on its row `row`."""
        self.type(key)
        drawn = re.compile(rb"\x1b\[%d;1H\x1b\[[0-9;]*7[0-9;]*m>" % (row + FIRST_ROW))
        return Sent(self._read_until(drawn.search))

    def change(self, count: int) -> None:
        """Let so many changes happen."""
        os.write(self._control, b"change %d\n" % count)

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
        """Terminate the program and close its terminal."""
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
    scene: str,
    width: int,
    height: int,
    *,
    start: str = "jobs",
    theme: str = "dark",
    commands: str = "[]",
    **environment: str,
) -> Terminal:
    """The terminal over a canned daemon; `commands` are those of the user's own, as JSON."""
    argv = [sys.executable, "-m", "tests.ui.pty_app", scene, start, theme, commands]
    return Terminal(argv, width, height, **{"COLORTERM": "truecolor"} | environment)
