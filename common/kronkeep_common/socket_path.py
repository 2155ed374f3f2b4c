"""The path of the daemon's socket, and checks of it."""

import os
import shlex
import stat
from pathlib import Path

from kronkeep_common.errors import DaemonUnreachable, InvalidSettings

SYSTEM_SOCKET = Path("/run/kronkeepd/api.sock")
LONGEST = 107  # bytes; sockaddr_un has 108 with the final NUL


def socket_path(given: Path | None = None) -> Path:
    """Return `given`, else $KRONKEEP_SOCKET, else the user's own socket, the system's, or a demo's."""
    if given is not None:
        return given
    if text := os.environ.get("KRONKEEP_SOCKET"):
        return Path(text)
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    own = Path(runtime) / "kronkeepd" / "api.sock" if runtime else None
    demo = demo_link() / "api.sock"
    existing = [path for path in (own, SYSTEM_SOCKET, demo) if path is not None and path.exists()]
    return existing[0] if existing else SYSTEM_SOCKET


def demo_link() -> Path:
    """Return the path of the link to the folder of the user's newest demo, which is there while it runs."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "kronkeep" / "demo"


def shell_line(socket: Path, kubeconfig: str | None = None) -> str:
    """Return the line by which a shell's programs use a daemon, and with `kubeconfig` its cluster."""
    words = [f"KRONKEEP_SOCKET={shlex.quote(str(socket))}"]
    words += [f"KUBECONFIG={shlex.quote(kubeconfig)}"] if kubeconfig else []
    return f"export {' '.join(words)}"


def check_length(path: Path) -> None:
    """Raise InvalidSettings for a path that is too long for a socket."""
    if len(os.fsencode(path)) > LONGEST:
        raise InvalidSettings(f"The socket path {path} is longer than {LONGEST} bytes.")


def check_server(path: Path) -> None:
    """Raise DaemonUnreachable where there is no socket, or where it belongs to another user."""
    try:
        status = path.stat()
    except OSError as fault:
        raise DaemonUnreachable(f"Nobody serves {path}: {fault.strerror}.") from fault
    if not stat.S_ISSOCK(status.st_mode):
        raise DaemonUnreachable(f"{path} is not a socket.")
    if status.st_uid not in (0, os.getuid()) and path != SYSTEM_SOCKET:
        raise DaemonUnreachable(f"{path} belongs to another user (uid {status.st_uid}); it is not trusted.")
