"""Table whose last column is wrapped into the lines that are free below its rows."""

from collections.abc import Sequence
from typing import NamedTuple

from kronkeep_tui.widgets.cells import Cell, Text, plain, spans, wrap
from kronkeep_tui.widgets.row_table import Column, RowTable, TableRow, choose_columns


class _RowLine(NamedTuple):
    """One line of a row: the row's number, whether it is the row's first, and the text of the last column."""

    row_number: int
    is_first: bool
    text: str


class WrappedTable(RowTable):
    """While all rows have a line, a row may have more; `wraps` says whether they are taken."""

    def __init__(self, columns: Sequence[Column], *, id: str | None = None) -> None:
        super().__init__(columns, id=id)
        self.wraps = False
        self._row_lines: list[_RowLine] = []  # empty: a line for each row, as in every table

    def count_whole_lines(self, width: int) -> int:
        """Return how many lines, with the titles, show every row whole in a width in cells."""
        cells = self._last_width(width)
        return self.head_rows + sum(len(_parts(row, cells)) for row in self._rows)

    def _last_width(self, width: int) -> int:
        """Return the width of the last column in cells; 0 where it is not shown."""
        *_, (number, wide) = choose_columns(self._columns_for_clock(), width - 1, self.wide)
        return wide - 1 if number == len(self.columns) - 1 else 0

    def _follow(self) -> None:
        super()._follow()
        free = self.size.height - self.head_rows - len(self._rows)
        self._row_lines = self._arrange(free) if self.wraps and free > 0 else []

    def _arrange(self, free: int) -> list[_RowLine]:
        """Return the lines of all rows; those above take the free ones first."""
        cells = self._last_width(self.size.width)
        lines: list[_RowLine] = []
        for index, row in enumerate(self._rows):
            parts = _parts(row, cells)
            kept = parts[: free + 1]
            if len(kept) < len(parts):
                # All that is left, so that its end is cut where the line is drawn, with the sign for that.
                kept[-1] = " ".join(parts[len(kept) - 1 :])
            free -= len(kept) - 1
            lines += [_RowLine(index, number == 0, part) for number, part in enumerate(kept)]
        return lines

    def lines_of(self, index: int) -> list[int]:
        if not self._row_lines:
            return super().lines_of(index)
        return [self.head_rows + y for y, line in enumerate(self._row_lines) if line.row_number == index]

    def row_at(self, y: int) -> int:
        if not self._row_lines or y < self.head_rows:
            return super().row_at(y)
        place = y - self.head_rows
        return self._row_lines[place].row_number if place < len(self._row_lines) else len(self._rows)

    def line(self, y: int, width: int) -> Text:
        place = y - self.head_rows
        if place < 0 or not self._row_lines:
            return super().line(y, width)
        if place >= len(self._row_lines):
            return ()
        index, is_first, text = self._row_lines[place]
        row = self._rows[index]
        cells: tuple[Cell, ...] = (*(row.cells if is_first else ("",) * len(row.cells))[:-1], text)
        shown = self._cells(
            cells,
            row.role,
            width,
            is_first and row.key in self.marks,
            is_first and self.shows_cursor(index),
        )
        return self.highlight(shown, width) if index == self.cursor and self.lit else shown


def _parts(row: TableRow, cells: int) -> list[str]:
    """Return the text of a row's last cell in lines of at most `cells` cells."""
    text = plain(spans(row.cells[-1]))
    return wrap(text, cells) if cells > 0 else [text]
