"""A CronJob's night as a line of signs, the line of times above it, and how much ran at once."""

from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo
from itertools import accumulate
from math import ceil, floor
from typing import NamedTuple

from kronkeep_tui.night.bars import Bar, NightRow
from kronkeep_tui.night.signs import (
    AFTER_SELECTED,
    ARCHIVE,
    BEFORE_SELECTED,
    EIGHTHS,
    FULL,
    MANY,
    MARKS,
    NOW_LINE,
    PLANNED,
    RIGHT_HALF,
    WAIT,
    Canvas,
    Signs,
)
from kronkeep_tui.night.time_window import TimeWindow, list_ticks
from kronkeep_tui.night.words import row_words
from kronkeep_tui.pages.status_words import role
from kronkeep_tui.widgets.cells import Text

LABEL_MARGIN = 2  # cells of a batch on either side of its count
MOST_SLOTS = 6_000  # in which bars at once are counted: of 9 s in a window of 15 hours, added in 0.3 ms
FEWEST_COUNTED = 3  # bars in one stretch, from which on their number is written into it


class Cells(NamedTuple):
    """The cells of a bar: from `first` on, before `end`."""

    first: int
    end: int


class Look(NamedTuple):
    """What a line is drawn for: the window, the present moment, the zone of times, and the signs."""

    window: TimeWindow
    now: float
    zone: tzinfo | None
    signs: Signs = EIGHTHS


def cells_of(bar: Bar, look: Look) -> Cells:
    """Return the cells of a bar, at least one; one that goes on ends now."""
    window = look.window
    end = max(bar.begin, look.now) if bar.end is None else bar.end
    first = floor(window.position(bar.begin))
    return Cells(first, max(first + 1, ceil(window.position(end))))


def is_in_window(cells: Cells, window: TimeWindow) -> bool:
    """Whether a part of a bar is in the window."""
    return cells.end > 0 and cells.first < window.columns


def draw_row(row: NightRow, look: Look, selected: Bar | None = None) -> Text:
    """Return a row's bars as one line as wide as the window; in plain mode as words."""
    canvas = Canvas(look.window.columns)
    _draw_planned(canvas, row, look)
    for bar in (*row.planned_archives, *row.archives):
        _draw_archive(canvas, bar, look)
    _draw_runs(canvas, row, look)
    canvas.put_if_free(floor(look.window.position(look.now)), NOW_LINE, "accent")
    if selected is not None:
        cells = cells_of(selected, look)
        canvas.put(cells.first - 1, BEFORE_SELECTED, "mark")
        canvas.put(cells.end, AFTER_SELECTED, "mark")
    return canvas.as_text(row_words(row, look.window, look.now, look.zone))


def _draw_planned(canvas: Canvas, row: NightRow, look: Look) -> None:
    """Draw the runs to come with their usual duration, and how long running ones will usually go on."""
    usual = row.usual_seconds or 0.0
    window = look.window
    ahead = [Bar(id="", status="planned", begin=t, end=t + usual) for t in row.planned if t >= look.now]
    running = [
        Bar(id="", status="planned", begin=look.now, end=bar.begin + usual)
        for bar in row.runs
        if bar.end is None and bar.begin + usual > look.now
    ]
    for stretch in stretches_of([*running, *ahead], look):
        canvas.fill(stretch.cells.first, stretch.cells.end, PLANNED, "quiet")
        if is_in_window(stretch.cells, window):
            _write_count(canvas, stretch, window, "quiet")


def _draw_archive(canvas: Canvas, bar: Bar, look: Look) -> None:
    window = look.window
    cells = cells_of(bar, look)
    if bar.queued is not None:
        canvas.fill(floor(window.position(bar.queued)), cells.first, WAIT, "quiet")
    if bar.status in ("waiting", "queued"):
        canvas.fill(cells.first, cells.end, WAIT, "quiet")
        return
    if bar.status == "planned":
        if bar.begin >= look.now:
            canvas.fill(cells.first, cells.end, ARCHIVE, "quiet")
        return
    kind = "accent" if bar.status == "succeeded" else role(bar.status)
    canvas.fill(cells.first, cells.end, ARCHIVE, kind)
    if sign := MARKS.get(bar.status):
        canvas.put(cells.end - 1, sign, kind)


class Stretch(NamedTuple):
    """Bars that share cells, or the only bar in its cells."""

    cells: Cells
    bars: Sequence[Bar]


def stretches_of(bars: Iterable[Bar], look: Look) -> list[Stretch]:
    """Return bars, oldest first, in stretches: two that share a cell are in one."""
    stretches: list[Stretch] = []
    for bar in bars:
        cells = cells_of(bar, look)
        if not is_in_window(cells, look.window):
            continue
        before = stretches[-1] if stretches else None
        if before is not None and cells.first < before.cells.end:
            joined = Cells(before.cells.first, max(before.cells.end, cells.end))
            stretches[-1] = Stretch(joined, [*before.bars, bar])
        else:
            stretches.append(Stretch(cells, [bar]))
    return _join_crowded(stretches)


def _join_crowded(stretches: Sequence[Stretch]) -> list[Stretch]:
    """Return stretches, those of several bars each joined where they touch."""
    joined: list[Stretch] = []
    for stretch in stretches:
        before = joined[-1] if joined else stretch
        is_crowded = min(len(before.bars), len(stretch.bars)) > 1
        if joined and is_crowded and stretch.cells.first == before.cells.end:
            cells = Cells(before.cells.first, stretch.cells.end)
            joined[-1] = Stretch(cells, [*before.bars, *stretch.bars])
        else:
            joined.append(stretch)
    return joined


def _draw_runs(canvas: Canvas, row: NightRow, look: Look) -> None:
    for stretch in stretches_of(row.runs, look):
        if len(stretch.bars) == 1:
            _draw_run(canvas, stretch.bars[0], look)
        else:
            _draw_many(canvas, stretch, look)


def _draw_run(canvas: Canvas, bar: Bar, look: Look) -> None:
    cells = cells_of(bar, look)
    kind = role(bar.status)
    if bar.status == "missed":
        canvas.fill(cells.first + 1, cells.end, WAIT, "quiet")  # as long as nobody watched
        canvas.put(cells.first, look.signs.missed, kind)
        return
    canvas.fill(cells.first, cells.end, FULL, kind)
    if cells.end - cells.first > 1 and look.window.position(bar.begin) - cells.first >= 0.5:
        canvas.put(cells.first, RIGHT_HALF, kind)
    if sign := MARKS.get(bar.status):
        canvas.put(cells.end - 1, sign, kind)
    else:
        canvas.put(cells.end - 1, _end_sign(bar, cells, look), kind)


def _end_sign(bar: Bar, cells: Cells, look: Look) -> str:
    """Return the sign of a bar's last cell: what the bar takes of it in eighths, at least a quarter."""
    end = max(bar.begin, look.now) if bar.end is None else bar.end
    begin = max(look.window.position(bar.begin), cells.end - 1)
    share = look.window.position(end) - begin
    return look.signs.ends[max(2, min(8, round(8 * share)))]


def _draw_many(canvas: Canvas, stretch: Stretch, look: Look) -> None:
    """Draw runs that share cells: dense dots, their number, and above all what failed or was missed."""
    kind = "run" if any(bar.end is None for bar in stretch.bars) else "ok"
    canvas.fill(stretch.cells.first, stretch.cells.end, MANY, kind)
    _write_count(canvas, stretch, look.window, "strong")
    for bar in stretch.bars:
        if bar.status == "missed":
            canvas.put(cells_of(bar, look).first, look.signs.missed, role(bar.status))
        elif sign := MARKS.get(bar.status):
            canvas.put(cells_of(bar, look).end - 1, sign, role(bar.status))


def _write_count(canvas: Canvas, stretch: Stretch, window: TimeWindow, kind: str) -> None:
    """Write `37×` into the middle of the part of a stretch that is in the window, where it fits."""
    first = max(0, stretch.cells.first)
    room = min(window.columns, stretch.cells.end) - first
    words = f" {len(stretch.bars)}× "
    if len(stretch.bars) >= FEWEST_COUNTED and len(words) + 2 * LABEL_MARGIN <= room:
        canvas.write(first + (room - len(words)) // 2, words, kind)


def draw_axis(look: Look) -> Text:
    """Return the line of times, with the present one above the line of now."""
    window = look.window
    canvas = Canvas(window.columns)
    column = floor(window.position(look.now))
    label = f"{datetime.fromtimestamp(look.now, look.zone):%H:%M}"
    start = max(0, min(window.columns - len(label), column - len(label) // 2))
    is_shown = 0 <= column < window.columns
    if is_shown:
        canvas.write(start, label, "accent chosen")
    for tick in list_ticks(window, look.zone):
        end = tick.column + len(tick.label)
        if end <= window.columns and canvas.is_free(tick.column - 1, end + 1):
            canvas.write(tick.column, tick.label, "quiet")
    return canvas.as_text(_axis_words(look, label if is_shown else ""))


def _axis_words(look: Look, now_label: str) -> str:
    begin, end = (
        f"{datetime.fromtimestamp(moment, look.zone):%a %H:%M}"
        for moment in (look.window.begin, look.window.end)
    )
    return f"from {begin} to {end}" + (f", now {now_label}" if now_label else "")


def count_at_once(groups: Iterable[Iterable[Bar]], look: Look) -> list[int]:
    """Return how many of the bars were going on at once, at most, in each column."""
    changes = no_changes(look.window)
    for bars in groups:
        add_changes(changes, bars, look, 1)
    return sum_changes(changes, look.window)


def _slots_of_column(window: TimeWindow) -> int:
    """Return in how many slots of at least a second a column is divided: many short runs are not at once."""
    return max(1, min(window.step, MOST_SLOTS // window.columns))


def no_changes(window: TimeWindow) -> list[int]:
    """Return a list for the changes at each slot's begin, and one for those at the window's end."""
    return [0] * (window.columns * _slots_of_column(window) + 1)


def sum_changes(changes: Sequence[int], window: TimeWindow) -> list[int]:
    """Return the largest number of bars in each column, from what changes at each slot's begin."""
    slots = _slots_of_column(window)
    numbers = list(accumulate(changes[:-1]))
    return [max(numbers[first : first + slots]) for first in range(0, len(numbers), slots)]


def add_changes(changes: list[int], bars: Iterable[Bar], look: Look, number: int) -> None:
    """Add a number where bars begin and subtract it where they end; -1 takes away what was added with 1.

    One that ends in the slot in which another begins is not at once with that.
    """
    window = look.window
    slot = window.step / _slots_of_column(window)
    last = len(changes) - 1
    for bar in bars:
        end = look.now if bar.end is None else bar.end
        first = floor((bar.begin - window.begin) / slot)
        after = max(first + 1, floor((end - window.begin) / slot))
        if first < last and after > 0 and bar.status != "missed":
            changes[max(0, first)] += number
            changes[min(last, after)] -= number


def draw_load(counts: Sequence[int], look: Look, kind: str) -> Text:
    """Return counts as a line of blocks, the largest one full; what lies ahead is dim."""
    canvas = Canvas(len(counts))
    top = max(counts, default=0) or 1
    now_column = look.window.position(look.now)
    for column, count in enumerate(counts):
        if count:
            level = look.signs.levels[max(1, ceil(8 * count / top))]
            canvas.put(column, level, kind if column <= now_column else "quiet")
    canvas.put_if_free(floor(now_column), NOW_LINE, "accent")
    most = max(counts, default=0)
    if not most:
        return canvas.as_text("none")
    moment = look.window.begin + counts.index(most) * look.window.step
    return canvas.as_text(f"most {most} at {datetime.fromtimestamp(moment, look.zone):%H:%M}")
