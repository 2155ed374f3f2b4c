"""`kronkeep help`: the help of the command line or of one verb."""

import argparse
import sys

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.manual.parser_actions import list_commands
from kronkeep_common.name_suggestions import suggest_name
from kronkeep_common.text import clean
from kronkeep_tui.cli.verb import Verbs


def add_parser(verbs: Verbs) -> None:
    """Add the verb `help`."""
    summary = "print the help of a verb: kronkeep help storage create s3"
    verb = verbs.add_parser("help", help=summary, description=summary[0].upper() + summary[1:] + ".")
    verb.add_argument("words", nargs="*", metavar="VERB", help="a verb, and the verbs below it")
    verb.set_defaults(func=_print_help)


def _print_help(options: argparse.Namespace) -> int:
    from kronkeep_tui.cli.main import build_parser

    parser = build_parser(options.words[0] if options.words else None)
    for word in options.words:
        by_name = {command.name: command.parser for command in list_commands(parser)}
        if word not in by_name:
            message = f"`{parser.prog}` has no verb {clean(repr(word), 60)}."
            words = parser.prog.removeprefix("kronkeep ")
            below = suggest_name(word, by_name) if by_name else f"It has none: kronkeep help {words}."
            raise InvalidRequest(message, next_step=below, field="verb")
        parser = by_name[word]
    sys.stdout.write(parser.format_help())
    return 0
