"""The shape of the code: short files and functions, plain names and docstrings, no circles of imports."""

import re
import statistics

import pytest
from tests.code_figures import (
    COUNTS,
    PACKAGES,
    ROOT,
    Source,
    functions,
    import_circles,
    list_modules,
    read_sources,
)

LONGEST_FILE = 500
MEDIAN_FUNCTION = 10
VAGUE_MODULES = {"utils", "util", "helpers", "helper", "misc", "manager", "managers", "core", "base_service"}

# How many places each figure may have; what is not listed may have none.
ALLOWED = {
    "functions with a local called found or wanted": 5,
    "parallel assignments": 5,
    "lambdas": 60,
    "private members of other objects": 5,
}
PARTICIPLES = "functions whose name begins with a participle"
PARTICIPLE_SHARE = 0.01


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    return read_sources(*PACKAGES)


def test_no_file_is_long() -> None:
    modules = list_modules(*PACKAGES, "tests", "benchmarks")
    counted = {path: path.read_text().count("\n") for path in modules}
    assert {str(path): lines for path, lines in counted.items() if lines > LONGEST_FILE} == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_half_of_the_functions_have_ten_lines_or_fewer(package: str, sources: list[Source]) -> None:
    inside = [source for source in sources if source.path.is_relative_to(ROOT / package)]
    lengths = [(node.end_lineno or 0) - node.lineno + 1 for _, node in functions(inside)]
    assert statistics.median(lengths) <= MEDIAN_FUNCTION


def test_no_module_has_a_vague_name(sources: list[Source]) -> None:
    names = {source.path.stem for source in sources} | {source.path.parent.name for source in sources}
    assert names & VAGUE_MODULES == set()


def test_hardly_any_function_is_named_after_a_participle(sources: list[Source]) -> None:
    allowed = int(PARTICIPLE_SHARE * sum(1 for _ in functions(sources)))
    places = COUNTS[PARTICIPLES](sources)
    assert len(places) <= allowed, list(map(str, places))


@pytest.mark.parametrize("figure", [name for name in COUNTS if name != PARTICIPLES])
def test_figures_stay_within_their_limits(figure: str, sources: list[Source]) -> None:
    places = COUNTS[figure](sources)
    assert len(places) <= ALLOWED.get(figure, 0), list(map(str, places))


def test_what_tests_share_is_in_modules_that_are_no_tests() -> None:
    modules = list_modules("tests", "benchmarks")
    imports = re.compile(
        r"^\s*(?:from tests\.(?:\w+\.)*test_\w+ import|from tests[\w.]* import test_)", re.MULTILINE
    )
    assert [str(path) for path in modules if imports.search(path.read_text())] == []


def test_names_of_tests_have_no_private_words() -> None:
    modules = list_modules("tests")
    private = re.compile(r"def (test_\w*(?:heard|anew|told(?!_apart|_from|_to\b|_to_wait))\w*)\(")
    assert [name for path in modules for name in private.findall(path.read_text())] == []


def test_no_modules_import_each_other_in_a_circle(sources: list[Source]) -> None:
    assert import_circles(sources) == []
