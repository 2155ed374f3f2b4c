"""Entry point of `kronkeep`: the terminal without arguments, the command line with them."""

import sys


def main() -> int:
    """Run `kronkeep` and return its exit code, one of kronkeep_tui.cli.main.EXIT_CODES."""
    if len(sys.argv) == 1 and sys.stdin.isatty() and sys.stdout.isatty():
        return _open_terminal()
    from kronkeep_tui.cli.main import main as command_line

    return command_line(sys.argv[1:])


def _open_terminal() -> int:
    """Open the terminal without importing the command line, which is not needed for it."""
    from kronkeep_common.errors import KronkeepError
    from kronkeep_tui.terminal import open_terminal

    try:
        return open_terminal(None)
    except KronkeepError as error:
        from kronkeep_tui.cli.main import report_error

        return report_error(error)


if __name__ == "__main__":
    sys.exit(main())
