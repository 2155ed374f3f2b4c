"""Places, ways and their history."""

from hypothesis import given
from hypothesis import strategies as st

from kronkeep_tui.navigation import KEPT, Navigation, Place

JOBS = Place("jobs")
RUNS = Place("runs", "c1")
RUN = Place("run", "r1")


def test_in_and_out_again() -> None:
    navigation = Navigation(JOBS)
    navigation.enter(RUNS)
    navigation.enter(RUN)
    assert navigation.way == (JOBS, RUNS, RUN)
    assert navigation.out()
    assert navigation.out()
    assert navigation.place == JOBS
    assert not navigation.out()


def test_history_goes_back_and_forward_and_swaps() -> None:
    navigation = Navigation(JOBS)
    navigation.enter(RUNS)
    navigation.go((Place("alerts"),))
    assert navigation.step(-1)
    assert navigation.way == (JOBS, RUNS)
    assert navigation.step(1)
    assert navigation.place == Place("alerts")
    assert not navigation.step(1)
    assert navigation.swap()
    assert navigation.way == (JOBS, RUNS)
    assert navigation.swap()
    assert navigation.place == Place("alerts")


@given(st.lists(st.sampled_from(["in", "out", "back", "forward", "swap", "tab", "beside"]), max_size=200))
def test_no_walk_leads_nowhere_or_grows_without_end(steps: list[str]) -> None:
    navigation = Navigation(JOBS)
    for number, step in enumerate(steps):
        place = Place("run", str(number % 7))
        {
            "in": lambda place=place: navigation.enter(place),
            "out": navigation.out,
            "back": lambda: navigation.step(-1),
            "forward": lambda: navigation.step(1),
            "swap": navigation.swap,
            "tab": lambda: navigation.go((Place("alerts"),)),
            "beside": lambda place=place: navigation.instead(place),
        }[step]()
        assert navigation.way
        assert len(navigation._ways) <= KEPT
