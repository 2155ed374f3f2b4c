"""Plots: columns as high as their numbers, a scale, and never more lines or cells than there are."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from tests.ui.canned import NOW

from kronkeep_common.text import duration
from kronkeep_tui.pages.plots import AXIS, Point, axis, plot
from kronkeep_tui.widgets.cells import plain

VALUES = st.lists(st.one_of(st.none(), st.floats(0, 1e7)), min_size=1, max_size=60)


@given(VALUES, st.integers(2, 6))
def test_every_line_has_a_cell_for_each_run(values: list[float | None], rows: int) -> None:
    lines = plot([Point(value) for value in values], rows, duration)
    assert len(lines) == rows
    assert {cell_len(plain(line)) for line in lines} == {AXIS + 1 + len(values)}


def test_the_largest_reaches_the_top_the_least_is_seen_and_none_is_a_dot() -> None:
    lines = [plain(line)[AXIS + 1 :] for line in plot([Point(v) for v in (8, 4, 0.01, None)], 2, duration)]
    assert lines == ["█   ", "██▁·"]


def test_the_scale_has_the_largest_above_and_nothing_below() -> None:
    lines = plot([Point(600.0), Point(300.0)], 4, duration)
    assert [plain(line)[: AXIS + 1].strip() for line in lines] == ["10m00s", "", "", "0"]


def test_the_axis_has_dates_or_times() -> None:
    assert plain(axis(NOW - timedelta(days=30), NOW, 30)).split() == ["25", "Oct", "24", "Nov"]
    assert plain(axis(NOW - timedelta(hours=3), NOW, 30)).split() == ["00:14Z", "03:14Z"]
    assert cell_len(plain(axis(NOW - timedelta(days=30), NOW, 3))) == AXIS + 1 + 6
