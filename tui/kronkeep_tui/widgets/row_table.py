"""A table of rows that are made when they come on the screen, under one fixed line of titles.

100,000 rows cost what the visible ones cost: nothing here walks over all of them but the search for a row
that moved.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

from textual import events
from textual.geometry import Size
from textual.message import Message

from kronkeep_tui.widgets.cells import Cell, Text, fit_text, over, spans
from kronkeep_tui.widgets.line_widget import Scrolling

R = TypeVar("R")


class Column(NamedTuple):
    """A title and a width in cells; `drop` says which go first where there is no room (0 never).

    `grow` takes the room that is left, in proportion; `letter` sorts by it.
    """

    title: str
    width: int
    drop: int = 0
    grow: int = 0
    letter: str = ""
    right: bool = False


class Row(NamedTuple):
    """A row's identity, its cells, and the role of its first cell."""

    key: str
    cells: tuple[Cell, ...]
    role: str = ""


class Rows(Sequence[Row], Generic[R]):
    """Rows made from records as they are looked at."""

    def __init__(self, records: Sequence[R], key: Callable[[R], str], make: Callable[[R], Row]) -> None:
        self.records = records
        self._key = key
        self._make = make

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> Row:  # type: ignore[override]  # no slices are taken
        return self._make(self.records[index])

    def __iter__(self) -> Iterator[Row]:
        return map(self._make, self.records)

    def key(self, index: int) -> str:
        """The key of a row that need not be made."""
        return self._key(self.records[index])

    def find(self, key: str, near: int) -> int | None:
        """Where a key is: first around `near`, then anywhere."""
        last = len(self.records)
        for index in (near, near + 1, near - 1, near + 2, near - 2):
            if 0 <= index < last and self.key(index) == key:
                return index
        key_of = self._key
        return next((i for i, record in enumerate(self.records) if key_of(record) == key), None)


def no_rows() -> "Rows[Row]":
    """An empty table's rows."""
    return Rows((), lambda row: row.key, lambda row: row)


def choose_columns(columns: Sequence[Column], width: int, wide: bool) -> list[tuple[int, int]]:
    """Index and width of each column that fits `width`; with `wide` none is left out."""
    kept = list(range(len(columns)))
    by_drop = sorted((i for i in kept if columns[i].drop), key=lambda i: -columns[i].drop)
    while not wide and by_drop and sum(columns[i].width for i in kept) > width:
        kept.remove(by_drop.pop(0))
    left = max(0, width - sum(columns[i].width for i in kept))
    shares = sum(columns[i].grow for i in kept)
    return [
        (i, columns[i].width + (left * columns[i].grow // shares if shares and columns[i].grow else 0))
        for i in kept
    ]


class RowTable(Scrolling):
    """Rows with a cursor and marks."""

    class Chosen(Message):
        """A row was entered."""

        def __init__(self, table: "RowTable", key: str) -> None:
            super().__init__()
            self.table = table
            self.key = key

    class Moved(Message):
        """The cursor is on another row."""

        def __init__(self, table: "RowTable") -> None:
            super().__init__()
            self.table = table

        def can_replace(self, message: Message) -> bool:
            """The last of several counts."""
            return isinstance(message, RowTable.Moved)

    def __init__(self, columns: Sequence[Column], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.columns = tuple(columns)
        self._rows: Rows[object] = no_rows()  # type: ignore[assignment]  # empty: its kind does not matter
        self.empty: tuple[Text, ...] = ()
        self.marks: frozenset[str] = frozenset()
        self.cursor = self.top = self.left = 0
        self.wide = False
        self.sorted_by = ""

    @property
    def key(self) -> str | None:
        """The key of the row under the cursor."""
        return self._rows.key(self.cursor) if self._rows else None

    @property
    def rows(self) -> "Rows[object]":
        """What is shown."""
        return self._rows

    def show(self, rows: "Rows[R]") -> None:
        """Shows `rows`; the cursor stays on its row, and only what differs is sent."""
        key = self.key
        at_top = self.cursor == self.top == 0
        self._rows = rows  # type: ignore[assignment]  # from here on only rows come out
        found = rows.find(key, self.cursor) if key is not None and not at_top else None
        self.cursor = found if found is not None else max(0, min(self.cursor, len(rows) - 1))
        self._follow()
        self.sync()

    def go(self, index: int) -> None:
        """Puts the cursor on a row."""
        index = max(0, min(index, len(self._rows) - 1))
        if index != self.cursor and self._rows:
            before = self.cursor
            top = self.top
            self.cursor = index
            self._follow()
            self.sync(*((before - top + 1, index - top + 1) if top == self.top else ()))
            self.post_message(self.Moved(self))

    def go_to(self, key: str) -> None:
        """Puts the cursor on the row of a key, where there is one."""
        if (found := self._rows.find(key, self.cursor)) is not None:
            self.go(found)

    def lay_out(self, size: Size) -> None:
        """Keeps the cursor on the screen."""
        self._follow()

    def _follow(self) -> None:
        if not self.size:
            return
        height = max(1, self.size.height - 1)
        self.top = max(0, min(self.top, self.cursor, len(self._rows) - height))
        self.top = max(self.top, self.cursor - height + 1)

    def move(self, step: int) -> None:
        """Moves the cursor by rows."""
        self.go(self.cursor + step)

    def page(self, step: int) -> None:
        """Moves the cursor by screenfuls."""
        height = max(1, self.size.height - 1)
        self.top = max(0, min(self.top + step * height, len(self._rows) - height))
        self.go(self.cursor + step * height)

    def edge(self, end: int) -> None:
        """Moves the cursor to the first or the last row."""
        self.go(len(self._rows) - 1 if end else 0)

    def sideways(self, step: int) -> None:
        """Scrolls wide rows."""
        self.left = max(0, self.left + 8 * step) if self.wide else 0
        self.sync()

    def mark(self) -> None:
        """Marks the row under the cursor, or takes its mark away, and goes on."""
        if (key := self.key) is not None:
            self.marks = self.marks ^ {key}
            self.sync()
            self.move(1)

    def mark_range(self) -> None:
        """Marks every row from the nearest mark above, or from the top, to the cursor."""
        start = next((i for i in range(self.cursor, -1, -1) if self._rows.key(i) in self.marks), 0)
        self.marks |= {self._rows.key(i) for i in range(start, self.cursor + 1)}
        self.sync()

    def choose(self) -> None:
        """Enters the row."""
        if (key := self.key) is not None:
            self.post_message(self.Chosen(self, key))

    def on_click(self, event: events.Click) -> None:
        """Puts the cursor on a row, and enters it on a second click."""
        index = self.top + event.y - 1
        if event.y > 0 and index < len(self._rows):
            if index == self.cursor and event.chain > 1:
                self.choose()
            self.go(index)

    def line(self, y: int, width: int) -> Text:
        """Titles, a row, or what an empty table says."""
        if y == 0:
            titles = tuple(self._title(column) for column in self.columns)
            return over(self._cells(titles, "", width), "title quiet")
        index = self.top + y - 1
        if not self._rows:
            return self.empty[y - 2] if 0 <= y - 2 < len(self.empty) else ()
        if index >= len(self._rows):
            return ()
        row = self._rows[index]
        text = self._cells(row.cells, row.role, width, row.key in self.marks, index == self.cursor)
        return over(fit_text(text, width), "cursor") if index == self.cursor and self.lit else text

    def _title(self, column: Column) -> str:
        return f"{column.title}^" if column.letter and column.letter == self.sorted_by else column.title

    def _cells(
        self, cells: Sequence[Cell], role: str, width: int, marked: bool = False, under: bool = False
    ) -> Text:
        found: list[tuple[str, str]] = [("*" if marked else ">" if under else " ", "mark" if marked else "")]
        for number, wide in choose_columns(self.columns, width - 1, self.wide):
            cell = self.said(spans(cells[number], role if number == 0 else ""))
            if self.columns[number].right:
                cell = ((" " * (wide - 1 - sum(len(words) for words, _ in cell)), ""), *cell)
            found += [*fit_text(cell, max(0, wide - 1)), (" ", "")]
        return cut(tuple(found), self.left) if self.left and self.wide else tuple(found)


def cut(text: Text, cells: int) -> Text:
    """Spans without their first `cells` characters, but with their mark."""
    found = [text[0]]
    for words, role in text[1:]:
        if cells < len(words):
            found.append((words[cells:], role))
        cells = max(0, cells - len(words))
    return tuple(found)
