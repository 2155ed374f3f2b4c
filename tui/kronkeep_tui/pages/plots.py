"""Plots of block characters with a scale, a column for each value; pure functions."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from kronkeep_common.display_zone import zone_suffix
from kronkeep_tui.pages.status_words import BLOCKS
from kronkeep_tui.widgets.cells import Drawing, Span, Text

AXIS = 10  # cells of the scale left of a plot: `  41.2 GiB`
SHORT_SPAN = timedelta(hours=36)  # below it the axis has times and no dates
EIGHTHS = len(BLOCKS)


class Point(NamedTuple):
    """A value (None: unknown) and the role of its column."""

    value: float | None
    role: str = "accent"


def plot(points: Sequence[Point], rows: int, describe: Callable[[float], str]) -> list[Text]:
    """Return a plot of `rows` lines; the scale shows the largest value above and 0 below.

    A column without a value is a dot on the ground; the smallest value shows an eighth.
    """
    top = max((p.value for p in points if p.value is not None), default=0.0)
    heights = [_height_of(p.value, top, rows) for p in points]
    lines: list[Text] = []
    for row in range(rows):
        floor = (rows - 1 - row) * EIGHTHS
        scale = describe(top) if row == 0 else "0" if row == rows - 1 else ""
        cells = [
            (_block_at(high, floor), p.role if high else "quiet")
            for high, p in zip(heights, points, strict=True)
        ]
        drawn = ((Drawing(signs, ""), role) for signs, role in _join_cells(cells))
        lines.append(((Drawing(f"{scale:>{AXIS}} ", ""), "quiet"), *drawn))
    return lines


def _height_of(value: float | None, top: float, rows: int) -> int:
    """Return a column's height in eighths of a row; 0 for no value."""
    if value is None:
        return 0
    return max(1, round(rows * EIGHTHS * value / top)) if top else 1


def _block_at(high: int, floor: int) -> str:
    if high > floor:
        return BLOCKS[min(EIGHTHS, high - floor) - 1]
    return "·" if not high and not floor else " "


def _join_cells(cells: Sequence[Span]) -> Text:
    spans: list[Span] = []
    for sign, role in cells:
        if spans and spans[-1][1] == role:
            spans[-1] = (spans[-1][0] + sign, role)
        else:
            spans.append((sign, role))
    return tuple(spans)


def axis(first: datetime, last: datetime, width: int) -> Text:
    """Return when the first and the last column began, each in its zone, below a plot of `width` columns."""
    is_short = last - first < SHORT_SPAN
    left, right = (
        f"{each:%H:%M}{zone_suffix(each)}" if is_short else f"{each:%d %b}" for each in (first, last)
    )
    gap = width - len(left) - len(right)
    words = f"{left}{' ' * gap}{right}" if gap > 0 else left
    return ((Drawing(" " * (AXIS + 1), ""), ""), (Drawing(words, f"from {left} to {right}"), "quiet"))
