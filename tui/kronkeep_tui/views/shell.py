"""Lines for a shell, which enter copies."""

from collections.abc import Sequence
from datetime import datetime

from kronkeep_tui import actions, shell_commands
from kronkeep_tui.actions import handles
from kronkeep_tui.shell_commands import ShellCommand
from kronkeep_tui.store import Store
from kronkeep_tui.views.table_view import TableView
from kronkeep_tui.widgets.cells import Text, wrap_anywhere
from kronkeep_tui.widgets.row_table import Column, TableRow


class ShellView(TableView[ShellCommand]):
    """The lines of the argument; the whole of the one under the cursor stands below."""

    COLUMNS = (
        Column(title="WHAT", width=16),
        Column(title="BY", width=9),
        Column(title="LINE (enter copies it)", width=40, grow=4),
    )

    def crumb(self, store: Store) -> str:
        return "in a shell"

    def records(self, store: Store) -> Sequence[ShellCommand]:
        return shell_commands.decode(self.argument)

    def version(self, store: Store) -> object:
        return self.argument

    def key_of(self, record: ShellCommand) -> str:
        return record.line

    def row_of(self, record: ShellCommand, store: Store, now: datetime) -> TableRow:
        return TableRow(record.line, (record.about, record.program, record.line))

    def detail_lines(self, record: ShellCommand, store: Store, now: datetime, width: int) -> list[Text]:
        return [((part, ""),) for part in wrap_anywhere(record.line, width)]

    def copy_text(self, record: ShellCommand) -> str:
        return record.line

    @handles(actions.CHOOSE)
    def copy_line(self) -> None:
        """Copy the line under the cursor."""
        if (record := self.subject()) is not None:
            self.context.copy(record.line)
