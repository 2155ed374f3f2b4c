"""Which rounds of the tests `tests/steady` has run, which were green, and which are still to come; pure."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

MODULES = ("ui", "integration", "e2e")
WHOLE = "all"  # every test, the modules' too
FAULTS = ("FAILED ", "ERROR ")  # begin the lines of pytest's summary
TESTS_FAILED = 1  # pytest's exit code; others than this and 0 tell of no test


class Round(NamedTuple):
    """A round that has ended.

    commit: what was tested. groups: the folders of tests that ran, or WHOLE. red: those of MODULES and WHOLE
    in which a test failed. seconds: how long it took.
    """

    commit: str
    groups: tuple[str, ...]
    red: tuple[str, ...]
    seconds: int

    def covers(self, group: str) -> bool:
        """Whether the group's tests ran in it; a round of the whole suite is one of each module."""
        return group in self.groups or WHOLE in self.groups


def parse_rounds(lines: Iterable[str], commits: Iterable[str]) -> list[Round]:
    """Return the recorded rounds of those commits."""
    counted = set(commits)
    rounds = [json.loads(line) for line in lines]
    return [
        Round(each["commit"], tuple(each["groups"]), tuple(each["red"]), each["seconds"])
        for each in rounds
        if each["commit"] in counted
    ]


def format_round(ended: Round) -> str:
    """Return the line that records a round."""
    return json.dumps(ended._asdict())


def count_green(rounds: Iterable[Round], group: str) -> int:
    """Return how many rounds of a group were green."""
    return sum(each.covers(group) and group not in each.red for each in rounds)


def count_red(rounds: Iterable[Round], group: str) -> int:
    """Return how many rounds of a group were red."""
    return sum(each.covers(group) and group in each.red for each in rounds)


def choose_groups(wanted: Mapping[str, int], rounds: Sequence[Round]) -> tuple[str, ...]:
    """Return the groups of the next round, empty where all have run as often as is wanted.

    The whole suite comes first, as its rounds count for the modules; then all modules that lack rounds run
    in one, side by side.
    """
    missing = [
        group for group, number in wanted.items() if number > sum(each.covers(group) for each in rounds)
    ]
    return (WHOLE,) if WHOLE in missing else tuple(missing)


def find_red(groups: Sequence[str], code: int, output: str) -> tuple[str, ...]:
    """Return the groups that were red in a run of pytest with that exit code and output."""
    if code == 0:
        return ()
    ran = (*MODULES, WHOLE) if WHOLE in groups else tuple(groups)
    paths = [
        line.removeprefix(fault).split("::")[0]
        for line in output.splitlines()
        for fault in FAULTS
        if line.startswith(f"{fault}tests/")
    ]
    if code != TESTS_FAILED or not paths:
        return ran
    return tuple(
        group for group in ran if group == WHOLE or any(path.startswith(f"tests/{group}/") for path in paths)
    )
