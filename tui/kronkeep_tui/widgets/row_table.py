"""A table that sends only the rows that changed.

Textual writes a refreshed region out whole. DataTable refreshes all of itself for one cell (21,784 bytes at
200x50); this one refreshes one line (about 250 bytes), and nothing for a row that is not on the screen.
"""

from collections.abc import Sequence
from typing import NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from kronkeep_common.text import clean, clip


class Column(NamedTuple):
    """A column's title and width in cells; the last one takes what is left."""

    title: str
    width: int


class Row(NamedTuple):
    """A row's identity, its cells, and the colour of its first cell."""

    key: str
    cells: tuple[str, ...]
    colour: str = ""


_HEADER, _CURSOR, _PLAIN = Style(bold=True, dim=True), Style(reverse=True), Style()


class RowTable(ScrollView, can_focus=True):
    """Rows of text under one fixed line of titles."""

    BINDINGS = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home,g", "edge(0)", show=False),
        Binding("end,G", "edge(1)", show=False),
        Binding("enter", "choose", show=False),
    ]

    class Chosen(Message):
        """A row was entered."""

        def __init__(self, table: "RowTable", key: str) -> None:
            super().__init__()
            self.table = table
            self.key = key

        @property
        def control(self) -> "RowTable":
            """The table."""
            return self.table

    def __init__(self, columns: Sequence[Column], empty: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._columns = tuple(columns)
        self._empty = empty
        self._rows: list[Row] = []
        self.cursor = 0

    @property
    def key(self) -> str | None:
        """The key of the row under the cursor."""
        return self._rows[self.cursor].key if self._rows else None

    @property
    def rows(self) -> Sequence[Row]:
        """What is shown."""
        return self._rows

    def show(self, rows: list[Row]) -> None:
        """Shows `rows`; the cursor stays on its row, and only lines that differ are sent."""
        old, key = self._rows, self.key
        self._rows = rows
        place = next((i for i, row in enumerate(rows) if row.key == key), None)
        moved = place is not None and place != self.cursor
        self.cursor = place if place is not None else max(0, min(self.cursor, len(rows) - 1))
        if moved or len(rows) != len(old):
            self.virtual_size = Size(0, len(rows) + 1)
            self.refresh()
            return
        for index, (before, after) in enumerate(zip(old, rows, strict=True)):
            if before != after:
                self._refresh_row(index)

    def _refresh_row(self, index: int) -> None:
        y = index + 1 - self.scroll_offset.y
        if 1 <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    def action_move(self, step: int) -> None:
        """Moves the cursor."""
        self._go(self.cursor + step)

    def action_page(self, step: int) -> None:
        """Moves the cursor by a screenful."""
        self._go(self.cursor + step * max(1, self.size.height - 2))

    def action_edge(self, end: int) -> None:
        """Moves the cursor to the first or last row."""
        self._go(len(self._rows) - 1 if end else 0)

    def action_choose(self) -> None:
        """Enters the row."""
        if self.key is not None:
            self.post_message(self.Chosen(self, self.key))

    def _go(self, index: int) -> None:
        index = max(0, min(index, len(self._rows) - 1))
        if not self._rows or index == self.cursor:
            return
        old, self.cursor = self.cursor, index
        height, top = self.size.height - 1, self.scroll_offset.y
        if index < top or index >= top + height:
            self.scroll_to(y=index if index < top else index - height + 1, animate=False)
        self._refresh_row(old)
        self._refresh_row(index)

    def on_resize(self) -> None:
        """Fits the rows to the new width."""
        self.virtual_size = Size(0, len(self._rows) + 1)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        width = self.size.width
        if y == 0:
            return self._strip([column.title for column in self._columns], _HEADER, _HEADER, width)
        index = y - 1 + self.scroll_offset.y
        if index >= len(self._rows):
            text = self._empty if not self._rows and y == 2 else ""
            return Strip([Segment(clip(text, width).ljust(width), _PLAIN)], width)
        row = self._rows[index]
        under = index == self.cursor and self.has_focus
        first = _CURSOR if under else Style(color=row.colour) if row.colour else _PLAIN
        return self._strip(row.cells, first, _CURSOR if under else _PLAIN, width)

    def _strip(self, cells: Sequence[str], first: Style, rest: Style, width: int) -> Strip:
        texts = []
        left = width
        for number, (column, cell) in enumerate(zip(self._columns, cells, strict=True)):
            wide = left if number == len(self._columns) - 1 else min(column.width, max(0, left))
            texts.append(clip(clean(cell), max(0, wide - 1)).ljust(wide))
            left -= wide
        segments = [Segment(texts[0], first), Segment("".join(texts[1:]), rest)]
        return Strip(segments).adjust_cell_length(width, rest)
