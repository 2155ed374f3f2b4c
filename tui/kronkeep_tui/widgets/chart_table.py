"""Table whose last column is a chart, with lines of its own above the rows."""

from collections.abc import Sequence

from textual import events
from textual.message import Message

from kronkeep_tui.widgets.cells import Cell, Text
from kronkeep_tui.widgets.row_table import Column, RowTable, choose_columns


class ChartTable(RowTable):
    """Rows with a chart each; `head` has the cells of the lines above them, as many as `head_rows`."""

    class ChartClicked(Message):
        """Sent when a chart was clicked; `column` counts its cells from 0."""

        def __init__(self, table: "ChartTable", column: int) -> None:
            super().__init__()
            self.table = table
            self.column = column

    class ChartResized(Message):
        """Sent when the charts have another size."""

    def __init__(self, columns: Sequence[Column], *, head_rows: int, id: str | None = None) -> None:
        super().__init__(columns, id=id)
        self.head_rows = head_rows
        self.head: Sequence[tuple[Cell, ...]] = ()

    def chart_width(self, width: int | None = None) -> int:
        """Return how many cells a chart has, in a table of this width or of its own."""
        whole = (self.size.width if width is None else width) - 1
        widths = choose_columns(self.columns, whole, wide=False)
        return max(1, widths[-1][1] - 1)

    def head_line(self, y: int, width: int) -> Text:
        return self._cells(self.head[y], "title quiet", width) if y < len(self.head) else ()

    def highlight(self, text: Text, width: int) -> Text:
        """Return the row with its name highlighted: the chart keeps its colours."""
        start = width - self.chart_width(width) - 1
        shown: list[tuple[str, str]] = []
        cells = 0
        for words, role in text:
            shown.append((words, f"{role} cursor".strip() if cells < start else role))
            cells += len(words)
        return tuple(shown)

    def shows_cursor(self, index: int) -> bool:
        """Whether a row is marked as that of the cursor: only while the movement keys move it."""
        return self.lit and super().shows_cursor(index)

    def on_resize(self) -> None:
        """Tell the view, which makes charts of that size."""
        self.post_message(self.ChartResized())

    def on_click(self, event: events.Click) -> None:
        """Say where in a chart it was clicked; Textual then calls RowTable's handler, too."""
        column = event.x - (self.size.width - self.chart_width() - 1)
        if event.y >= self.head_rows and column >= 0:
            self.post_message(self.ChartClicked(self, column))
