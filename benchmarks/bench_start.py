"""What a start costs: imports as whole processes, against an interpreter that does nothing; and how long
a person looks at nothing, on a real terminal, against a Textual app of one word."""

import asyncio
import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path
from typing import NamedTuple

from tests.daemon_process import Daemon

ROUNDS = 5
PROGRAMS = {
    "python": "pass",
    "kronkeep_cli": "import kronkeep_tui.cli.main as m; m.parser()",
    "kronkeep_client": "import kronkeep_common.client",
    "kronkeep_terminal": "import kronkeep_tui.app",
    "textual": "import textual.app",
    "kronkeepd": "import kronkeep_daemon.app",
}


def seconds(program: str) -> float:
    """The best of some processes."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], check=True)
        best = min(best, time.perf_counter() - began)
    return best


class Paint(NamedTuple):
    """From a process's start until its first words were on the terminal: CPU and clock, in seconds."""

    cpu: float
    clock: float


BARE = """
from textual.app import App
from textual.widgets import Static
class Bare(App):
    def compose(self):
        yield Static("first words")
Bare().run()
"""
OURS = (
    "from pathlib import Path; from kronkeep_tui.terminal import open_terminal; open_terminal(Path({path!r}))"
)
TICK = os.sysconf("SC_CLK_TCK")


def first_paint(program: str, words: bytes) -> Paint:
    """The best CPU time and the best clock time of some processes, on a pty of 80x24."""
    found = [_painted(program, words) for _ in range(ROUNDS)]
    return Paint(min(paint.cpu for paint in found), min(paint.clock for paint in found))


def _painted(program: str, words: bytes) -> Paint:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment,
        start_new_session=True,
    )
    os.close(slave)
    try:
        shown = b""
        while words not in shown:
            shown += os.read(master, 65536)
        return Paint(_cpu(process.pid), time.perf_counter() - began)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        os.close(master)


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def paints() -> dict[str, float]:
    """Our terminal on a daemon that answers, until its views are named, to the bare app."""
    with tempfile.TemporaryDirectory() as folder:
        daemon = Daemon(Path(folder) / "s")
        asyncio.run(daemon.start())
        try:
            ours = first_paint(OURS.format(path=daemon.announcement["socket"]), b"Overview")
        finally:
            asyncio.run(daemon.stop())
    bare = first_paint(BARE, b"first words")
    return {
        "start_first_paint_cpu_to_bare_textual": round(ours.cpu / bare.cpu, 2),
        "start_first_paint_clock_to_bare_textual": round(ours.clock / bare.clock, 2),
        "start_first_paint_seconds": round(ours.clock, 2),
    }


def run() -> dict[str, float]:
    """Ratios of each import to the bare interpreter, and of the terminal's to Textual's own."""
    found = {name: seconds(program) for name, program in PROGRAMS.items()}
    figures = {
        f"start_{name}_to_python": round(found[name] / found["python"], 1)
        for name in found
        if name != "python"
    }
    figures["start_terminal_to_textual"] = round(found["kronkeep_terminal"] / found["textual"], 2)
    return figures | paints()
