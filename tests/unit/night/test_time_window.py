"""Time to columns, zoom, scroll and labels, over any window and in zones whose clocks change."""

from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kronkeep_tui.night.time_window import (
    LONGEST,
    SHORTEST,
    STEPS,
    TimeWindow,
    first_step,
    follow_now,
    list_ticks,
    place_window,
    scroll,
    scroll_to,
    steps_for,
    with_columns,
    zoom,
)

moments = st.integers(min_value=0, max_value=4 * 10**9)
widths = st.integers(min_value=1, max_value=500)


@st.composite
def windows(draw: st.DrawFn) -> TimeWindow:
    columns = draw(widths)
    step = draw(st.sampled_from(steps_for(columns)))
    return TimeWindow(draw(moments) // step * step, step, columns)


@given(moments, widths)
def test_a_placed_window_has_now_at_three_quarters_and_whole_columns(now: int, columns: int) -> None:
    window = place_window(now, columns)
    assert window.begin % window.step == 0
    assert window.step * columns <= LONGEST
    assert abs(window.position(now) - 0.75 * columns) <= 1
    assert 0 <= window.position(now) < columns
    assert window.step * columns >= SHORTEST or first_step(columns) == steps_for(columns)[-1]


@given(windows(), st.integers(-12, 12), moments)
def test_zooming_keeps_what_it_is_around_in_its_column(window: TimeWindow, steps: int, around: int) -> None:
    zoomed = zoom(window, steps, around)
    assert zoomed.columns == window.columns
    assert zoomed.step in steps_for(window.columns)
    assert (zoomed.step <= window.step) if steps >= 0 else (zoomed.step >= window.step)
    if window.contains(around):
        assert int(zoomed.position(around)) == int(window.position(around))


@given(windows(), moments)
def test_scrolling_to_a_moment_reaches_it_by_halves(window: TimeWindow, moment: int) -> None:
    moved = scroll_to(window, moment)
    if window.columns > 1:
        assert moved.contains(moment)
    assert (moved.begin - window.begin) % (max(1, window.columns // 2) * window.step) == 0
    assert scroll(scroll(window, 7), -7) == window


@given(windows(), moments)
def test_a_window_follows_now_only_when_it_comes_near_the_end(window: TimeWindow, now: int) -> None:
    followed = follow_now(window, now)
    assert followed == window or abs(followed.position(now) - 0.75 * followed.columns) <= 1
    assert follow_now(followed, now) == followed
    assert 0 <= followed.position(now) <= followed.columns


@given(windows(), widths)
def test_another_width_keeps_whole_columns(window: TimeWindow, columns: int) -> None:
    fitted = with_columns(window, columns)
    assert (fitted.columns, fitted.begin % fitted.step) == (columns, 0)
    assert fitted.step * columns <= LONGEST


@given(windows(), st.sampled_from(["UTC", "Asia/Kolkata", "America/St_Johns", "Australia/Lord_Howe"]))
def test_labels_stand_at_their_time_and_never_touch(window: TimeWindow, zone: str) -> None:
    ticks = list_ticks(window, ZoneInfo(zone))
    for tick in ticks:
        moment = datetime.fromtimestamp(window.begin + tick.column * window.step, ZoneInfo(zone))
        seconds = (moment.hour * 60 + moment.minute) * 60 + moment.second
        label = tick.label
        if ":" in label:
            wanted = int(label[:2]) * 3600 + int(label[3:]) * 60
            assert 0 <= wanted - seconds < window.step or wanted - seconds < 0 < window.step
        assert 0 <= tick.column < window.columns
    assert all(one.column + len(one.label) < two.column for one, two in pairwise(ticks))


def labels(begin: datetime, zone: str, hours: int = 8) -> list[str]:
    step = 300
    window = TimeWindow(int(begin.timestamp()) // step * step, step, hours * 3600 // step)
    return [tick.label for tick in list_ticks(window, ZoneInfo(zone))]


@pytest.mark.parametrize(
    ("begin", "zone", "expected"),
    [
        (
            datetime(2026, 3, 28, 22, tzinfo=UTC),  # clocks go forward at 02:00, 01:00 UTC
            "Europe/Berlin",
            ["23:00", "Sun 29", "01:00", "03:00", "04:00", "05:00", "06:00", "07:00"],
        ),
        (
            datetime(2026, 10, 24, 21, tzinfo=UTC),  # clocks go back at 03:00, 01:00 UTC
            "Europe/Berlin",
            ["23:00", "Sun 25", "01:00", "02:00", "02:00", "03:00", "04:00", "05:00"],
        ),
        (
            datetime(2026, 4, 4, 12, tzinfo=UTC),  # by half an hour, at 02:00 of Lord Howe's summer time
            "Australia/Lord_Howe",
            ["23:00", "Sun 05", "01:00", "02:00", "03:00", "04:00", "05:00", "06:00"],
        ),
        (
            datetime(2026, 11, 24, 18, tzinfo=UTC),
            "Asia/Kolkata",
            ["Wed 25", "01:00", "02:00", "03:00", "04:00", "05:00", "06:00", "07:00"],
        ),
    ],
    ids=["spring", "autumn", "half an hour", "offset of half an hour"],
)
def test_nights_in_which_clocks_change(begin: datetime, zone: str, expected: list[str]) -> None:
    assert labels(begin, zone) == expected


def test_every_step_has_room_for_labels() -> None:
    for step in STEPS:
        window = TimeWindow(0, step, 150)
        ticks = list_ticks(window, UTC)
        assert 1 <= len(ticks) <= 150 // 6, step
