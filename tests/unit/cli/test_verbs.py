"""Each verb's module is found by the verb alone."""

import re

import pytest

from kronkeep_tui.cli.main import VERB_MODULES, build_parser

VERBS = sorted(name for row in VERB_MODULES for name in row.verbs)


def verbs_of(only: str | None) -> set[str]:
    """The verbs in the help of a parser, which stand in its lines that begin with four spaces."""
    return set(re.findall(r"^ {4}(\S+)", build_parser(only).format_help(), re.MULTILINE))


def test_the_table_names_every_verb() -> None:
    assert verbs_of(None) == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_brings_itself_along(verb: str) -> None:
    assert verb in verbs_of(verb)
