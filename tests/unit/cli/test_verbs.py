"""Each verb's module is found by the verb alone."""

import re

import pytest

from kronkeep_tui.cli.main import EXIT_INPUT, VERB_MODULES, build_parser, main

VERBS = sorted(name for row in VERB_MODULES for name in row.verbs)


def verbs_of(only: str | None) -> set[str]:
    """The verbs in the help of a parser, which stand in its lines that begin with four spaces."""
    return set(re.findall(r"^ {4}(\S+)", build_parser(only).format_help(), re.MULTILINE))


def test_the_table_names_every_verb() -> None:
    assert verbs_of(None) == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_brings_itself_along(verb: str) -> None:
    assert verb in verbs_of(verb)


@pytest.mark.parametrize("verb", [*VERBS, "storage create s3", "schedule check"])
def test_help_is_that_of_the_verb(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", *verb.split()]) == 0
    assert capsys.readouterr().out.startswith(("usage: kronkeep " + verb + " ", "usage: kronkeep create (-f"))


def test_help_of_an_unknown_verb_names_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "storage", "paint"]) == EXIT_INPUT
    said = capsys.readouterr().err
    assert "`kronkeep storage` has no verb 'paint'" in said
    assert "prune" in said


def test_help_alone_is_that_of_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help"]) == 0
    assert "VERB" in capsys.readouterr().out
