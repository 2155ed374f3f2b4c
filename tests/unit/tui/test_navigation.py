"""Places, ways and their history."""

from collections.abc import Callable
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from kronkeep_tui.navigation import MOST_PATHS, Navigation, Place

JOBS = Place("jobs")
RUNS = Place("runs", "c1")
RUN = Place("run", "r1")


def test_in_and_out_again() -> None:
    navigation = Navigation(JOBS)
    navigation.enter(RUNS)
    navigation.enter(RUN)
    assert navigation.path == (JOBS, RUNS, RUN)
    assert navigation.leave()
    assert navigation.leave()
    assert navigation.place == JOBS
    assert not navigation.leave()


def test_history_goes_back_and_forward_and_swaps() -> None:
    navigation = Navigation(JOBS)
    navigation.enter(RUNS)
    navigation.go((Place("alerts"),))
    assert navigation.step_history(-1)
    assert navigation.path == (JOBS, RUNS)
    assert navigation.step_history(1)
    assert navigation.place == Place("alerts")
    assert not navigation.step_history(1)
    assert navigation.toggle_previous()
    assert navigation.path == (JOBS, RUNS)
    assert navigation.toggle_previous()
    assert navigation.place == Place("alerts")


@given(st.lists(st.sampled_from(["in", "out", "back", "forward", "swap", "tab", "beside"]), max_size=200))
def test_no_walk_leads_nowhere_or_grows_without_end(steps: list[str]) -> None:
    navigation = Navigation(JOBS)
    for number, step in enumerate(steps):
        place = Place("run", str(number % 7))
        moves: dict[str, Callable[[], object]] = {
            "in": partial(navigation.enter, place),
            "out": navigation.leave,
            "back": lambda: navigation.step_history(-1),
            "forward": lambda: navigation.step_history(1),
            "swap": navigation.toggle_previous,
            "tab": lambda: navigation.go((Place("alerts"),)),
            "beside": partial(navigation.replace, place),
        }
        moves[step]()
        assert navigation.path
        assert len(navigation._history) <= MOST_PATHS
