"""What `make steady` counts: rounds of one commit, green and red, and what comes next."""

from tests.steady_rounds import (
    Round,
    choose_groups,
    count_green,
    count_red,
    find_red,
    format_round,
    parse_rounds,
)

WANTED = {"all": 2, "ui": 3, "e2e": 4}


def whole(*red: str) -> Round:
    return Round(commit="a", groups=("all",), red=red, seconds=1)


def test_the_whole_suite_comes_first_and_counts_for_the_modules_which_then_run_side_by_side() -> None:
    assert choose_groups(WANTED, []) == ("all",)
    assert choose_groups(WANTED, [whole(), whole()]) == ("ui", "e2e")
    side_by_side = Round(commit="a", groups=("ui", "e2e"), red=("e2e",), seconds=1)
    rounds = [whole(), whole("all", "ui"), side_by_side]
    assert choose_groups(WANTED, rounds) == ("e2e",)
    assert [count_green(rounds, group) for group in WANTED] == [1, 2, 2]
    assert [count_red(rounds, group) for group in WANTED] == [1, 1, 1]
    assert choose_groups(WANTED, [*rounds, Round("a", ("e2e",), (), 1)]) == ()


def test_rounds_are_read_back_but_those_of_other_commits() -> None:
    rounds = [whole("all"), Round(commit="b", groups=("ui",), red=(), seconds=2)]
    lines = [format_round(each) for each in rounds]
    assert parse_rounds(lines, ["a", "c"]) == rounds[:1]
    assert parse_rounds(lines, ["a", "b"]) == rounds


def test_a_group_is_red_where_one_of_its_tests_failed_and_all_are_where_pytest_itself_did() -> None:
    output = "....\nFAILED tests/e2e/test_a.py::test_x[1-2] - AssertionError\nERROR tests/unit/test_b.py\n"
    assert find_red(("all",), 1, output) == ("e2e", "all")
    assert find_red(("ui", "e2e"), 1, output) == ("e2e",)
    assert find_red(("ui", "e2e"), 0, "") == ()
    assert find_red(("ui", "e2e"), 2, output) == ("ui", "e2e")
    assert find_red(("ui",), 1, "Terminated") == ("ui",)
