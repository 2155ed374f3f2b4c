"""The base of views whose rows can be saved to a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from kronkeep_common.text import count_words
from kronkeep_tui import actions, table_export
from kronkeep_tui.actions import handles
from kronkeep_tui.prompt import LinePrompt
from kronkeep_tui.views.view import View
from kronkeep_tui.widgets.row_table import Column, TableRow


class ExportableView(View):
    """A view of rows; a subclass says which are shown now."""

    COLUMNS: ClassVar[tuple[Column, ...]] = ()

    def columns_to_save(self) -> tuple[Column, ...]:
        """Return the columns of those rows, one for each cell."""
        return self.COLUMNS

    def rows_to_save(self) -> list[TableRow]:
        """Return the rows that are shown, with all their cells."""
        raise NotImplementedError

    def records_to_save(self) -> Sequence[object]:
        """Return the records of those rows."""
        raise NotImplementedError

    @handles(actions.EXPORT)
    def ask_export(self) -> None:
        """Ask for the file that gets the rows that are shown, as CSV or JSON by its name."""
        rows = count_words(len(self.records_to_save()), "row")
        question = f"Save {rows} to a file that ends in .csv or .json:"
        self.context.ask(LinePrompt("> ", self._export, question=question, text=f"{self.place.kind}.csv"))

    def _export(self, name: str) -> None:
        rows = self.rows_to_save()
        target = table_export.write_table(Path(name), self.columns_to_save(), rows, self.records_to_save())
        self.context.tell(f"Saved {count_words(len(rows), 'row')} to {target}.", "ok")
