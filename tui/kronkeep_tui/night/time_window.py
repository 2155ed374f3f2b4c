"""The part of time that is shown: from seconds since 1970 to columns, zoom, scroll and labels."""

from datetime import datetime, tzinfo
from math import ceil, floor
from typing import NamedTuple

STEPS = (10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)  # seconds of a column
SHORTEST = 12 * 3600  # seconds of the window that is shown first, at least
LONGEST = 8 * 86400  # seconds that a window spans at most, as the API allows no more
NOW_SHARE = 0.75  # of the width lies before now when a window is placed
LATEST_SHARE = 0.88  # of the width: once now has passed it, a window that follows moves on
LABEL_CELLS = 8  # `03:00` and the space behind it
INTERVALS = (60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)  # between two labels
QUARTER = 900  # seconds: offsets of zones are multiples of it
DAY = 86400


class TimeWindow(NamedTuple):
    """Columns of `step` seconds each; the first begins at `begin`, a multiple of `step`."""

    begin: int
    step: int
    columns: int

    @property
    def end(self) -> int:
        """When the last column ends."""
        return self.begin + self.step * self.columns

    def position(self, moment: float) -> float:
        """Return where a moment lies, in columns; below 0 or beyond the last one outside the window."""
        return (moment - self.begin) / self.step

    def contains(self, moment: float) -> bool:
        """Whether a moment lies in the window."""
        return self.begin <= moment < self.end


class Tick(NamedTuple):
    """A label that begins at a column."""

    column: int
    label: str


def steps_for(columns: int) -> list[int]:
    """Return the seconds that a column may have, so that the window is not longer than LONGEST."""
    return [step for step in STEPS if step * columns <= LONGEST] or [STEPS[0]]


def first_step(columns: int) -> int:
    """Return the seconds of a column of the window that is shown first."""
    allowed = steps_for(columns)
    return next((step for step in allowed if step * columns >= SHORTEST), allowed[-1])


def place_window(now: float, columns: int, step: int | None = None) -> TimeWindow:
    """Return the window with now at NOW_SHARE of its width."""
    columns = max(1, columns)
    step = step or first_step(columns)
    return TimeWindow((floor(now / step) - int(columns * NOW_SHARE)) * step, step, columns)


def follow_now(window: TimeWindow, now: float) -> TimeWindow:
    """Return the window, moved to now where that is near its end or not in it."""
    is_in_sight = 0 <= window.position(now) <= window.columns * LATEST_SHARE
    return window if is_in_sight else place_window(now, window.columns, window.step)


def with_columns(window: TimeWindow, columns: int) -> TimeWindow:
    """Return the window with another number of columns; its end stays near where it was."""
    columns = max(1, columns)
    step = max((each for each in steps_for(columns) if each <= window.step), default=STEPS[0])
    begin = window.begin + (window.columns * window.step - columns * step) * 3 // 4
    return TimeWindow(begin // step * step, step, columns)


def zoom(window: TimeWindow, steps: int, around: float) -> TimeWindow:
    """Return the window zoomed in by a number of steps (out: below 0); `around` stays in its column."""
    allowed = steps_for(window.columns)
    at = allowed.index(window.step) if window.step in allowed else len(allowed) - 1
    step = allowed[max(0, min(len(allowed) - 1, at - steps))]
    column = max(0, min(window.columns - 1, floor(window.position(around))))
    return TimeWindow((floor(around / step) - column) * step, step, window.columns)


def scroll(window: TimeWindow, columns: int) -> TimeWindow:
    """Return the window moved to later columns, or to earlier ones."""
    return window._replace(begin=window.begin + columns * window.step)


def scroll_to(window: TimeWindow, moment: float) -> TimeWindow:
    """Return the window, moved by halves of its width until it contains a moment."""
    half = max(1, window.columns // 2)
    position = window.position(moment)
    if position < 0:
        return scroll(window, -half * ceil(-position / half))
    if position >= window.columns:
        return scroll(window, half * (floor((position - window.columns) / half) + 1))
    return window


def list_ticks(window: TimeWindow, zone: tzinfo | None) -> list[Tick]:
    """Return labels with clock times of a zone, with the date at midnight; no two touch."""
    interval = next((each for each in INTERVALS if each / window.step >= LABEL_CELLS), DAY)
    grid = min(interval, QUARTER)
    ticks: list[Tick] = []
    free_from = 0
    for moment in range(ceil(window.begin / grid) * grid, window.end, grid):
        local = datetime.fromtimestamp(moment, zone)
        minute = local.hour * 60 + local.minute
        column = floor(window.position(moment))
        if minute * 60 % interval or column < free_from:
            continue
        label = f"{local:%H:%M}" if minute else f"{local:%a %d}"
        ticks.append(Tick(column, label))
        free_from = column + len(label) + 1
    return ticks
