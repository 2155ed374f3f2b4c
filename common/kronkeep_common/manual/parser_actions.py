"""What a parser of argparse takes; argparse itself has no public way to list it."""

import argparse
from typing import NamedTuple


class Command(NamedTuple):
    """A command of a parser: its name, its one line of help, its own parser."""

    name: str
    summary: str
    parser: argparse.ArgumentParser


def list_actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Return the options and arguments of a parser in their order, without its commands."""
    return [action for action in parser._actions if not isinstance(action, argparse._SubParsersAction)]


def list_commands(parser: argparse.ArgumentParser) -> list[Command]:
    """Return the commands of a parser in their order; none where it has none."""
    commands = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            summaries = {row.dest: row.help or "" for row in action._choices_actions}
            commands += [
                Command(name, summaries.get(name, ""), sub_parser)
                for name, sub_parser in action.choices.items()
            ]
    return commands
