"""Help fits on a screen of 80 columns, and says all that it said."""

import argparse
from collections.abc import Iterator

import pytest

from kronkeep_common.manual.help_formatter import HelpFormatter
from kronkeep_common.manual.parser_actions import list_actions, list_commands
from kronkeep_daemon import command_line
from kronkeep_tui.cli.main import build_parser

PARSERS = {"kronkeep": build_parser, "kronkeepd": command_line.parser}


def parsers_below(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for command in list_commands(parser):
        yield from parsers_below(command.parser)


@pytest.mark.parametrize("program", PARSERS)
@pytest.mark.parametrize("columns", [80, 100])
def test_no_line_of_any_help_is_wider_than_the_screen(
    program: str, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    wide = [
        f"{parser.prog}: {line}"
        for parser in parsers_below(PARSERS[program]())
        for line in parser.format_help().splitlines()
        if len(line) > columns
    ]
    assert wide == []


@pytest.mark.parametrize("program", PARSERS)
def test_every_argument_says_what_it_is(program: str) -> None:
    silent = [
        f"{parser.prog} {action.dest}"
        for parser in parsers_below(PARSERS[program]())
        for action in list_actions(parser)
        if not action.help
    ]
    assert silent == []


def test_a_text_is_wrapped_and_its_indented_lines_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    parser = argparse.ArgumentParser(
        prog="p",
        description="words " * 20 + "\nmore\n\n  kept    as it is\nand on",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("-o", "--output", choices=("table", "json"))
    lines = parser.format_help().splitlines()
    assert "  kept    as it is" in lines
    assert "and on" in lines
    assert max(map(len, lines)) <= 40
    assert "  -o, --output {table,json}" in lines


def test_a_usage_that_is_wider_than_the_screen_keeps_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    usage = (
        "%(prog)s (-f FILE | NAME --image IMAGE --schedule CRON | NAME --storage ID) [options] [-- WORD ...]"
    )
    parser = argparse.ArgumentParser(prog="program", usage=usage, formatter_class=HelpFormatter)
    shown = parser.format_usage()
    assert max(map(len, shown.splitlines())) <= 40
    assert " ".join(shown.split()) == "usage: " + usage % {"prog": "program"}
