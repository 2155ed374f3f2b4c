"""Start the terminal application on a daemon's socket.

Textual reads the environment variables TEXTUAL_* when it is imported, so they are set before that.
"""

import gc
import os
from pathlib import Path


def open_terminal(socket: Path | None, *, read_only: bool = False) -> int:
    """Run the terminal until the user quits and return its exit code; raise InvalidSettings.

    `socket` is the daemon's socket, None for the default one. With `read_only` every change is refused.
    """
    _set_textual_environment()
    # Importing leaves no garbage, and each collection costs 12 ms; the app enables it after the first frame.
    gc.disable()
    import msgspec

    from kronkeep_common.client import Client
    from kronkeep_tui.app import KronkeepApp
    from kronkeep_tui.settings import read_settings

    settings = read_settings()
    if read_only:
        settings = msgspec.structs.replace(settings, read_only=True)
    app = KronkeepApp(Client(socket), settings, has_colours=pop_colour_choice())
    return app.run(mouse=settings.mouse) or 0


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
