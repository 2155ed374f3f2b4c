"""The Unix socket that the API listens on: one that systemd passed, or one bound at a path."""

import os
import socket
from pathlib import Path

from kronkeep_common.errors import InvalidSettings, StateInUse
from kronkeep_common.socket_path import check_length

MODE = 0o660


def systemd_socket() -> socket.socket | None:
    """Return the socket that systemd passed (sd_listen_fds(3)), None where it passed none."""
    if os.environ.pop("LISTEN_PID", None) != str(os.getpid()) or os.environ.pop("LISTEN_FDS", "0") != "1":
        return None
    return socket.socket(fileno=3)


def bind_socket(path: Path) -> socket.socket:
    """Return a listening socket of mode 0660 at `path`, in place of one that nobody serves.

    Raise StateInUse where another daemon answers there, InvalidSettings where no socket can be created.
    """
    check_length(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if not path.parent.exists():
            path.parent.mkdir(parents=True)
            path.parent.chmod(0o755)  # the socket's own mode decides who may connect
        _remove_stale(path)
        _bind(listening, path)
    except OSError as fault:
        listening.close()
        message = f"The socket {path} cannot be created: {fault.strerror}."
        raise InvalidSettings(
            message, next_step="Choose another path: --socket, or socket in the settings."
        ) from fault
    except StateInUse:
        listening.close()
        raise
    listening.listen()
    return listening


def remove_socket(path: Path) -> None:
    """Remove the socket of a server that has ended."""
    path.unlink(missing_ok=True)


def _bind(listening: socket.socket, path: Path) -> None:
    """Bind under a umask, so that the socket never has a wider mode, not even at first."""
    mask = os.umask(0o777 & ~MODE)
    try:
        listening.bind(str(path))
    finally:
        os.umask(mask)


def _remove_stale(path: Path) -> None:
    """Remove a socket that nobody serves; anything else at the path stays, and makes `bind` fail."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX) as probe:
        if probe.connect_ex(str(path)) == 0:
            raise StateInUse(f"Another daemon serves {path}.")
    path.unlink()
