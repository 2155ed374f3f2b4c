"""The base of views whose rows can be sorted by a letter or a name."""

from typing import ClassVar

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.name_suggestions import suggest_name
from kronkeep_tui import actions
from kronkeep_tui.actions import handles
from kronkeep_tui.context import Context
from kronkeep_tui.navigation import Place
from kronkeep_tui.prompt import LetterPrompt
from kronkeep_tui.views.exportable_view import ExportableView
from kronkeep_tui.views.sort_orders import SortOrder
from kronkeep_tui.widgets.row_table import RowTable


class SortableView(ExportableView):
    """Rows in an order; `order` is its letter, empty for that of the records."""

    SORT_ORDERS: ClassVar[dict[str, SortOrder]] = {}
    SORT_FIELDS: ClassVar[dict[str, str]] = {}  # of those orders that `kronkeep get --sort-by` has, too

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        self.order = ""
        self.is_reversed = False

    def sort_option(self) -> str:
        order = self.SORT_ORDERS.get(self.order)
        field = self.SORT_FIELDS.get(self.order)
        if order is None or field is None:
            return ""
        return f"{'-' if order.down != self.is_reversed else ''}{field}"

    @handles(actions.SORT)
    def ask_sort_order(self) -> None:
        """Ask for the letter of a sort order."""
        if not self.SORT_ORDERS:
            raise InvalidRequest("The rows of this view have one order.", next_step="/ filters them.")
        orders = " ".join(f"{letter}:{order.name}" for letter, order in self.SORT_ORDERS.items())
        self.context.ask(LetterPrompt(f"Sort {orders} -:as at first", self.sort_by))

    def sort_by(self, letter: str) -> None:
        """Sort by the order with a letter, reversed where it is the order already; `-` is the first order."""
        if letter not in (*self.SORT_ORDERS, "-"):
            raise InvalidRequest("That is no order: nothing was changed.", next_step="S shows the letters.")
        self.is_reversed = letter == self.order and not self.is_reversed
        self.order = "" if letter == "-" else letter
        self.update()

    def sort_by_name(self, name: str) -> None:
        letters = {order.name: letter for letter, order in self.SORT_ORDERS.items()}
        letter = letters.get(name, name)
        if letter not in self.SORT_ORDERS:
            raise InvalidRequest(f"There is no order {name!r}.", next_step=suggest_name(name, letters))
        self.sort_by(letter)

    def on_row_table_row_entered(self) -> None:
        """Open a row that was clicked twice."""
        self.context.perform(actions.CHOOSE)

    def on_row_table_title_clicked(self, message: RowTable.TitleClicked) -> None:
        """Sort by the column whose title was clicked, the other way round at the second click."""
        if message.letter in self.SORT_ORDERS:
            self.sort_by(message.letter)
