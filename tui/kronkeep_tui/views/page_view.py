"""The base of views that show one page of text: it scrolls and can be searched."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from textual.app import ComposeResult

from kronkeep_tui import actions
from kronkeep_tui.actions import Scope, handles
from kronkeep_tui.context import Context
from kronkeep_tui.navigation import Place
from kronkeep_tui.pages.status_words import cause
from kronkeep_tui.prompt import LinePrompt
from kronkeep_tui.store import Store
from kronkeep_tui.views.view import View
from kronkeep_tui.views.wait_text import again_text
from kronkeep_tui.widgets.cells import Text, add_role, plain
from kronkeep_tui.widgets.line_widget import ScrollablePage


class PageView(View):
    """A page of text; a subclass gives `lines`."""

    SCOPES: ClassVar[tuple[Scope, ...]] = (Scope.PAGE, Scope.ANY)
    RETRY_HINT: ClassVar[str] = "ctrl+r tries again, esc goes back."

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        self._search_text = ""
        self._match_line = -1

    def compose(self) -> ComposeResult:
        yield ScrollablePage()

    @property
    def pane(self) -> ScrollablePage:
        """The widget with the page."""
        return self.query_one(ScrollablePage)

    def lines(self, store: Store, now: datetime, width: int) -> Sequence[Text]:
        """Return the page's lines for a width in cells."""
        raise NotImplementedError

    def show(self, store: Store, now: datetime) -> None:

        def make(width: int) -> list[Text]:
            lines = [((" ", ""), *line) for line in self._lines_or_error(store, now, max(20, width - 2))]
            if self._search_text and 0 <= self._match_line < len(lines):
                lines[self._match_line] = add_role(lines[self._match_line], "found")
            return lines

        self.pane.show(make)

    def _lines_or_error(self, store: Store, now: datetime, width: int) -> Sequence[Text]:
        """Return the page, or why it could not be read and which key tries again."""
        error = self.load_error
        if error is None:
            return self.lines(store, now, width)
        return [*cause(error.message, error.next_step, width, "bad"), (), ((self.RETRY_HINT, "quiet"),)]

    @handles(actions.SEARCH)
    def ask_search(self) -> None:
        """Ask what to search for."""
        self.context.ask(LinePrompt("/", self._search, text=self._search_text, on_change=self._search))

    def unwind(self) -> bool:
        """End the search; return False where there is none."""
        if not self._search_text:
            return False
        self._search("")
        return True

    def _search(self, words: str) -> None:
        self._search_text = words
        self._match_line = -1
        self._go_to_match(1)

    @handles(actions.RESYNC)
    def reload(self) -> None:
        """Read the page again."""
        self.context.start_work(self.read(), f"load {type(self).__name__}")
        self.context.reader.resync()
        self.context.tell(again_text(self.context), "quiet")

    @handles(actions.NEXT_MATCH)
    def go_to_next_match(self) -> None:
        """Go to the next match."""
        self._go_on(1)

    @handles(actions.PREVIOUS_MATCH)
    def go_to_previous_match(self) -> None:
        """Go to the match before."""
        self._go_on(-1)

    def _go_on(self, step: int) -> None:
        self._go_to_match(step)
        if self._match_line < 0:
            self.context.tell("Nothing is found." if self._search_text else "/ searches first.")

    def _go_to_match(self, step: int) -> None:
        words = self._search_text.lower()
        lines = self.pane.lines
        order = [
            n % len(lines)
            for n in range(self._match_line + step, self._match_line + step + step * len(lines), step)
        ]
        self._match_line = next((n for n in order if words and words in plain(lines[n]).lower()), -1)
        if self._match_line >= 0:
            self.pane.top = max(0, self._match_line - self.pane.size.height // 2)
        self.update()
