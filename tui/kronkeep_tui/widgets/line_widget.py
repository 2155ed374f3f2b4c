"""Base of the widgets: lines of spans, of which only the parts that differ are sent.

Textual writes out a refreshed region whole, so the bytes sent depend on the refreshed area: `sync` compares
the new lines with those on the screen and refreshes the differing part of each. Nothing here changes the
layout.
"""

from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import cast

from rich.cells import cell_len
from rich.segment import Segment
from textual.css.scalar import Scalar
from textual.events import Click
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import Reactive
from textual.strip import Strip
from textual.widget import Widget

from kronkeep_tui.colours import Roles, ThemedApp
from kronkeep_tui.textual_internals import forget_rendered_lines
from kronkeep_tui.widgets.cells import (
    Span,
    Text,
    fit_text,
    only_draws,
    replace_drawings,
    shows_blanks,
    with_clock_times,
)


class UnscrolledWidget(Widget):
    """A widget that never scrolls by Textual's means, so that a resize needs no second layout and frame."""

    virtual_size: Reactive[Size] = Reactive(Size(0, 0), layout=False, repaint=False)


class LineWidget(UnscrolledWidget):
    """A widget of text lines; subclasses implement `line`."""

    DEFAULT_CSS = "LineWidget { height: 1fr; width: 1fr; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes, markup=False)
        self._drawn: list[Text] = []
        self._drawn_size = Size(0, 0)

    def line(self, y: int, width: int) -> Text:
        """Return line `y` of the widget."""
        raise NotImplementedError

    def lay_out(self, size: Size) -> None:
        """Prepare the content for another size; called before the lines are drawn for it."""

    @property
    def roles(self) -> Roles:
        """The styles of the roles in the current theme."""
        return cast("ThemedApp", self.app).roles

    def in_chosen_form(self, text: Text) -> Text:
        """Return spans with clock times where those are chosen, and in plain mode with words for drawings."""
        if self.roles.shows_clock:
            text = with_clock_times(text)
        return replace_drawings(text) if self.roles.plain else text

    def _visible_line(self, y: int, width: int) -> Text:
        """Return a line, cut before and after drawings become words, so that no sign is left."""
        return self.in_chosen_form(fit_text(self.in_chosen_form(self.line(y, width)), width))

    def _draw(self) -> None:
        width, height = self._drawn_size = self.size
        self.lay_out(self.size)
        self._drawn = [self._visible_line(y, width) for y in range(height)]

    def sync(self, *only: int) -> None:
        """Send what differs from the screen, of all lines or of the lines `only`.

        A hidden sheet has no size. What Textual stored of it is dropped, so that it is drawn in the frame in
        which it appears and not in the one after.
        """
        if not self.size:
            self._drawn_size = self.size
            forget_rendered_lines(self)
        elif self._drawn_size != self.size:
            self._draw()
            self.refresh()
        else:
            for y in only or range(self.size.height):
                self._sync_line(y)

    def _sync_line(self, y: int) -> None:
        width = self.size.width
        before = self._drawn[y]
        after = self._visible_line(y, width)
        if before != after:
            self._drawn[y] = after
            self.refresh(differing_region(before, after, y, width))

    def on_resize(self) -> None:
        self.sync()

    def redraw(self) -> None:
        """Draw everything again, for example in new colours."""
        self._draw()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        if self._drawn_size != self.size:
            self._draw()
        if y >= len(self._drawn):
            return Strip.blank(self.size.width, self.roles[""])
        roles = self.roles
        return Strip([Segment(text, roles[role]) for text, role in self._drawn[y]], self.size.width)


def _count_cells(text: Text) -> int:
    return sum(len(words) if words.isascii() else cell_len(words) for words, _ in text)


def _count_trailing_blanks(text: Text) -> int:
    """Return how many cells at the end of a line show nothing."""
    words, role = text[-1] if text else ("", "")
    return 0 if shows_blanks(role) else len(words) - len(words.rstrip(" "))


def _is_equal(pair: tuple[Span, Span]) -> bool:
    return pair[0] == pair[1]


def differing_region(before: Text, after: Text, y: int, width: int) -> Region:
    """Return the region of a line that differs, without what is blank before and after."""
    same = sum(1 for _ in takewhile(_is_equal, zip(before, after, strict=False)))
    start = _count_cells(after[:same])
    rest = list(zip(reversed(before[same:]), reversed(after[same:]), strict=False))
    tail = sum(1 for _ in takewhile(_is_equal, rest))
    end = (
        _count_cells(after[len(after) - tail :])
        if tail
        else min(_count_trailing_blanks(before), _count_trailing_blanks(after))
    )
    return Region(start, y, max(1, width - start - end), 1)


def no_lines(_: int) -> Sequence[Text]:
    """Return no line, whatever the width."""
    return ()


class TextLine(LineWidget):
    """One line that shows one text."""

    DEFAULT_CSS = "TextLine { height: 1; width: 1fr; }"

    class SpanClicked(Message):
        """Sent when a span of the line was clicked; `number` counts from 0."""

        def __init__(self, line: "TextLine", number: int) -> None:
            super().__init__()
            self.line = line
            self.number = number

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._text: Text = ()

    def line(self, y: int, width: int) -> Text:
        return self._text

    def say(self, *text: tuple[str, str]) -> None:
        """Show spans; send nothing if they are shown already."""
        if text != self._text:
            self._text = text
            self.sync()

    @property
    def spans(self) -> Text:
        """The text that is shown."""
        return self._text

    def on_click(self, event: Click) -> None:
        """Tell which span was clicked."""
        end = 0
        for number, (words, _) in enumerate(self._text):
            end += cell_len(words)
            if event.x < end:
                self.post_message(self.SpanClicked(self, number))
                return

    @property
    def text(self) -> str:
        """The text that is shown, without roles."""
        return "".join(words for words, _ in self._text)


class ScrollableLines(LineWidget):
    """Lines that the movement keys scroll while `lit`; `reachable` says whether `tab` stops here.

    TITLE is what the pane is called.
    """

    TITLE = "page"
    reachable = True
    lit = True

    def move(self, step: int) -> None:
        """Scroll by `step` lines."""
        raise NotImplementedError

    def page(self, step: int) -> None:
        """Scroll by `step` screenfuls."""
        raise NotImplementedError

    def edge(self, end: int) -> None:
        """Scroll to the first line, or with `end` to the last."""
        raise NotImplementedError

    def on_mouse_scroll_down(self) -> None:
        self.move(3)

    def on_mouse_scroll_up(self) -> None:
        self.move(-3)


class ScrollablePage(ScrollableLines):
    """A page of lines that scrolls."""

    TITLE = "details"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._make: Callable[[int], Sequence[Text]] = no_lines
        self._lines: tuple[Text, ...] = ()
        self.top = 0

    def show(self, make: Callable[[int], Sequence[Text]]) -> None:
        """Show other lines, made by `make` for the pane's width; the position stays."""
        self._make = make
        if self.size:
            self.lay_out(self.size)
        self.sync()

    def fit(self, lines: Sequence[Text]) -> None:
        """Show lines and make the pane as high as they are."""
        if self.styles.height != Scalar.from_number(len(lines)):
            self.styles.height = len(lines)

        def lines_for_width(_: int) -> Sequence[Text]:
            return lines

        self.show(lines_for_width)

    def lay_out(self, size: Size) -> None:
        lines = self._make(size.width)
        self._lines = tuple(line for line in lines if not (self.roles.plain and only_draws(line)))
        self._clamp()

    def count_lines(self, width: int) -> int:
        """Return how many lines there are for a width in cells, also while the page is not displayed."""
        return len(self._make(width))

    @property
    def lines(self) -> tuple[Text, ...]:
        """All lines, on the screen or not."""
        return self._lines

    def line(self, y: int, width: int) -> Text:
        number = y + self.top
        return self._lines[number] if number < len(self._lines) else ()

    def _clamp(self) -> None:
        self.top = max(0, min(self.top, len(self._lines) - self.size.height))

    def move(self, step: int) -> None:
        self.top += step
        self._clamp()
        self.sync()

    def page(self, step: int) -> None:
        self.move(step * max(1, self.size.height - 1))

    def edge(self, end: int) -> None:
        self.move(len(self._lines) if end else -len(self._lines))


class FormPanel(ScrollablePage):
    """The page beside or below the fields of a form."""

    def line(self, y: int, width: int) -> Text:
        """Return a line; the last one says so if more follow."""
        below = len(self.lines) - self.top - self.size.height
        if below > 0 and y == self.size.height - 1:
            return ((f" pgdn: {below + 1} more lines", "quiet"),)
        return super().line(y, width)


class TemporaryLines(ScrollablePage):
    """Lines that are shown for a while; it takes no space without any."""

    DEFAULT_CSS = "TemporaryLines { display: none; padding: 0 1; }"

    def fit(self, lines: Sequence[Text]) -> None:
        self.display = bool(lines)
        super().fit(lines)
