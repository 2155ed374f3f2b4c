"""Start the terminal application on a daemon's socket.

Textual reads the environment variables TEXTUAL_* when it is imported, so they are set before that.
"""

import fcntl
import gc
import os
import struct
import sys
import termios
from collections.abc import Callable
from pathlib import Path

from kronkeep_common.errors import InvalidRequest, KronkeepError

ROWS = 24
COLUMNS = 80


def open_terminal(
    socket: Path | None,
    *,
    read_only: bool = False,
    shell_line: str = "",
    explain_end: Callable[[], KronkeepError | None] | None = None,
) -> int:
    """Run the terminal until the user quits and return its exit code; raise InvalidSettings.

    `socket` is the daemon's socket, None for the default one. With `read_only` every change is refused.
    `shell_line` is what help shows for use in a shell, by default the socket and a demo's cluster.
    `explain_end` returns that the daemon has ended for good, and what to do; None while it may come back.
    """
    require_terminal()
    _set_textual_environment()
    # Importing leaves no garbage, and each collection costs 12 ms; the app enables it after the first frame.
    gc.disable()
    import msgspec

    from kronkeep_common import socket_path
    from kronkeep_common.client import Client
    from kronkeep_tui.app import KronkeepApp
    from kronkeep_tui.settings import read_settings

    settings = read_settings()
    if read_only:
        settings = msgspec.structs.replace(settings, read_only=True)
    tty = sys.stdin.fileno()
    set_missing_size(tty)
    app = KronkeepApp(
        Client(socket), settings, has_colours=pop_colour_choice(), tty=tty, explain_end=explain_end
    )
    path = socket_path.socket_path(socket)
    line = shell_line or socket_path.shell_line(path, socket_path.embedded_kubeconfig(path))
    app.frame.shell_line = line
    os.environ.update(
        socket_path.environment_of(line)
    )  # of the user's own commands: kubectl finds a demo's cluster
    code = app.run(mouse=settings.mouse)
    return (app.return_code if code is None else code) or 0  # after a fault of ours it has no result


def require_terminal() -> None:
    """Raise InvalidRequest where there is no screen to draw on, or no keyboard."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InvalidRequest(
            "The terminal needs a screen and a keyboard, and standard input or output is something else.",
            next_step="Use kronkeep get, describe and watch in scripts; ssh needs -t.",
        )


def set_missing_size(descriptor: int) -> None:
    """Give a terminal that has no size, as of expect, some consoles and CI, 80 columns and 24 rows."""
    columns, rows = os.get_terminal_size(descriptor)
    if columns == 0 or rows == 0:
        size = struct.pack("HHHH", rows or ROWS, columns or COLUMNS, 0, 0)  # struct winsize, ioctl_tty(2)
        fcntl.ioctl(descriptor, termios.TIOCSWINSZ, size)


def pop_colour_choice() -> bool:
    """Return whether colours may be sent: NO_COLOR is unset or empty (https://no-color.org).

    NO_COLOR leaves the environment, because Textual draws everything in black where it is set.
    """
    return not os.environ.pop("NO_COLOR", "")


def _set_textual_environment() -> None:
    """Turn animations off, and draw at most 20 frames a second over SSH."""
    if os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_TTY"):
        os.environ.setdefault("TEXTUAL_FPS", "20")
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    os.environ.setdefault("TEXTUAL_SMOOTH_SCROLL", "0")
