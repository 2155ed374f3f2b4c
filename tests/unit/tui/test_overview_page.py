"""The panes of the Overview: how high each is at which size."""

from hypothesis import given
from hypothesis import strategies as st

from kronkeep_tui.pages.overview import COCKPIT, LEAST_NIGHT, WITH_NIGHT, PaneHeights, fit_panes


def test_narrow_screens_have_no_night_and_wide_ones_a_cockpit() -> None:
    assert fit_panes(80, 19, 5, 18) == PaneHeights(alerts=5, night=0, whole=5)
    assert fit_panes(130, 35, 5, 18) == PaneHeights(alerts=5, night=14, whole=19)
    assert fit_panes(120, 19, 5, 18) == PaneHeights(alerts=5, night=6, whole=11)
    assert fit_panes(200, 45, 5, 18) == PaneHeights(alerts=18, night=18, whole=18)
    assert fit_panes(200, 45, 5, 18, own=10) == PaneHeights(alerts=10, night=10, whole=10)


@given(st.integers(20, 400), st.integers(8, 120), st.integers(2, 300), st.integers(2, 2000))
def test_the_panes_leave_lines_for_the_rest(columns: int, lines: int, alerts: int, night: int) -> None:
    heights = fit_panes(columns, lines, alerts, night)
    assert heights.whole <= max(4, lines * 4 // 5)
    assert heights.night == 0 or columns >= WITH_NIGHT
    assert heights.night == 0 or columns >= COCKPIT or heights.night >= LEAST_NIGHT
