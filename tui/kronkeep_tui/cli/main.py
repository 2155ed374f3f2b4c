"""`kronkeep VERB ...`: the verbs, their flags, and how errors are printed.

The exit codes are EXIT_CODES, which `kronkeep --help` prints.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kronkeep_common.errors import DaemonUnreachable, InvalidRequest, KronkeepError
from kronkeep_common.text import clean

EXIT_REFUSED = 1
EXIT_INPUT = 2
EXIT_UNREACHABLE = 3
EXIT_INTERRUPTED = 130
EXIT_CODES = """exit codes:
  0    done
  1    refused or failed; with --wait or --follow: the run or its backup did not succeed
  2    bad input
  3    no daemon answers at the socket
  130  interrupted"""


def parser(only: str | None = None) -> argparse.ArgumentParser:
    """Return the whole parser, or what `only` one verb needs; other modules are not imported."""
    top = argparse.ArgumentParser(
        prog="kronkeep",
        description="Scheduled jobs and their backups on Kubernetes.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--host", metavar="ssh://[USER@]HOST", help="a daemon on another machine, through ssh")
    top.add_argument(
        "--socket", type=Path, help="the daemon's socket (default: $KRONKEEP_SOCKET, or the system's)"
    )
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True)
    known = {name for names, _ in PARTS for name in names}
    for names, add in PARTS:
        if only not in known or only in names:
            add(verbs)
    return top


def _find_verb(argv: list[str]) -> str | None:
    """Return the verb of a command line: the first word that is neither a flag nor a flag's value."""
    words = iter(argv)
    for word in words:
        if word in ("--host", "--socket"):
            next(words, None)
        elif not word.startswith("-"):
            return word
    return None


def _is_for_the_terminal(argv: list[str]) -> bool:
    """Whether there is no verb (as in `kronkeep --host ssh://bastion`) and a person at a screen."""
    helped = {"-h", "--help"} & set(argv)
    return _find_verb(argv) is None and not helped and sys.stdin.isatty() and sys.stdout.isatty()


def _verbs_of_module(module: str, *more: Any) -> Callable[[Any], None]:
    """Return a function that adds the verbs of another module, imported when needed."""

    def add(verbs: Any) -> None:
        importlib.import_module(f"kronkeep_tui.cli.{module}").add_parser(verbs, *more)

    return add


def _terminal_verb(verbs: Any) -> None:
    terminal = verbs.add_parser("terminal", help="the terminal (also: kronkeep without arguments)")
    terminal.add_argument("--read-only", action="store_true")
    terminal.set_defaults(func=_terminal)


def _terminal(options: argparse.Namespace) -> int:
    from kronkeep_tui.terminal import open_terminal

    return open_terminal(options.socket, read_only=options.read_only)


PARTS: tuple[tuple[tuple[str, ...], Callable[[Any], None]], ...] = (
    (("get",), _verbs_of_module("get")),
    (("create",), _verbs_of_module("create")),
    (("trigger", "suspend", "resume", "backup", "delete", "logs"), _verbs_of_module("cronjob_verbs")),
    (("storage",), _verbs_of_module("storage")),
    (("files", "download", "restore", "verify", "drill"), _verbs_of_module("restore")),
    (("retention", "pin", "unpin"), _verbs_of_module("retention")),
    (("acknowledge",), _verbs_of_module("acknowledge")),
    (("cancel",), _verbs_of_module("cancel")),
    (("apply", "edit"), _verbs_of_module("apply")),
    (("describe", "audit", "completion"), _verbs_of_module("describe", parser)),
    (("watch",), _verbs_of_module("wait")),
    (("doctor",), _verbs_of_module("doctor")),
    (("uninstall",), _verbs_of_module("uninstall")),
    (("terminal",), _terminal_verb),
    (("schedule",), _verbs_of_module("schedule")),
    (("demo",), _verbs_of_module("demo")),
)


def main(argv: list[str]) -> int:
    """Run a command line; print an error as a sentence, a next step and its code to standard error."""
    try:
        before, command = _without_command(argv)
        if _is_for_the_terminal(before):
            before = [*before, "terminal"]
        options = parser(_find_verb(before)).parse_args(before)
        options.command = command
        if options.host is None:
            return int(options.func(options))
        from kronkeep_tui.cli import ssh_tunnel

        with ssh_tunnel.forward_socket(options.host) as options.socket:
            return int(options.func(options))
    except DaemonUnreachable as error:
        return _tell(error, EXIT_UNREACHABLE)
    except InvalidRequest as error:
        return _tell(error, EXIT_INPUT)
    except KronkeepError as error:
        return _tell(error, EXIT_REFUSED)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_REFUSED


def _without_command(argv: list[str]) -> tuple[list[str], list[str]]:
    """Split the arguments of `create` from the container's command after `--`."""
    if "create" not in argv or "--" not in argv:
        return argv, []
    place = argv.index("--")
    return argv[:place], argv[place + 1 :]


def _tell(error: KronkeepError, code: int) -> int:
    sys.stderr.write(
        f"kronkeep: {clean(error.message, 2000)}\n{clean(error.next_step, 500)} [{error.code}]\n"
    )
    return code
