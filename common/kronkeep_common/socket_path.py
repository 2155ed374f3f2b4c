"""The path of the daemon's socket, and checks of it."""

import os
import shlex
import socket
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from kronkeep_common.errors import DaemonUnreachable, InvalidSettings

SYSTEM_SOCKET = Path("/run/kronkeepd/api.sock")
SYSTEM_GROUP = "kronkeepd-ops"  # whose members may open the system's socket
DEMO_PREFIX = "kronkeep-"  # of the fresh folders of demos, below the folder for temporary files
LONGEST = 107  # bytes; sockaddr_un has 108 with the final NUL


def socket_path(given: Path | None = None) -> Path:
    """Return `given`, else $KRONKEEP_SOCKET, else the user's own socket, the system's, or the running demo's.

    Raise DaemonUnreachable where several demos run, for a command must not hit one by chance.
    """
    if given is not None:
        return given
    if text := os.environ.get("KRONKEEP_SOCKET"):
        return Path(text)
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    own = Path(runtime) / "kronkeepd" / "api.sock" if runtime else None
    existing = [path for path in (own, SYSTEM_SOCKET) if path is not None and _is_there(path)]
    return existing[0] if existing else _demo_socket() or SYSTEM_SOCKET


def _is_there(path: Path) -> bool:
    """Return whether a path is known to exist; in a folder that is closed to this user nothing is known."""
    try:
        path.stat()
    except OSError:
        return False
    return True


def demo_links() -> Path:
    """Return the folder with a link to the folder of each demo of the user, while it runs."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "kronkeep" / "demos"


def _demo_socket() -> Path | None:
    """Return the socket of the demo that runs, None without one; raise DaemonUnreachable for several."""
    links = sorted(demo_links().iterdir()) if demo_links().is_dir() else []
    # Without the link, whose path may be longer than a socket's address.
    sockets = [link.resolve() / "api.sock" for link in links if (link / "api.sock").exists()]
    if len(sockets) > 1:  # one that was killed leaves its link
        sockets = [path for path in sockets if _is_served(path)]
    if len(sockets) > 1:
        places = list(map(str, sockets))
        raise DaemonUnreachable(
            f"{len(places)} demos run: {', '.join(places)}.",
            next_step=f"Name the one that you mean: export KRONKEEP_SOCKET={shlex.quote(places[0])}.",
        )
    return sockets[0] if sockets else None


def _is_served(path: Path) -> bool:
    """Whether a process listens at a socket."""
    with suppress(OSError), socket.socket(socket.AF_UNIX) as trial:
        trial.connect(str(path))
        return True
    return False


def shell_line(socket: Path, kubeconfig: str | None = None) -> str:
    """Return the line by which a shell's programs use a daemon, and with `kubeconfig` its cluster."""
    words = [f"KRONKEEP_SOCKET={shlex.quote(str(socket))}"]
    words += [f"KUBECONFIG={shlex.quote(kubeconfig)}"] if kubeconfig else []
    return f"export {' '.join(words)}"


def environment_of(line: str) -> dict[str, str]:
    """Return the variables that a line of `shell_line` sets."""
    return dict(word.split("=", 1) for word in shlex.split(line)[1:])


def embedded_kubeconfig(socket: Path) -> str | None:
    """Return the kubeconfig of the cluster that a demo's daemon has beside its socket; None without one."""
    file = socket.parent / "cluster" / "kubeconfig"
    return str(file) if file.is_file() else None


def advise_start(path: Path) -> str:
    """Return what to do where nobody answers at a socket, by whose socket it is."""
    if path == SYSTEM_SOCKET:
        return (
            "Start it (systemctl start kronkeepd), name another socket with --socket, or try kronkeep with a "
            "small cluster of its own: kronkeep demo."
        )
    folder = path.parent
    if (folder / "kronkeepd.log").exists() and (folder / "cluster").is_dir():
        state = shlex.quote(str(folder))
        return f"That demo has ended, or is only starting: wait, or start it: kronkeep demo --state {state}."
    if folder.parent == Path(tempfile.gettempdir()) and folder.name.startswith(DEMO_PREFIX):
        return "That demo has ended and is gone: start another (kronkeep demo), and unset KRONKEEP_SOCKET."
    return DaemonUnreachable.default_next_step


def check_length(path: Path) -> None:
    """Raise InvalidSettings for a path that is too long for a socket."""
    if len(os.fsencode(path)) > LONGEST:
        raise InvalidSettings(
            f"The socket path {path} is longer than {LONGEST} bytes.",
            next_step="Choose a shorter one: --socket or KRONKEEP_SOCKET, for a daemon its settings' socket.",
        )


def check_server(path: Path) -> None:
    """Raise DaemonUnreachable where there is no socket, or it is another user's, or closed to this one."""
    try:
        status = path.stat()
    except PermissionError as fault:
        raise DaemonUnreachable(
            f"You may not look into the folder of {path}.", next_step=_advise_access(path.parent)
        ) from fault
    except OSError as fault:
        raise DaemonUnreachable(
            f"Nobody serves {path}: {fault.strerror}.", next_step=advise_start(path)
        ) from fault
    if not stat.S_ISSOCK(status.st_mode):
        raise DaemonUnreachable(f"{path} is not a socket.")
    if status.st_uid not in (0, os.getuid()) and path != SYSTEM_SOCKET:
        raise DaemonUnreachable(f"{path} belongs to another user (uid {status.st_uid}); it is not trusted.")
    if not os.access(path, os.W_OK):
        raise DaemonUnreachable(f"You may not open {path}.", next_step=_advise_access(path))


def _advise_access(path: Path) -> str:
    """Return how one gets to open a socket or its folder: as a member of the group that it belongs to."""
    import grp

    try:
        group = grp.getgrgid(path.stat().st_gid).gr_name
    except (OSError, KeyError):
        group = SYSTEM_GROUP
    if group == "root":
        return "Ask root, whose it is, or start a daemon of your own: kronkeep demo."
    return f"Its group may: sudo usermod -aG {group} $USER, then log in again (newgrp {group} does for now)."
