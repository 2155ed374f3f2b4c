"""`kronkeep terminal`: the terminal application, which `kronkeep` without arguments starts, too."""

import argparse

from kronkeep_tui.cli.verb import Verbs


def add_parser(verbs: Verbs) -> None:
    """Add the verb `terminal`."""
    terminal = verbs.add_parser("terminal", help="open the terminal (also: kronkeep without arguments)")
    terminal.add_argument("--read-only", action="store_true", help="refuse every change")
    terminal.set_defaults(func=_open)


def _open(options: argparse.Namespace) -> int:
    from kronkeep_tui.terminal import open_terminal

    return open_terminal(options.socket, read_only=options.read_only)
