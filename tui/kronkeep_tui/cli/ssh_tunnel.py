"""`--host ssh://user@bastion`: forward the socket of a daemon on another machine with ssh.

The remote daemon sees the user that ssh logged in as, with that user's groups. ssh uses its own keys and
agents.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from kronkeep_common.errors import DaemonUnreachable, InvalidRequest
from kronkeep_common.socket_path import SYSTEM_SOCKET
from kronkeep_common.text import clean

LOGIN_SECONDS = 30.0


def ssh_command(host: str, local: Path) -> list[str]:
    """Return ssh's arguments; raise InvalidRequest for what is not ssh://[USER@]HOST[:PORT][/SOCKET]."""
    parts = urlsplit(host)
    try:
        port = parts.port
    except ValueError:
        port = -1
    name = parts.hostname or ""
    words = [name, parts.username or ""]
    if parts.scheme != "ssh" or not name or port == -1 or any(word.startswith("-") for word in words):
        raise InvalidRequest(
            f"{clean(repr(host), 120)} is not a host.",
            next_step="Write ssh://user@host or ssh://host/run/x.sock.",
        )
    remote = parts.path if len(parts.path) > 1 else str(SYSTEM_SOCKET)
    options = ["-N", "-T", "-o", "ExitOnForwardFailure=yes", "-L", f"{local}:{remote}"]
    target = f"{parts.username}@{name}" if parts.username else name
    return ["ssh", *options, *(["-p", str(port)] if port else []), "--", target]


@contextmanager
def open_tunnel(host: str) -> Iterator[Path]:
    """Yield a local socket that is forwarded to the remote one; raise DaemonUnreachable."""
    with tempfile.TemporaryDirectory(prefix="kronkeep-") as folder:
        local = Path(folder) / "api.sock"
        try:
            ssh = subprocess.Popen(ssh_command(host, local), stdin=subprocess.DEVNULL, stdout=sys.stderr)
        except OSError as fault:
            raise DaemonUnreachable("ssh could not be started.", next_step="Install ssh.") from fault
        try:
            _wait_for_socket(local, ssh, host)
            yield local
        finally:
            ssh.terminate()
            ssh.wait()


def _wait_for_socket(local: Path, ssh: "subprocess.Popen[bytes]", host: str) -> None:
    end = time.monotonic() + LOGIN_SECONDS
    while not local.exists():
        if ssh.poll() is not None or time.monotonic() > end:
            raise DaemonUnreachable(
                f"ssh did not reach {clean(host, 120)}.",
                next_step=f"Try it alone: ssh {clean(host, 120)} true.",
            )
        time.sleep(0.05)
