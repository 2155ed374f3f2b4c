"""The lines below the fields of a form: what may be typed, or why it was refused."""

from typing import cast

from textual.widget import Widget

from kronkeep_tui.widgets.cells import Text, wrap
from kronkeep_tui.widgets.line_widget import ScrollablePage

MOST_LINES = 3
LEAST_CELLS = 20


class HintLines(ScrollablePage):
    """A text in as many lines as it needs, up to MOST_LINES."""

    DEFAULT_CSS = "HintLines { height: 1; }"
    reachable = False

    def say(self, text: str, role: str) -> None:
        """Show a text; the fields give up a line where it needs one more."""
        width = max(LEAST_CELLS, cast("Widget", self.parent).size.width - 1)
        lines: list[Text] = [((f" {part}", role),) for part in wrap(text, width)]
        self.fit(lines[:MOST_LINES])

    @property
    def count(self) -> int:
        """How many lines it has."""
        return max(1, len(self.lines))
