"""Write the manual pages of `kronkeep`: python -m kronkeep_tui.cli.manual FOLDER."""

import sys
from pathlib import Path

from kronkeep_common.manual import man_page
from kronkeep_common.manual.man_page import PageName
from kronkeep_common.manual.parser_actions import Command, list_commands
from kronkeep_common.version import VERSION
from kronkeep_tui.cli.failure_texts import FAILURES, WITHOUT_DAEMON
from kronkeep_tui.cli.main import EXIT_CODES, EXIT_REFUSED, EXIT_UNREACHABLE, build_parser

_TOP = PageName("kronkeep", 1)
_DAEMON = PageName("kronkeepd", 8)
_POLICY = PageName("kronkeep-policy", 5)
_TERMINAL = """Without a verb, on a terminal, kronkeep opens its terminal: views of CronJobs, runs, backups,
restores, storages and alerts, live. In it, ? shows the keys of the view, ctrl+p finds every action, : takes
commands.

With a verb it is a command line for people and scripts."""
_ENVIRONMENT = (
    ("KRONKEEP_SOCKET", "the daemon's socket, where --socket does not name one"),
    ("NO_COLOR", "draw the terminal without colours"),
)
_FILES = (
    ("/run/kronkeepd/api.sock", "the socket of the system's daemon"),
    ("~/.config/kronkeep/terminal.toml", "colours, keys, mouse and the plain mode of the terminal"),
)


def pages() -> dict[str, str]:
    """Return the text of each page by the name of its file: kronkeep(1) and one for each verb."""
    verbs = list_commands(build_parser())
    written = {_verb_page(verb).file_name: _verb_text(verb) for verb in verbs}
    return {_TOP.file_name: _top_text(verbs), **written}


def _verb_page(verb: Command) -> PageName:
    return PageName(f"kronkeep-{verb.name}", 1)


def _top_text(verbs: list[Command]) -> str:
    parser = build_parser()
    see_also = [*map(_verb_page, verbs), _DAEMON, _POLICY]
    return (
        man_page.head(_TOP, "scheduled jobs and their backups on Kubernetes", VERSION)
        + man_page.section("SYNOPSIS", man_page.synopsis(parser))
        + man_page.section("DESCRIPTION", man_page.paragraph(_TERMINAL))
        + man_page.section("OPTIONS", man_page.options(parser))
        + man_page.section("VERBS", man_page.entries((verb.name, verb.summary) for verb in verbs))
        + _exit_status()
        + man_page.section("ENVIRONMENT", man_page.entries(_ENVIRONMENT))
        + man_page.section("FILES", man_page.entries(_FILES))
        + man_page.references(see_also)
    )


def _verb_text(verb: Command) -> str:
    parser = verb.parser
    return (
        man_page.head(_verb_page(verb), verb.summary, VERSION)
        + man_page.section("SYNOPSIS", man_page.synopsis(parser))
        + man_page.section("DESCRIPTION", man_page.paragraph(parser.description or verb.summary))
        + man_page.section("ARGUMENTS", man_page.arguments(parser))
        + man_page.section("OPTIONS", man_page.options(parser))
        + man_page.section("COMMANDS", man_page.commands(parser))
        + man_page.section("NOTES", man_page.paragraph(parser.epilog or ""))
        + _exit_status(verb.name)
        + man_page.references([_TOP, _DAEMON])
    )


def _exit_status(verb: str = "") -> str:
    """Return the section of the exit codes: of one verb with what 1 means there, without one of all."""
    rows = dict(line.split(maxsplit=1) for line in EXIT_CODES.splitlines()[1:])
    if verb in FAILURES:
        rows[str(EXIT_REFUSED)] = FAILURES[verb]
    if verb in WITHOUT_DAEMON:
        del rows[str(EXIT_UNREACHABLE)]
    return man_page.section("EXIT STATUS", man_page.entries(rows.items()))


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text)
