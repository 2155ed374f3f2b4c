"""The path of the daemon's socket, and checks of it."""

import os
import stat
from pathlib import Path

from kronkeep_common.errors import DaemonUnreachable, InvalidSettings

SYSTEM_SOCKET = Path("/run/kronkeepd/api.sock")
LONGEST = 107  # bytes; sockaddr_un has 108 with the final NUL


def socket_path(given: Path | None = None) -> Path:
    """Return `given`, else $KRONKEEP_SOCKET, else the user's own socket, else the system's."""
    if given is not None:
        return given
    if text := os.environ.get("KRONKEEP_SOCKET"):
        return Path(text)
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    own = Path(runtime) / "kronkeepd" / "api.sock" if runtime else None
    return own if own is not None and own.exists() else SYSTEM_SOCKET


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
