"""One container as one process: started, its output pushed to the API server as it comes, ended."""

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

log = logging.getLogger(__name__)
Push = Callable[[bytes, bool], Awaitable[None]]
CHUNK = 64 * 1024
LONGEST_LINE = 16 * 1024
TAIL = 2048  # bytes kept for terminationMessagePolicy: FallbackToLogsOnError
NOT_STARTED = 128
UMASK = (
    0o022  # a container's, whatever the agent's own is: what it writes to claims is as it would be anywhere
)


class Process:
    """A container's process; `run` returns its exit code as a shell would show it."""

    def __init__(self, argv: list[str], environment: dict[str, str], push: Push) -> None:
        self._argv = argv
        self._environment = environment
        self._push = push
        self._process: asyncio.subprocess.Process | None = None
        self._rest = b""
        self.tail = b""

    async def run(self) -> int:
        """Runs to the end; the whole output is pushed before this returns. Raises OSError."""
        self._process = await asyncio.create_subprocess_exec(
            *self._argv,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            umask=UMASK,
        )
        assert self._process.stdout is not None
        while chunk := await self._process.stdout.read(CHUNK):
            await self._take(chunk)
        code = await self._process.wait()
        if self._rest:
            await self._push(_stamped(self._rest) + b"\n", False)
        await self._push(b"", True)
        return 128 - code if code < 0 else code

    async def stop(self, grace: float) -> None:
        """SIGTERM to the container's first process, SIGKILL after `grace` seconds; waits for neither."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        for name in await _children(process.pid):
            _signal(name, signal.SIGTERM)
        try:
            async with asyncio.timeout(grace):
                await process.wait()
        except TimeoutError:
            _signal(process.pid, signal.SIGKILL)

    async def _take(self, chunk: bytes) -> None:
        self.tail = (self.tail + chunk)[-TAIL:]
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            whole = [*whole, self._rest]
            self._rest = b""
        if whole:
            await self._push(b"".join(_stamped(line) + b"\n" for line in whole), False)


def _stamped(line: bytes) -> bytes:
    now = datetime.now(UTC)
    return now.strftime("%Y-%m-%dT%H:%M:%S.%f").encode() + b"000Z " + line


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        log.debug("process %d has ended already", pid)


async def _children(pid: int) -> list[int]:
    """The processes below bubblewrap's own: the sandbox's init, and the container's first process."""
    try:
        return await asyncio.to_thread(_grandchildren, pid) or [pid]
    except OSError:
        return [pid]


def _grandchildren(pid: int) -> list[int]:
    """The children's children, or the children where those have none."""
    found: list[int] = []
    level = [pid]
    for _ in range(2):
        level = [
            int(child)
            for parent in level
            for file in Path(f"/proc/{parent}/task").glob("*/children")
            for child in file.read_text().split()
        ]
        found = level or found
    return found
