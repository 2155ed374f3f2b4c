"""The tree of errors: each code is one thing that is raised, with what to do, unknown ones as well."""

import re
from collections import Counter
from pathlib import Path

import pytest

from kronkeep_common import error_codes, errors
from kronkeep_daemon.http import reference  # with it every class is loaded

ROOT = Path(__file__).parents[3]
FAMILIES = {"NotFound", "Unavailable"}
DOCUMENTED = [kind for kind in error_codes.all_errors() if kind.__doc__]


def test_every_code_is_raised_somewhere() -> None:
    rooms = [ROOT / room for room in ("common", "daemon", "tui")]
    text = "\n".join(path.read_text() for room in rooms for path in room.rglob("*.py"))
    uses = Counter(re.findall(r"(?<!class )\b([A-Z]\w+)\(|\d: ([A-Z]\w+),", text))
    made = {name for pair in uses for name in pair if name}
    by_reason = {"AlreadyExists", "ClusterRefused"}  # kube.errors.response_error chooses these
    assert {kind.__name__ for kind in DOCUMENTED} - made - by_reason - FAMILIES == set()
    refusals = reference.page(()).partition("## Refusals")[2].partition("## Reasons")[0]
    assert refusals.count("\n| `") == len({kind.code for kind in DOCUMENTED}) - len(FAMILIES)


def test_one_code_for_one_thing_and_one_thing_for_one_code() -> None:
    own = Counter(kind.code for kind in DOCUMENTED if "code" in vars(kind))
    assert [code for code, count in own.items() if count > 1] == []
    assert [kind.code for kind in DOCUMENTED if "code" in vars(kind) and kind.code != kind.__name__] == []


def test_each_says_what_to_do() -> None:
    general = {errors.Internal, errors.KronkeepError}
    log = errors.KronkeepError.default_next_step
    assert {kind for kind in DOCUMENTED if kind.default_next_step == log} <= general


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("NameTaken", 409, errors.NameTaken),
        ("FromLater", 422, errors.InvalidRequest),
        ("FromLater", 404, errors.NotFound),
        ("FromLater", 500, errors.KronkeepError),
    ],
)
def test_a_code_that_this_side_does_not_know_stays_what_it_is(
    code: str, status: int, kind: type[errors.KronkeepError]
) -> None:
    error_class = error_codes.error_of_code(
        code + ("" if code == "NameTaken" else str(status)), status, retryable=True
    )
    assert issubclass(error_class, kind)
    assert error_class.code.startswith(code)
    assert error_class.status == status
