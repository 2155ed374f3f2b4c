"""Where the socket is."""

import os
import stat
from pathlib import Path

from kronkeep_common.errors import DaemonUnreachable, InvalidSettings

SYSTEM_SOCKET = Path("/run/kronkeepd/api.sock")
LONGEST = 107  # bytes; sockaddr_un holds 108 with its NUL


def socket_path(given: Path | None = None) -> Path:
    """The socket to use: the one given, $KRONKEEP_SOCKET, the user's own, the system's."""
    if given is not None:
        return given
    if text := os.environ.get("KRONKEEP_SOCKET"):
        return Path(text)
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    own = Path(runtime) / "kronkeepd" / "api.sock" if runtime else None
    return own if own is not None and own.exists() else SYSTEM_SOCKET


def check_length(path: Path) -> None:
    """Raises InvalidSettings for a path that no socket can have."""
    if len(os.fsencode(path)) > LONGEST:
        raise InvalidSettings(f"The socket path {path} is longer than {LONGEST} bytes.")


def check_server(path: Path) -> None:
    """Raises DaemonUnreachable when there is no socket, or a stranger made it."""
    try:
        status = path.stat()
    except OSError as fault:
        raise DaemonUnreachable(f"Nobody serves {path}: {fault.strerror}.") from fault
    if not stat.S_ISSOCK(status.st_mode):
        raise DaemonUnreachable(f"{path} is not a socket.")
    if status.st_uid not in (0, os.getuid()) and path != SYSTEM_SOCKET:
        raise DaemonUnreachable(f"{path} belongs to another user (uid {status.st_uid}); it is not trusted.")
