"""`kronkeep demo`: a daemon with a small cluster of its own in a new folder, and the terminal on it.

The daemon is another process, reached through its socket like any other. It stops when this process ends,
however that happens: it watches the pipe of its standard input.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from kronkeep_common.errors import DaemonUnreachable
from kronkeep_common.json_decoding import JsonObject
from kronkeep_common.socket_path import DEMO_PREFIX, demo_links, shell_line
from kronkeep_tui.cli.verb import Verbs

STARTING = "kronkeep demo: the daemon did not start; the end of its log:\n"


def add_parser(verbs: Verbs) -> None:
    """Add the verb `demo`."""
    parser = verbs.add_parser(
        "demo", help="start a small cluster, a daemon and the terminal in a new folder", description=__doc__
    )
    parser.add_argument(
        "--headless", action="store_true", help="do not open the terminal; print one JSON line"
    )
    parser.add_argument(
        "--for", dest="seconds", type=float, metavar="SECONDS", help="stop after so many seconds"
    )
    parser.add_argument(
        "--machine-tools",
        action="store_true",
        help="containers of images other than busybox and restic/restic see this machine's own programs",
    )
    parser.add_argument("--state", type=Path, help="use this folder, and keep it")
    parser.set_defaults(func=_run)


def _run(options: argparse.Namespace) -> int:
    """Start the daemon, open the terminal or wait, stop the daemon; return 1 where it did not start."""
    signal.signal(signal.SIGTERM, _interrupt)
    folder: Path = options.state or Path(tempfile.mkdtemp(prefix=DEMO_PREFIX))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return _serve(options, folder.resolve())
    except KeyboardInterrupt:
        return 0
    finally:
        if options.state is None:
            shutil.rmtree(folder, ignore_errors=True)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _serve(options: argparse.Namespace, folder: Path) -> int:
    log = folder / "kronkeepd.log"
    command = [sys.executable, "-m", "kronkeep_daemon", "--embedded", "--demo", "--attached", "--announce"]
    command += ["--machine-tools"] if options.machine_tools else []
    with log.open("ab") as output:
        daemon = subprocess.Popen(
            [*command, "--state", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            process_group=0,
        )
    try:
        ready = _read_announcement(daemon)
        if ready is None:
            sys.stderr.write(STARTING + _last_lines(log))
            return 1
        line = shell_line(Path(ready["socket"]), ready["kubeconfig"])
        print(f"kronkeep demo: in another shell: {line}", file=sys.stderr, flush=True)
        with _link_to(folder):
            if options.headless:
                return _serve_headless(daemon, ready, options.seconds)
            return _open_terminal(daemon, ready, line, log)
    finally:
        _stop(daemon)


@contextmanager
def _link_to(folder: Path) -> Iterator[None]:
    """Let the command line find the demo by a link to its folder, while no other demo runs."""
    link = demo_links() / f"{folder.name}-{os.getpid()}"
    try:
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(folder.absolute())
    except OSError:  # a home that cannot be written to: the printed line does as well
        yield
        return
    try:
        yield
    finally:
        link.unlink(missing_ok=True)


def _read_announcement(daemon: subprocess.Popen[bytes]) -> JsonObject | None:
    """Return the line with which the daemon says that it is ready; None where it ended before.

    Lines about its progress are printed on standard error.
    """
    assert daemon.stdout is not None
    for line in daemon.stdout:
        message: JsonObject = json.loads(line)
        if "progress" not in message:
            return message
        print(f"kronkeep demo: {message['progress']}", file=sys.stderr, flush=True)
    return None


def _serve_headless(daemon: subprocess.Popen[bytes], ready: JsonObject, seconds: float | None) -> int:
    print(json.dumps(ready), flush=True)
    try:
        return daemon.wait(seconds)
    except subprocess.TimeoutExpired:
        return 0


def _open_terminal(daemon: subprocess.Popen[bytes], ready: JsonObject, line: str, log: Path) -> int:
    from kronkeep_tui.terminal import open_terminal

    return open_terminal(
        Path(ready["socket"]), shell_line=line, explain_end=partial(explain_end, daemon, log)
    )


def explain_end(daemon: subprocess.Popen[bytes], log: Path) -> DaemonUnreachable | None:
    """Return that the demo's daemon has ended, which nothing starts again; None while it runs."""
    code = daemon.poll()
    if code is None:
        return None
    how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
    return DaemonUnreachable(
        f"The daemon of this demo has ended {how}.",
        next_step=f"Its log is {log}. q ends the demo; then start it again as you did.",
    )


def _stop(daemon: subprocess.Popen[bytes]) -> None:
    """Let the daemon stop, by closing its standard input; after 15 s kill its process group."""
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


def _last_lines(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:]) + "\n"
