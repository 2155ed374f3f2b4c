"""The shape of the code: short files, short functions, folder names that say what is inside."""

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("common", "daemon", "tui")
LONGEST_FILE = 500
MEDIAN_FUNCTION = 10
VAGUE = {"utils", "util", "helpers", "helper", "misc", "manager", "managers", "core", "base_service"}


def files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def lengths(room: str) -> list[int]:
    """Lines of each function, from its `def` to its end, docstring and all."""
    found = []
    for path in files(room):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found.append((node.end_lineno or node.lineno) - node.lineno + 1)
    return found


def test_no_file_is_long() -> None:
    counted = {path: len(path.read_text().splitlines()) for path in files(*ROOMS, "tests", "benchmarks")}
    assert {str(path): lines for path, lines in counted.items() if lines > LONGEST_FILE} == {}


@pytest.mark.parametrize("room", ROOMS)
def test_half_of_the_functions_have_ten_lines_or_fewer(room: str) -> None:
    assert statistics.median(lengths(room)) <= MEDIAN_FUNCTION


def test_no_module_is_a_drawer() -> None:
    named = {path.stem for path in files(*ROOMS)} | {path.parent.name for path in files(*ROOMS)}
    assert named & VAGUE == set()
