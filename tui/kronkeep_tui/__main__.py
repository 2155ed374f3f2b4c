"""`kronkeep`: the terminal without arguments, the command line with them.

Textual reads TEXTUAL_* when it is imported, so they are set here first; over SSH fewer frames and no motion.
"""

import gc
import os
import sys
from pathlib import Path


def open_terminal(socket: Path | None, *, read_only: bool = False) -> int:
    """Shows the terminal until it is quit."""
    if os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_TTY"):
        os.environ.setdefault("TEXTUAL_FPS", "20")
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    os.environ.setdefault("TEXTUAL_SMOOTH_SCROLL", "0")
    gc.disable()  # until the first words are shown: imports leave no garbage, and looking takes 12 ms
    from kronkeep_tui.app import run

    return run(socket, read_only=read_only)


def main() -> int:
    """Runs `kronkeep`; the exit codes are those of kronkeep_tui.cli.main."""
    if len(sys.argv) == 1 and sys.stdin.isatty() and sys.stdout.isatty():
        return open_terminal(None)
    from kronkeep_tui.cli.main import main as command_line

    return command_line(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
