"""Table widget whose rows are made when they become visible, below a line of titles.

100,000 rows cost as much as the visible ones: only the search for a row that moved walks over all of them.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

from textual import events
from textual.geometry import Size
from textual.message import Message

from kronkeep_tui.widgets.cells import Cell, Text, add_role, fit_text, spans
from kronkeep_tui.widgets.line_widget import ScrollableLines

R = TypeVar("R")
CLOCK_WIDTH = 10  # of `Mon 03:00` and a space


class Column(NamedTuple):
    """A title and a width in cells; `drop` orders which columns go first if space is short (0: never).

    `grow` is the share of the space that is left; `letter` is the key that sorts by the column. One that
    `is_moment` gets the width of a clock time where clock times are shown. `content` are the cells of the
    longest text, where those are known: the column gets them before others grow.
    """

    title: str
    width: int
    drop: int = 0
    grow: int = 0
    letter: str = ""
    right: bool = False
    is_moment: bool = False
    content: int = 0


class TableRow(NamedTuple):
    """A row's key, its cells, and the role of its first cell."""

    key: str
    cells: tuple[Cell, ...]
    role: str = ""


class Rows(Sequence[TableRow], Generic[R]):
    """A sequence of rows that are made from records on access."""

    def __init__(self, records: Sequence[R], key: Callable[[R], str], make: Callable[[R], TableRow]) -> None:
        self.records = records
        self._key = key
        self._make = make

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> TableRow:  # type: ignore[override]  # no slices are taken
        return self._make(self.records[index])

    def __iter__(self) -> Iterator[TableRow]:
        return map(self._make, self.records)

    def key(self, index: int) -> str:
        """Return the key of a row without making the row."""
        return self._key(self.records[index])

    def find(self, key: str, near: int) -> int | None:
        """Return the index of a key: look around `near` first, then everywhere."""
        last = len(self.records)
        for index in (near, near + 1, near - 1, near + 2, near - 2):
            if 0 <= index < last and self.key(index) == key:
                return index
        key_of = self._key
        return next((i for i, record in enumerate(self.records) if key_of(record) == key), None)


def empty_rows() -> "Rows[TableRow]":
    """Return the rows of an empty table."""
    return Rows((), lambda row: row.key, lambda row: row)


def choose_columns(columns: Sequence[Column], width: int, wide: bool) -> list[tuple[int, int]]:
    """Return index and width of each column that fits into `width`; with `wide`, of every column."""
    kept = list(range(len(columns)))
    by_drop = sorted((i for i in kept if columns[i].drop), key=lambda i: -columns[i].drop)
    while not wide and by_drop and sum(columns[i].width for i in kept) > width:
        kept.remove(by_drop.pop(0))
    left = max(0, width - sum(columns[i].width for i in kept))
    widths = []
    for i in kept:
        more = min(left, max(0, columns[i].content + 1 - columns[i].width))
        left -= more
        widths.append(columns[i].width + more)
    free = [i for i in kept if columns[i].grow and not columns[i].content]
    growing = free or [i for i in kept if columns[i].grow]
    shares = sum(columns[i].grow for i in growing)
    return [
        (i, wide + (left * columns[i].grow // shares if i in growing else 0))
        for i, wide in zip(kept, widths, strict=True)
    ]


class RowTable(ScrollableLines):
    """A table with a cursor and marked rows, below `head_rows` lines of titles."""

    TITLE = "rows"
    head_rows = 1

    class RowEntered(Message):
        """Sent when a row was entered."""

        def __init__(self, table: "RowTable", key: str) -> None:
            super().__init__()
            self.table = table
            self.key = key

    class CursorMoved(Message):
        """Sent when the cursor is on another row."""

        def __init__(self, table: "RowTable") -> None:
            super().__init__()
            self.table = table

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, RowTable.CursorMoved)

    class TitleClicked(Message):
        """Sent when the title of a column was clicked; `letter` sorts by it."""

        def __init__(self, table: "RowTable", letter: str) -> None:
            super().__init__()
            self.table = table
            self.letter = letter

    def __init__(self, columns: Sequence[Column], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.columns = tuple(columns)
        self._rows: Rows[object] = empty_rows()  # type: ignore[assignment]  # empty: its kind does not matter
        self.empty: tuple[Text, ...] = ()
        self.marks: frozenset[str] = frozenset()
        self.cursor = self.top = self.left = 0
        self.wide = False
        self.follows = False  # whether the cursor is on a record that somebody chose, not on the first row
        self.sorted_by = ""
        self._clicked_key = ""

    @property
    def key(self) -> str | None:
        """The key of the row under the cursor."""
        return self._rows.key(self.cursor) if self._rows else None

    @property
    def rows(self) -> "Rows[object]":
        """The rows that are shown."""
        return self._rows

    def show(self, rows: "Rows[R]") -> None:
        """Show `rows`; the cursor stays on its row, and only what differs is sent.

        On the first row it stays there, whatever comes, until it is moved or its record is acted on.
        """
        key = self.key
        at_top = self.cursor == self.top == 0 and not self.follows
        self._rows = rows  # type: ignore[assignment]  # from here on only rows come out
        index = rows.find(key, self.cursor) if key is not None and not at_top else None
        self.cursor = index if index is not None else max(0, min(self.cursor, len(rows) - 1))
        self._follow()
        self.sync()

    def go(self, index: int, *, top: int | None = None) -> None:
        """Move the cursor to the row at `index`, and the first line to the row at `top`."""
        index = max(0, min(index, len(self._rows) - 1))
        self.follows = True
        if index != self.cursor and self._rows:
            first = self.top
            left = self.lines_of(self.cursor)
            self.top = first if top is None else top
            self.cursor = index
            self._follow()
            lines = (*left, *self.lines_of(index))
            self.sync(*(lines if first == self.top else ()))
            self.post_message(self.CursorMoved(self))

    def lines_of(self, index: int) -> list[int]:
        """Return the lines of the widget that show a row."""
        return [index - self.top + self.head_rows]

    def row_at(self, y: int) -> int:
        """Return the index of the row on a line of the widget, whether or not there is such a row."""
        return self.top + y - self.head_rows

    def lay_out(self, size: Size) -> None:
        self._follow()

    def _follow(self) -> None:
        if not self.size:
            return
        height = max(1, self.size.height - self.head_rows)
        self.top = max(0, min(self.top, self.cursor, len(self._rows) - height))
        self.top = max(self.top, self.cursor - height + 1)

    def move(self, step: int) -> None:
        self.go(self.cursor + step)

    def page(self, step: int) -> None:
        height = max(1, self.size.height - self.head_rows)
        top = max(0, min(self.top + step * height, len(self._rows) - height))
        self.go(self.cursor + step * height, top=top)

    def edge(self, end: int) -> None:
        self.go(len(self._rows) - 1 if end else 0)
        self.follows = bool(end)

    def sideways(self, step: int) -> None:
        """Scroll wide rows horizontally."""
        self.left = max(0, self.left + 8 * step) if self.wide else 0
        self.sync()

    def mark(self) -> None:
        """Mark or unmark the row under the cursor and move to the next."""
        if (key := self.key) is not None:
            self.marks = self.marks ^ {key}
            self.sync()
            self.move(1)

    def mark_range(self) -> None:
        """Mark every row from the nearest mark above, or from the top, to the cursor."""
        start = next((i for i in range(self.cursor, -1, -1) if self._rows.key(i) in self.marks), 0)
        self.marks |= {self._rows.key(i) for i in range(start, self.cursor + 1)}
        self.sync()

    def choose(self) -> None:
        """Enter the row under the cursor."""
        if (key := self.key) is not None:
            self.post_message(self.RowEntered(self, key))

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the clicked row, enter it on a second click; sort by the column of a title."""
        index = self.row_at(event.y)
        if event.y < self.head_rows:
            self._click_title(event.x)
        elif index < len(self._rows):
            key = self._rows.key(index)
            if index == self.cursor and key == self._clicked_key:
                self.choose()
            self._clicked_key = key
            self.go(index)

    def _click_title(self, x: int) -> None:
        start = 1
        for number, wide in choose_columns(self._columns_for_clock(), self.size.width - 1, self.wide):
            if start <= x + self.left < start + wide and (letter := self.columns[number].letter):
                self.post_message(self.TitleClicked(self, letter))
            start += wide

    def line(self, y: int, width: int) -> Text:
        """Return the titles, a row, or the text of an empty table."""
        if y < self.head_rows:
            return self.head_line(y, width)
        index = self.top + y - self.head_rows
        if not self._rows:
            return self.empty[index - 1] if 0 <= index - 1 < len(self.empty) else ()
        if index >= len(self._rows):
            return ()
        row = self._rows[index]
        text = self._cells(row.cells, row.role, width, row.key in self.marks, self.shows_cursor(index))
        return self.highlight(text, width) if index == self.cursor and self.lit else text

    def shows_cursor(self, index: int) -> bool:
        """Whether a row is marked as that of the cursor."""
        return index == self.cursor

    def head_line(self, y: int, width: int) -> Text:
        """Return a line above the rows: the titles of the columns."""
        titles = tuple(self._title(column) for column in self.columns)
        return add_role(self._cells(titles, "", width), "title quiet")

    def highlight(self, text: Text, width: int) -> Text:
        """Return the row under the cursor as it is shown."""
        return add_role(fit_text(text, width), "cursor")

    def _columns_for_clock(self) -> Sequence[Column]:
        if not self.roles.shows_clock:
            return self.columns
        return [
            column._replace(width=max(column.width, CLOCK_WIDTH)) if column.is_moment else column
            for column in self.columns
        ]

    def _title(self, column: Column) -> str:
        return f"{column.title}^" if column.letter and column.letter == self.sorted_by else column.title

    def _cells(
        self, cells: Sequence[Cell], role: str, width: int, marked: bool = False, under: bool = False
    ) -> Text:
        parts: list[tuple[str, str]] = [("*" if marked else ">" if under else " ", "mark" if marked else "")]
        for number, wide in choose_columns(self._columns_for_clock(), width - 1, self.wide):
            cell = self.in_chosen_form(spans(cells[number], role if number == 0 else ""))
            if self.columns[number].right:
                cell = ((" " * (wide - 1 - sum(len(words) for words, _ in cell)), ""), *cell)
            parts += [*fit_text(cell, max(0, wide - 1)), (" ", "")]
        return cut_left(tuple(parts), self.left) if self.left and self.wide else tuple(parts)


def cut_left(text: Text, cells: int) -> Text:
    """Remove the first `cells` characters of a row but keep its mark."""
    kept = [text[0]]
    for words, role in text[1:]:
        if cells < len(words):
            kept.append((words[cells:], role))
        cells = max(0, cells - len(words))
    return tuple(kept)
