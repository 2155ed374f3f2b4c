"""The four fixed rows: one line each, refreshed only when their text changes."""

from textual.content import Content
from textual.widgets import Static

from kronkeep_common.text import clean


class Line(Static):
    """One line of text; it never changes the layout."""

    DEFAULT_CSS = "Line { height: 1; }"

    def __init__(self, text: str = "", *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(Content(clean(text)), id=id, classes=classes)
        self._text = text

    @property
    def text(self) -> str:
        """What is shown."""
        return self._text

    def say(self, text: str) -> None:
        """Shows `text`; nothing is sent when it is shown already."""
        if text != self._text:
            self._text = text
            self.update(Content(clean(text)), layout=False)
