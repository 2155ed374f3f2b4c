"""Plots of blocks with their scale, a column a run: pure functions from numbers to lines."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from kronkeep_tui.pages.status_words import BLOCKS
from kronkeep_tui.widgets.cells import Drawn, Span, Text

AXIS = 10  # cells of the scale left of a plot: `  41.2 GiB`
SHORT_SPAN = timedelta(hours=36)  # below it the axis has times and no dates
EIGHTHS = len(BLOCKS)


class Point(NamedTuple):
    """A run's number, None where it has none, and the role of its column."""

    value: float | None
    role: str = "accent"


def plot(points: Sequence[Point], rows: int, said: Callable[[float], str]) -> list[Text]:
    """Columns from nothing to the largest, `rows` high; the scale says the largest above and 0 below.

    A column without a number is a dot on the ground; the least that there is shows an eighth.
    """
    top = max((p.value for p in points if p.value is not None), default=0.0)
    heights = [_height(p.value, top, rows) for p in points]
    lines: list[Text] = []
    for row in range(rows):
        floor = (rows - 1 - row) * EIGHTHS
        scale = said(top) if row == 0 else "0" if row == rows - 1 else ""
        cells = [
            (_cell(high, floor), p.role if high else "quiet") for high, p in zip(heights, points, strict=True)
        ]
        drawn = ((Drawn(signs, ""), role) for signs, role in _joined(cells))
        lines.append(((Drawn(f"{scale:>{AXIS}} ", ""), "quiet"), *drawn))
    return lines


def _height(value: float | None, top: float, rows: int) -> int:
    """A column's height in eighths of a row; 0 for no number."""
    if value is None:
        return 0
    return max(1, round(rows * EIGHTHS * value / top)) if top else 1


def _cell(high: int, floor: int) -> str:
    if high > floor:
        return BLOCKS[min(EIGHTHS, high - floor) - 1]
    return "·" if not high and not floor else " "


def _joined(cells: Sequence[Span]) -> Text:
    found: list[Span] = []
    for sign, role in cells:
        if found and found[-1][1] == role:
            found[-1] = (found[-1][0] + sign, role)
        else:
            found.append((sign, role))
    return tuple(found)


def axis(first: datetime, last: datetime, width: int) -> Text:
    """When the first and the last column began, below a plot `width` columns wide."""
    form = "%H:%MZ" if last - first < SHORT_SPAN else "%d %b"
    left = first.strftime(form)
    right = last.strftime(form)
    gap = width - len(left) - len(right)
    words = f"{left}{' ' * gap}{right}" if gap > 0 else left
    return ((Drawn(" " * (AXIS + 1), ""), ""), (Drawn(words, f"from {left} to {right}"), "quiet"))
