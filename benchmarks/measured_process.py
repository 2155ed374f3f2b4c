"""A measured kronkeepd as a process of its own, and what the kernel says of a process."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def memory_mb(pid: int, field: str = "VmRSS") -> float:
    """Return the resident memory of a process, or its highest (`VmHWM`)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    kilobytes = next(line.split()[1] for line in lines if line.startswith(f"{field}:"))
    return int(kilobytes) / 1000


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def core_wait_ms(pid: int) -> float:
    """Return how long a process's first thread has waited for a core that another program had.

    It is the second number of https://docs.kernel.org/scheduler/sched-stats.html.
    """
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[1]) / 1e6


class MeasuredProcess:
    """One daemon that notes its callbacks and turns (see `measured_daemon`).

    `announcement` is what it prints once it serves.
    """

    def __init__(self, settings: Path, folder: Path) -> None:
        self.state = folder / "s"
        self._settings = settings
        self._figures = folder / "turns.json"
        self._process: subprocess.Popen[bytes] | None = None
        self.announcement: dict[str, Any] = {}

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The process, once it was started."""
        assert self._process is not None
        return self._process

    @property
    def pid(self) -> int:
        """The pid of the process."""
        return self.process.pid

    async def start(self) -> None:
        """Start the daemon and wait until it serves."""
        self.announcement = await asyncio.to_thread(self._spawn)

    def _spawn(self) -> dict[str, Any]:
        paths = map(str, (self._settings, self.state, self._figures))
        command = [sys.executable, "-m", "benchmarks.measured_daemon", *paths]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message: dict[str, Any] = json.loads(line)
            if "progress" not in message:
                return message
        raise AssertionError("kronkeepd has ended")

    async def stop(self, name: str) -> dict[str, float]:
        """End the daemon, print its longest callbacks, return figures whose names begin with `name`."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        await asyncio.to_thread(self.process.wait)
        result = json.loads(await asyncio.to_thread(self._figures.read_text))
        for callback, (longest, count) in result["names"].items():
            print(f"{longest:8.1f} ms, {count} long: {callback}", file=sys.stderr, flush=True)
        return {
            f"{name}.callback_longest_ms": round(result["callback_longest"], 1),
            f"{name}.callbacks_over_5_ms": result["callbacks_long"],
            f"{name}.turn_p99_ms": round(result["p99"], 1),
            f"{name}.turn_longest_ms": round(result["longest"], 1),
        }

    def kill(self) -> None:
        """End the process, if it has not ended."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
