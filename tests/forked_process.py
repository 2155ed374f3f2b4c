"""Processes of kronkeepd that are forked from one that has its modules already.

Two thirds of what the start of a daemon takes, 0.4 s of CPU, are the imports of a thousand modules, and the
tests start two hundred. Each worker has a process that has imported them and does nothing but fork: a child
has its own pid, streams, arguments, environment and working directory, and runs `python -m MODULE` as a
fresh process does. What it has of its parent: the modules, and the parent's command line in /proc. Where
that matters (an environment that Python reads at its start, as PYTHONPATH or LD_PRELOAD) a test uses a fresh
process.
"""

import atexit
import gc
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

LARGEST_REQUEST = 1 << 20  # bytes
STATE = 16  # bytes of a pid or an exit code
PRELOADED = ("kronkeep_daemon.app", "kronkeep_daemon.command_line", "kronkeep_daemon.embedded")


class Request(NamedTuple):
    """What a child is to run, and where."""

    module: list[str]
    environment: dict[str, str]
    folder: str


class ForkServer:
    """The connection to the process that forks; it ends with the worker."""

    _running: "ForkServer | None" = None

    def __init__(self) -> None:
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LARGEST_REQUEST)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", __file__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        atexit.register(self._end)

    @classmethod
    def get(cls) -> "ForkServer":
        """Return this worker's server, and start it at the first call."""
        if cls._running is None:
            cls._running = ForkServer()
        return cls._running

    def _end(self) -> None:
        self.socket.close()
        self._process.wait()


class ForkedProcess:
    """A process of `python -m MODULE ARGUMENT...`, as subprocess.Popen has one.

    Its standard input and output are pipes, its standard error goes to the file.
    """

    def __init__(self, module: Sequence[str], error: IO[bytes]) -> None:
        self.returncode: int | None = None
        their_input, our_input = os.pipe()
        our_output, their_output = os.pipe()
        our_state, their_state = os.pipe()
        request = Request(module=list(module), environment=dict(os.environ), folder=str(Path.cwd()))
        fds = [their_input, their_output, error.fileno(), their_state]
        try:
            socket.send_fds(ForkServer.get().socket, [json.dumps(request._asdict()).encode()], fds)
        finally:
            for fd in (their_input, their_output, their_state):
                os.close(fd)
        self.stdin = os.fdopen(our_input, "wb")
        self.stdout = os.fdopen(our_output, "rb")
        self._state = os.fdopen(our_state, "rb", buffering=0)
        self.pid = int(self._read_state())

    def _read_state(self) -> bytes:
        """Return the next of what the server tells of the process: its pid, then its exit code."""
        word = self._state.read(STATE)
        assert word, "the server that forks is gone"
        return word

    def poll(self) -> int | None:
        """Return the exit code, or None while the process runs."""
        if self.returncode is None and _is_readable(self._state, 0):
            self.returncode = int(self._read_state())
            self._state.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code once the process has ended; raise TimeoutExpired after so many seconds."""
        if self.returncode is None and not _is_readable(self._state, timeout):
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        code = self.poll()
        assert code is not None
        return code

    def close_pipes(self) -> None:
        """Close its standard input and output."""
        self.stdin.close()
        self.stdout.close()

    def kill(self) -> None:
        """End the process with SIGKILL."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


def _is_readable(stream: IO[bytes], timeout: float | None) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        return bool(selector.select(timeout))


class Server:
    """The process that forks; each child is told of to whoever asked for it."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._states: dict[int, int] = {}  # the pipes to those who asked, by the pid of the child
        self._woken, waker = socket.socketpair()
        waker.setblocking(False)
        signal.set_wakeup_fd(waker.fileno())
        signal.signal(signal.SIGCHLD, _ignore)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with the worker
        self._waker = waker

    def close(self) -> None:
        """Close what a child has of the server."""
        for opened in (self._connection, self._woken, self._waker):
            opened.close()

    def serve(self) -> Request | None:
        """Fork until the connection ends; return in each child with its request, at the end with None."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._connection, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self._woken:
                        self._woken.recv(4096)
                        self._report_ends()
                        continue
                    message, fds, _, _ = socket.recv_fds(self._connection, LARGEST_REQUEST, 4)
                    if not message:
                        return None
                    request = Request(**json.loads(message))
                    if self._fork(fds):
                        return request

    def _fork(self, fds: list[int]) -> bool:
        """Return True in the child, whose standard streams are the first three of the descriptors."""
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for number in range(3):
                os.dup2(fds[number], number)
            return True
        self._states[pid] = fds[3]
        for fd in fds[:3]:
            os.close(fd)
        _write_state(fds[3], pid)
        return False

    def _report_ends(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            state = self._states.pop(pid)
            _write_state(state, os.waitstatus_to_exitcode(status))
            os.close(state)


def _write_state(pipe: int, number: int) -> None:
    with suppress(BrokenPipeError):  # whoever asked for the process is gone
        os.write(pipe, str(number).encode().ljust(STATE))


def _ignore(*_: Any) -> None:
    """Let SIGCHLD interrupt, which writes to the descriptor that wakes the server."""


def _run(request: Request) -> None:
    """Run the module of the request, as a fresh process would."""
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.environ.clear()
    os.environ.update(request.environment)
    time.tzset()
    os.chdir(request.folder)
    sys.path.insert(0, request.folder)
    sys.argv[:] = request.module
    runpy.run_module(request.module[0], run_name="__main__", alter_sys=True)


def main() -> None:
    """Import the modules, fork for whoever asks, and run in each child what it is for."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    for name in PRELOADED:
        __import__(name)
    gc.collect()
    gc.freeze()
    server = Server(connection)
    request = server.serve()
    server.close()
    if request is not None:
        _run(request)


if __name__ == "__main__":
    main()
