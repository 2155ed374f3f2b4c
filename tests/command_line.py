"""`kronkeep` run in the process of the tests, which takes a tenth of what a process of its own takes.

What a process has of its own (its environment, a terminal, signals, a reader that goes away) is tested with
one, by `run_process` or in `integration/cli/test_cli.py`.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO, TextIOWrapper

from tests.daemon_process import Daemon
from tests.waiting import LONGEST_WAIT

from kronkeep_tui.cli.main import main

# The standard streams are one for all threads, and the command line makes an event loop of its own.
_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kronkeep")


class Streams:
    """Standard input, output and error in memory."""

    def __init__(self, typed: bytes) -> None:
        self.input = TextIOWrapper(BytesIO(typed), "utf-8")
        self.output = TextIOWrapper(BytesIO(), "utf-8")
        self.error = TextIOWrapper(BytesIO(), "utf-8")


@contextmanager
def _replace_streams(streams: Streams) -> Iterator[None]:
    before = (sys.stdin, sys.stdout, sys.stderr)
    sys.stdin = streams.input
    sys.stdout = streams.output
    sys.stderr = streams.error
    try:
        yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = before


def run_bytes(*argv: str, typed: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a command line in this process.

    typed: what comes from standard input.
    """
    return _thread.submit(_run_main, argv, Streams(typed)).result()


def _run_main(argv: tuple[str, ...], streams: Streams) -> subprocess.CompletedProcess[bytes]:
    with _replace_streams(streams):
        try:
            code = main(list(argv))
        except SystemExit as end:  # argparse's refusals and its help
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return subprocess.CompletedProcess(argv, code, _read(streams.output), _read(streams.error))


def _read(stream: TextIOWrapper) -> bytes:
    stream.flush()
    assert isinstance(stream.buffer, BytesIO)
    return stream.buffer.getvalue()


def run_line(*argv: str) -> subprocess.CompletedProcess[str]:
    """Run a command line in this process; what it prints must be UTF-8."""
    done = run_bytes(*argv)
    return subprocess.CompletedProcess(argv, done.returncode, done.stdout.decode(), done.stderr.decode())


def run_kronkeep(daemon: Daemon, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run a command line against a daemon in this process."""
    return run_line("--socket", str(daemon.announcement["socket"]), *argv)


async def run_at(socket: str, *argv: str) -> tuple[int, str]:
    """Run a command line against the daemon at a socket beside other tasks; return exit code and output."""
    done = await asyncio.to_thread(run_line, "--socket", socket, *argv)
    return done.returncode, done.stdout


def run_process(daemon: Daemon, *argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command line against a daemon as a process, with additional environment variables."""
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
