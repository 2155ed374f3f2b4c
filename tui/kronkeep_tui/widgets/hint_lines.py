"""The lines below the fields of a form: what may be typed, or why it was refused."""

from typing import cast

from textual.widget import Widget

from kronkeep_tui.widgets.cells import Text, wrap
from kronkeep_tui.widgets.line_widget import ScrollablePage

MOST_LINES = 3


class HintLines(ScrollablePage):
    """A text in as many lines as it needs, up to MOST_LINES."""

    DEFAULT_CSS = "HintLines { height: 1; }"
    reachable = False

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._hint = ("", "")

    def say(self, text: str, role: str) -> None:
        """Show a text; the fields give up a line where it needs one more."""
        self._hint = (text, role)
        width = cast("Widget", self.parent).size.width
        # Before the form has a size it is one line: other heights would lay it out, and send it, twice.
        parts = wrap(text, width - 1) if width > 1 else [text]
        lines: list[Text] = [((f" {part}", role),) for part in parts]
        self.fit(lines[:MOST_LINES])

    def on_resize(self) -> None:
        super().on_resize()
        self.say(*self._hint)

    @property
    def count(self) -> int:
        """How many lines it has."""
        return max(1, len(self.lines))
