"""The tests that tests/README.md names: each exists, and says whether it was seen to fail."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).parents[1]
README = TESTS / "README.md"
QUOTED = re.compile(r"`([^`]+)`")


class NamedTest(NamedTuple):
    """A file of tests below `tests` and a test in it; the name is empty where all of the file is meant."""

    path: str
    name: str


def named_tests(row: str) -> Iterator[NamedTest]:
    """Yield what a row names; `::test_x` alone is of the file named last, a name in brackets is a case."""
    path = ""
    for quoted in QUOTED.findall(row):
        file, separator, name = quoted.partition("::")
        path = file or path
        if separator or re.search(r"(^|/)test_\w+\.py$", file):
            yield NamedTest(path, name.partition("[")[0])


def exists(test: NamedTest) -> bool:
    files = [TESTS / test.path] if "/" in test.path else list(TESTS.rglob(test.path))
    pattern = rf"^ *(async )?def {re.escape(test.name)}\("
    return any(
        file.is_file() and (not test.name or re.search(pattern, file.read_text(), re.MULTILINE))
        for file in files
    )


def rows() -> list[str]:
    return [line for line in README.read_text().splitlines() if line.startswith("|")]


def test_every_test_that_is_named_exists() -> None:
    named = [test for row in rows() for test in named_tests(row)]
    assert len(named) > 300
    assert [test for test in named if not exists(test)] == []


def test_names_that_do_not_exist_are_noticed() -> None:
    row = (
        "| `unit/test_named_tests.py::test_no`, `::test_names_that_do_not_exist_are_noticed`, `test_no.py` |"
    )
    assert [exists(test) for test in named_tests(row)] == [False, True, False]
