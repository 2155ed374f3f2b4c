"""Entry point of `kronkeep`: the terminal without arguments, the command line with them."""

import sys


def main() -> int:
    """Run `kronkeep` and return its exit code, one of kronkeep_tui.cli.main.EXIT_CODES."""
    if len(sys.argv) == 1 and sys.stdin.isatty() and sys.stdout.isatty():
        from kronkeep_tui.terminal import open_terminal

        return open_terminal(None)
    from kronkeep_tui.cli.main import main as command_line

    return command_line(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
