"""Files of tests that wait and files of tests that work alternate, and what is left for the end is short."""

from itertools import pairwise
from pathlib import Path

from tests.file_order import LONGEST, group_of, order_files

ROOT = Path(__file__).parents[2]

WAITING = {f"tests/e2e/test_{number:02}.py": 2 for number in range(10)}
WORKING = {f"tests/ui/test_{number:03}.py": 2 for number in range(40)}
LONG_UNITS = {f"tests/unit/test_long_{number}.py": 85 for number in range(5)}
SHORT = {f"tests/unit/test_short_{number}.py": 9 for number in range(20)}
EVERY = WAITING | SHORT | WORKING | LONG_UNITS


def test_every_file_is_there_once_and_each_kind_keeps_its_order() -> None:
    ordered = order_files(EVERY)
    assert sorted(ordered) == sorted(EVERY)
    for kind in (WAITING, WORKING | LONG_UNITS, SHORT):
        assert [file for file in ordered if file in kind] == list(kind)


def test_no_worker_finds_two_that_wait_in_a_row_and_the_first_is_one() -> None:
    ordered = order_files(EVERY)
    assert ordered[0] in WAITING
    assert not any(before in WAITING and after in WAITING for before, after in pairwise(ordered))


def test_the_longest_come_first_of_those_that_wait() -> None:
    assert all((ROOT / file).exists() for file in LONGEST)
    waiting = WAITING | dict.fromkeys(reversed(LONGEST), 3)
    ordered = order_files(waiting | WORKING)
    assert [file for file in ordered if file in waiting] == [*LONGEST, *WAITING]


def test_some_that_work_are_left_when_the_last_that_waits_begins() -> None:
    ordered = order_files(WAITING | WORKING)
    assert len(ordered) - ordered.index(list(WAITING)[-1]) > len(WORKING) / 8


def test_short_ones_come_when_nothing_else_is_left() -> None:
    assert order_files(EVERY)[-len(SHORT) :] == list(SHORT)


def test_one_kind_alone_stays_as_it_is() -> None:
    for kind in (WAITING, WORKING, SHORT, {}):
        assert order_files(kind) == list(kind)


def test_a_worker_takes_a_file_and_the_attacks_count_as_one() -> None:
    assert group_of("tests/unit/test_a.py::TestB::test_c[d::e]") == "tests/unit/test_a.py"
    assert group_of("tests/e2e/attacks/test_floods.py::test_a") == "tests/e2e/attacks"
    assert group_of("tests/e2e/test_attacks.py::test_a") == "tests/e2e/test_attacks.py"
