"""The process of one container: it is started, its output is stamped and passed on, it is stopped.

Implemented: standard output and error as one log, a line at a time with the time at which it came, as the
container runtime's log format has it; exit codes as a shell shows them (128 + signal); SIGTERM, and SIGKILL
after the grace period.

Not implemented: standard input, terminals, `preStop` hooks, and stopping a container of a group alone.
"""

import asyncio
import logging
import os
import signal
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

log = logging.getLogger(__name__)
CHUNK_BYTES = 64 * 1024
LONGEST_LINE_BYTES = 16 * 1024  # a longer line is cut into several, as container runtimes do
TAIL_BYTES = 2048  # kept for terminationMessagePolicy: FallbackToLogsOnError
LONGEST_DISCARD_SECONDS = 5.0
NOT_STARTED = 128  # exit code of a container whose program could not be started
UMASK = 0o022  # a container's, whatever the agent's own is, so that files in claims get the usual modes


class LogWriter(Protocol):
    """Where the output of a container goes."""

    async def write(self, lines: bytes, *, final: bool) -> None:
        """Append whole lines; `final` means that the container has ended."""


class ContainerProcess:
    """A process that runs the command line `argv` and writes its output to `output`.

    `tail` holds the last bytes of the output.
    """

    def __init__(self, argv: list[str], environment: dict[str, str], output: LogWriter) -> None:
        self._argv = argv
        self._environment = environment
        self._output = output
        self._process: asyncio.subprocess.Process | None = None
        self._stopped_early = False
        self._unfinished_line = b""
        self.tail = b""

    async def run(self) -> int:
        """Run the process to its end and return its exit code; raises OSError.

        All output has been written when this returns. A process that was stopped before is not started.
        """
        if self._stopped_early:
            await self._output.write(b"", final=True)
            return NOT_STARTED
        self._process = await asyncio.create_subprocess_exec(
            *self._argv,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            umask=UMASK,
        )
        if self._stopped_early:  # while the process was being created
            _kill(self._process.pid)
        try:
            code = await self._read_to_end(self._process)
        except asyncio.CancelledError:
            _kill(self._process.pid)  # the pod is gone, so nobody else would
            await _discard_output(self._process)
            raise
        if self._unfinished_line:
            await self._output.write(_stamp_line(self._unfinished_line), final=False)
        await self._output.write(b"", final=True)
        return 128 - code if code < 0 else code

    async def _read_to_end(self, process: asyncio.subprocess.Process) -> int:
        assert process.stdout is not None
        while chunk := await process.stdout.read(CHUNK_BYTES):
            await self._write_chunk(chunk)
        return await process.wait()

    async def stop(self, grace_seconds: float) -> None:
        """Send SIGTERM to the container's first process, and SIGKILL after `grace_seconds`."""
        process = self._process
        if process is None:
            self._stopped_early = True
            return
        if process.returncode is not None:
            return
        for pid in await _find_container_processes(process.pid):
            _send_signal(pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_seconds):
                await process.wait()
        except TimeoutError:
            _kill(process.pid)

    async def _write_chunk(self, chunk: bytes) -> None:
        self.tail = (self.tail + chunk)[-TAIL_BYTES:]
        *lines, self._unfinished_line = (self._unfinished_line + chunk).split(b"\n")
        if len(self._unfinished_line) > LONGEST_LINE_BYTES:
            lines.append(self._unfinished_line)
            self._unfinished_line = b""
        if lines:
            await self._output.write(b"".join(map(_stamp_line, lines)), final=False)


async def _discard_output(process: asyncio.subprocess.Process) -> None:
    """Read what a killed process has written, so that its pipe is closed before the event loop is.

    Bounded in time, as a process that left the container may hold the pipe open.
    """
    assert process.stdout is not None
    with suppress(TimeoutError):
        async with asyncio.timeout(LONGEST_DISCARD_SECONDS):
            while await process.stdout.read(CHUNK_BYTES):
                pass
            await process.wait()


def _stamp_line(line: bytes) -> bytes:
    """Return the line after its time in RFC 3339 with nanoseconds, with a line feed."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f").encode()
    return now + b"000Z " + line + b"\n"


def _send_signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        log.debug("process %d has ended already", pid)


def _kill(bubblewrap: int) -> None:
    """Kill a container: bubblewrap, which is the first of its process group, and its child.

    Killed alone while it starts, bubblewrap would leave a child that waits for it for ever: the child asks
    for its own end with its parent (prctl(2), PR_SET_PDEATHSIG) only when the container is set up. Until then
    it is in the group, but for a moment between its setsid(2) and that, so it is killed by its number too.
    """
    children: list[int] = []
    with suppress(OSError):
        children = _list_children(bubblewrap)
    with suppress(ProcessLookupError):
        os.killpg(bubblewrap, signal.SIGKILL)
    for child in children:
        _send_signal(child, signal.SIGKILL)


async def _find_container_processes(bubblewrap: int) -> list[int]:
    """Return the processes that a signal to the container is meant for.

    Bubblewrap does not pass signals on. Its child is the sandbox's init (PID 1 of the PID namespace), and the
    child of that is the container's first process. `bubblewrap` is the pid of the outermost one, which is
    returned where the others cannot be found.
    """
    try:
        return await asyncio.to_thread(_list_grandchildren, bubblewrap) or [bubblewrap]
    except OSError:
        return [bubblewrap]


def _list_grandchildren(pid: int) -> list[int]:
    """Return the children of the children, or the children where those have none."""
    deepest: list[int] = []
    generation = [pid]
    for _ in range(2):
        generation = [child for parent in generation for child in _list_children(parent)]
        deepest = generation or deepest
    return deepest


def _list_children(pid: int) -> list[int]:
    files = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for file in files for child in file.read_text().split()]
