"""The command line `kronkeep VERB ...`: its parser, its errors and its exit codes (EXIT_CODES)."""

import argparse
import importlib
import os
import re
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import NamedTuple

from kronkeep_common.errors import DaemonUnreachable, InvalidRequest, KronkeepError
from kronkeep_common.manual.parser_actions import list_actions, list_commands
from kronkeep_common.text import clean
from kronkeep_common.version import VERSION
from kronkeep_tui.cli.command_parser import CommandParser
from kronkeep_tui.cli.refusal_words import name_options, next_step_of

EXIT_REFUSED = 1
EXIT_INPUT = 2
EXIT_UNREACHABLE = 3
EXIT_INTERRUPTED = 130
EXIT_CODES = """exit codes:
  0    done
  1    refused or failed; with --wait or --follow: it did not succeed
  2    bad input
  3    no daemon answers at the socket
  130  interrupted"""


class VerbModule(NamedTuple):
    """Verbs, and the module of this package whose `add_parser` adds them."""

    verbs: tuple[str, ...]
    module: str


VERB_MODULES = (
    VerbModule(("get",), "get"),
    VerbModule(("create",), "create"),
    VerbModule(("trigger", "suspend", "resume", "backup", "delete"), "cronjob_verbs"),
    VerbModule(("logs",), "logs"),
    VerbModule(("storage",), "storage"),
    VerbModule(("files", "download", "restore", "verify", "drill"), "snapshot_verbs"),
    VerbModule(("retention", "pin", "unpin"), "retention"),
    VerbModule(("adopt",), "adopt"),
    VerbModule(("acknowledge",), "acknowledge"),
    VerbModule(("silence",), "silence"),
    VerbModule(("test-channels",), "channel_test"),
    VerbModule(("maintenance",), "maintenance"),
    VerbModule(("cancel",), "cancel"),
    VerbModule(("apply", "edit"), "apply"),
    VerbModule(("import",), "import_peers"),
    VerbModule(("describe",), "describe"),
    VerbModule(("audit",), "audit"),
    VerbModule(("report",), "report"),
    VerbModule(("stats",), "stats"),
    VerbModule(("timeline",), "timeline"),
    VerbModule(("restorable",), "restorable"),
    VerbModule(("coverage",), "coverage"),
    VerbModule(("diff", "find"), "file_changes"),
    VerbModule(("grep",), "grep"),
    VerbModule(("completion",), "completion"),
    VerbModule(("monitoring",), "monitoring_files"),
    VerbModule(("watch",), "watch"),
    VerbModule(("doctor",), "doctor"),
    VerbModule(("uninstall",), "uninstall"),
    VerbModule(("terminal",), "terminal"),
    VerbModule(("schedule",), "schedule"),
    VerbModule(("copy",), "copy"),
    VerbModule(("demo",), "demo"),
    VerbModule(("help",), "help"),
)


def build_parser(only: str | None = None) -> argparse.ArgumentParser:
    """Build the parser of the command line; with `only`, of that verb, so that other modules stay unread."""
    parser = CommandParser(
        prog="kronkeep",
        description="Scheduled jobs and their backups on Kubernetes.",
        epilog=EXIT_CODES,
    )
    parser.add_argument("--version", action="version", version=f"kronkeep {VERSION}")
    parser.add_argument(
        "--host", metavar="ssh://[USER@]HOST", help="use the daemon on another machine, through ssh"
    )
    parser.add_argument(
        "--socket", type=Path, help="the daemon's socket (default: $KRONKEEP_SOCKET, or the system's)"
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    known = {verb for row in VERB_MODULES for verb in row.verbs}
    for row in VERB_MODULES:
        if only not in known or only in row.verbs:
            importlib.import_module(f"kronkeep_tui.cli.{row.module}").add_parser(verbs)
    return parser


def _find_verb(argv: list[str]) -> str | None:
    """Return the first word that is neither an option nor the value of one."""
    words = iter(argv)
    for word in words:
        if word in ("--host", "--socket"):
            next(words, None)
        elif not word.startswith("-"):
            return word
    return None


def _opens_terminal(argv: list[str]) -> bool:
    """Whether there is no verb, as in `kronkeep --host ssh://bastion`, and a person at a screen."""
    asks_for_help = {"-h", "--help"} & set(argv)
    return _find_verb(argv) is None and not asks_for_help and sys.stdin.isatty() and sys.stdout.isatty()


def main(argv: list[str]) -> int:
    """Run a command line and return its exit code.

    An error is a sentence, what to do, and the error's code on standard error.
    """
    _replace_unknown_characters()
    try:
        words, command = _split_command(_join_values(argv))
        if _opens_terminal(words):
            words = [*words, "terminal"]
        options = build_parser(_find_verb(words)).parse_args(words)
        options.command = command
        if options.host is None:
            return int(options.func(options))
        from kronkeep_tui.cli import ssh_tunnel

        with ssh_tunnel.open_tunnel(options.host) as options.socket:
            return int(options.func(options))
    except KronkeepError as error:
        return report_error(error, _find_verb(argv))
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # whoever read standard output is gone; Python must not write to it at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_REFUSED


# Options whose values may begin with a hyphen, which argparse takes for another option.
_WITH_HYPHENS = ("--sort-by", "--from", "--to")


def _join_values(argv: list[str]) -> list[str]:
    """Join such options with their values: `--sort-by -created_at` is `--sort-by=-created_at`."""
    words: list[str] = []
    for word in argv:
        is_value = bool(words) and words[-1] in _WITH_HYPHENS and re.match(r"-[^-]", word)
        if is_value:
            words[-1] = f"{words[-1]}={word}"
        else:
            words.append(word)
    return words


def _replace_unknown_characters() -> None:
    """Write `?` for a character that the terminal's encoding lacks, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def _split_command(argv: list[str]) -> tuple[list[str], list[str]]:
    """Split `create`'s options from the container's command, which follows `--`."""
    if "create" not in argv or "--" not in argv:
        return argv, []
    separator = argv.index("--")
    return argv[:separator], argv[separator + 1 :]


def report_error(error: KronkeepError, verb: str | None = None) -> int:
    """Write an error, what to do and its code to standard error; return the exit code for it.

    verb: that of the command line, whose options stand in the place of the API's fields.
    """
    options = _options_of(verb)
    sentences = error.details.get("faults") or [error.message]
    lines = "".join(f"kronkeep: {clean(name_options(sentence, options), 2000)}\n" for sentence in sentences)
    sys.stderr.write(f"{lines}{clean(next_step_of(error, options), 500)} [{error.code}]\n")
    if isinstance(error, DaemonUnreachable):
        return EXIT_UNREACHABLE
    return EXIT_INPUT if isinstance(error, InvalidRequest) else EXIT_REFUSED


def _options_of(verb: str | None) -> set[str]:
    """Return the names of all options of a verb and of those below it."""
    if verb is None:
        return set()
    parsers = [command.parser for command in list_commands(build_parser(verb)) if command.name == verb]
    names: set[str] = set()
    while parsers:
        parser = parsers.pop()
        parsers += [command.parser for command in list_commands(parser)]
        names |= {name for action in list_actions(parser) for name in action.option_strings}
    return names
