"""What the doctor says of each kind of sink."""

import pytest
from tests.records import RUN

from kronkeep_common.api import SinkStatus, SinkView
from kronkeep_daemon.doctor.sink_checks import check_sink


@pytest.mark.parametrize(
    ("kind", "status", "words"),
    [
        ("postgres", "live", "every change up to 7"),
        ("postgres", "copying", "the whole history: 3 records"),
        ("parquet", "live", "every month that is sealed"),
        ("parquet", "copying", "the months that are sealed: 3 records"),
    ],
)
def test_a_sink_that_works_says_what_it_has(kind: str, status: SinkStatus, words: str) -> None:
    sequence = 7 if kind == "postgres" else None
    view = SinkView(name="a", kind=kind, status=status, since=RUN.created_at, sequence=sequence, copied=3)
    check = check_sink(view)
    assert (check.status, words in check.message) == ("ok", True)


@pytest.mark.parametrize("kind", ["postgres", "parquet"])
def test_a_sink_that_takes_nothing_fails_with_its_next_step(kind: str) -> None:
    view = SinkView(
        name="a", kind=kind, status="failed", since=RUN.created_at, message="Broken.", next_step="Mend it."
    )
    check = check_sink(view)
    assert (check.status, check.message, check.next_step) == ("fail", "Broken.", "Mend it.")
