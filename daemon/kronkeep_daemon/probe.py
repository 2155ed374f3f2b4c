"""`kronkeepd probe`: whether the daemon at a socket answers, for the probes of a pod and for monitoring."""

import argparse
import os
import socket
import sys
from pathlib import Path

from kronkeep_common.errors import DaemonUnreachable, KronkeepError

PATHS = {"live": "/healthz", "ready": "/readyz"}
EXIT_REFUSED = 1
LONGEST_ANSWER = 65536  # bytes; the first line is enough


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `probe`."""
    summary = "say whether a daemon answers (live), or watches its clusters (ready); exit code 1 if not"
    probe = commands.add_parser("probe", help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    probe.add_argument("what", choices=sorted(PATHS), help="live: it answers; ready: it watches its clusters")
    # Not `socket`: without an option here, the daemon's own `--socket` before the command would be lost.
    probe.add_argument("--at", type=Path, metavar="PATH", help="the socket (default: $KRONKEEPD_SOCKET)")
    probe.add_argument("--timeout", type=float, default=5.0, metavar="SECONDS", help="default: 5")
    probe.set_defaults(func=run)


def main(words: list[str]) -> int:
    """Run `kronkeepd probe ...` and return its exit code."""
    top = argparse.ArgumentParser(prog="kronkeepd")
    add_parser(top.add_subparsers())
    try:
        return run(top.parse_args(words))
    except DaemonUnreachable as error:
        return tell(error)


def tell(error: KronkeepError) -> int:
    """Write a refusal's sentence, next step and code to standard error; return the exit code."""
    sys.stderr.write(f"kronkeepd: {error.message}\n{error.next_step} [{error.code}]\n")
    return EXIT_REFUSED


def run(options: argparse.Namespace) -> int:
    """Ask, and return 0 where the daemon says yes; raise DaemonUnreachable where it does not answer."""
    path = options.at or Path(os.environ.get("KRONKEEPD_SOCKET", "/run/kronkeepd/api.sock"))
    return 0 if ask(path, PATHS[options.what], options.timeout) == 200 else 1


def ask(path: Path, target: str, timeout: float) -> int:
    """Return the status of a GET at a Unix socket; `timeout` is in seconds. Raises DaemonUnreachable."""
    request = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout)
            connection.connect(str(path))
            connection.sendall(request.encode())
            answer = connection.recv(LONGEST_ANSWER)
    except OSError as fault:
        raise DaemonUnreachable(f"No kronkeepd answers at {path}: {fault}.") from fault
    words = answer.split(b" ", 2)
    if len(words) < 3 or not words[1].isdigit():
        raise DaemonUnreachable(f"What answers at {path} is no kronkeepd.")
    return int(words[1])
