"""The cost of a start.

Imports as whole processes, to an interpreter that does nothing; and the time until something is shown on a
real terminal, to a Textual app of one word.
"""

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
    "kronkeep_cli": "import kronkeep_tui.cli.main as m; m.build_parser()",
    "kronkeep_client": "import kronkeep_common.client",
    "kronkeep_terminal": "import kronkeep_tui.app",
    "textual": "import textual.app",
    "kronkeepd": "import kronkeep_daemon.app",
}


def best_seconds(program: str) -> float:
    """Return the seconds of the best of some processes."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], check=True)
        best = min(best, time.perf_counter() - start)
    return best


class FirstPaint(NamedTuple):
    """The seconds of CPU and of the clock from a process's start until its first words are shown."""

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
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def best_first_paint(program: str, words: bytes) -> FirstPaint:
    """Return the best CPU time and the best clock time of some processes, on a pty of 80x24."""
    paints = [_measure_first_paint(program, words) for _ in range(ROUNDS)]
    return FirstPaint(min(paint.cpu for paint in paints), min(paint.clock for paint in paints))


def _measure_first_paint(program: str, words: bytes) -> FirstPaint:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    start = time.perf_counter()
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
        output = b""
        while words not in output:
            output += os.read(master, 65536)
        return FirstPaint(_cpu_seconds(process.pid), time.perf_counter() - start)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        os.close(master)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def measure_first_paints() -> dict[str, float]:
    """Return the time until our terminal names its views, on a daemon that answers, to the bare app's."""
    with tempfile.TemporaryDirectory() as folder:
        daemon = Daemon(Path(folder) / "s")
        asyncio.run(daemon.start())
        try:
            ours = best_first_paint(OURS.format(path=daemon.announcement["socket"]), b"Overview")
        finally:
            asyncio.run(daemon.stop())
    bare = best_first_paint(BARE, b"first words")
    return {
        "start_first_paint_cpu_to_bare_textual": round(ours.cpu / bare.cpu, 2),
        "start_first_paint_clock_to_bare_textual": round(ours.clock / bare.clock, 2),
        "start_first_paint_seconds": round(ours.clock, 2),
    }


def run() -> dict[str, float]:
    """Return the ratio of each import to the bare interpreter, and of the terminal's to Textual's own."""
    seconds = {name: best_seconds(program) for name, program in PROGRAMS.items()}
    figures = {
        f"start_{name}_to_python": round(seconds[name] / seconds["python"], 1)
        for name in seconds
        if name != "python"
    }
    figures["start_terminal_to_textual"] = round(seconds["kronkeep_terminal"] / seconds["textual"], 2)
    return figures | measure_first_paints()
