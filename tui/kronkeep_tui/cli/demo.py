"""`kronkeep demo`: a daemon with an embedded cluster in a fresh folder, and the terminal.

The daemon is a separate process, reached through its socket like any other. It watches the pipe that is its
standard input, so it stops when this process ends, however that happens.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

STARTING = "kronkeep demo: the daemon did not start; its last words:\n"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the parser of `demo` to `verbs`."""
    parser = subparsers.add_parser(
        "demo", help="a small cluster, a daemon and the terminal on a fresh folder", description=__doc__
    )
    parser.add_argument(
        "--headless", action="store_true", help="serve without the terminal; print one JSON line"
    )
    parser.add_argument(
        "--for", dest="seconds", type=float, metavar="SECONDS", help="stop after so many seconds"
    )
    parser.add_argument("--state", type=Path, help="use and keep this folder instead of a fresh one")
    parser.set_defaults(func=run)


def run(options: argparse.Namespace) -> int:
    """Start the daemon, show the terminal or wait, and stop the daemon; return 1 if it did not start."""
    signal.signal(signal.SIGTERM, _leave)
    folder: Path = options.state or Path(tempfile.mkdtemp(prefix="kronkeep-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return _serve(options, folder.resolve())
    except KeyboardInterrupt:
        return 0
    finally:
        if options.state is None:
            shutil.rmtree(folder, ignore_errors=True)


def _leave(*_: object) -> None:
    raise KeyboardInterrupt


def _serve(options: argparse.Namespace, folder: Path) -> int:
    log = folder / "kronkeepd.log"
    command = [sys.executable, "-m", "kronkeep_daemon", "--embedded", "--demo", "--attached", "--announce"]
    with log.open("ab") as output:
        daemon = subprocess.Popen(
            [*command, "--state", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            process_group=0,
        )
    try:
        ready = _await_ready(daemon)
        if ready is None:
            sys.stderr.write(STARTING + _tail(log))
            return 1
        return _headless(daemon, ready, options.seconds) if options.headless else _terminal(ready)
    finally:
        _stop(daemon)


def _await_ready(daemon: subprocess.Popen[bytes]) -> dict[str, Any] | None:
    """Return the daemon's announcement, or None if it ended; print progress lines to standard error."""
    assert daemon.stdout is not None
    for line in daemon.stdout:
        message: dict[str, Any] = json.loads(line)
        if "progress" not in message:
            return message
        print(f"kronkeep demo: {message['progress']}", file=sys.stderr, flush=True)
    return None


def _headless(daemon: subprocess.Popen[bytes], ready: dict[str, Any], seconds: float | None) -> int:
    print(json.dumps(ready), flush=True)
    try:
        return daemon.wait(seconds)
    except subprocess.TimeoutExpired:
        return 0


def _terminal(ready: dict[str, Any]) -> int:
    from kronkeep_tui.terminal import open_terminal

    return open_terminal(Path(ready["socket"]))


def _stop(daemon: subprocess.Popen[bytes]) -> None:
    """Ask the daemon to stop; kill its process group after 15 s."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for pipe in (daemon.stdin, daemon.stdout):
        if pipe is not None:
            pipe.close()
    try:
        daemon.wait(15)
    except subprocess.TimeoutExpired:
        os.killpg(daemon.pid, signal.SIGKILL)
        daemon.wait()


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:]) + "\n"
