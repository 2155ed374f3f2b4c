"""The base of what is drawn: lines of spans, of which only those that differ are sent.

Textual writes a refreshed region out whole, so bytes are the area that was refreshed: `sync` holds the new
lines against those on the screen and refreshes the differing part of each. Nothing here changes the layout.
"""

from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import cast

from rich.cells import cell_len
from rich.segment import Segment
from textual.css.scalar import Scalar
from textual.geometry import Region, Size
from textual.reactive import Reactive
from textual.strip import Strip
from textual.widget import Widget

from kronkeep_tui.colours import Roles, ThemedApp
from kronkeep_tui.textual_internals import forget_rendered_lines
from kronkeep_tui.widgets.cells import Text, fit_text, only_draws, shows_blanks, spoken


class Still(Widget):
    """What never scrolls by Textual's means: its size asks for no second layout, and no second frame."""

    virtual_size: Reactive[Size] = Reactive(Size(0, 0), layout=False, repaint=False)


class Sheet(Still):
    """Lines of text; a subclass says in `line` what each one is."""

    DEFAULT_CSS = "Sheet { height: 1fr; width: 1fr; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes, markup=False)
        self._drawn: list[Text] = []
        self._drawn_size = Size(0, 0)

    def line(self, y: int, width: int) -> Text:
        """Line `y` of the widget."""
        raise NotImplementedError

    def lay_out(self, size: Size) -> None:
        """Fits what the lines are made from to another size; called before they are drawn for it."""

    @property
    def roles(self) -> Roles:
        """What roles look like now."""
        return cast("ThemedApp", self.app).roles

    def said(self, text: Text) -> Text:
        """Spans as they are shown: in plain mode words for what is drawn."""
        return spoken(text) if self.roles.plain else text

    def _shown_line(self, y: int, width: int) -> Text:
        """A line, cut before and made words after, so that no sign is left."""
        return self.said(fit_text(self.said(self.line(y, width)), width))

    def _draw(self) -> None:
        width, height = self._drawn_size = self.size
        self.lay_out(self.size)
        self._drawn = [self._shown_line(y, width) for y in range(height)]

    def sync(self, *only: int) -> None:
        """Sends what differs from the screen, of all lines or of some.

        A sheet that is hidden has no size; what Textual keeps of it is thrown away, so that it is drawn anew
        in the frame that it comes with, and not in one after that.
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
        after = self._shown_line(y, width)
        if before != after:
            self._drawn[y] = after
            self.refresh(_differing(before, after, y, width))

    def on_resize(self) -> None:
        """Draws for the new size."""
        self.sync()

    def redraw(self) -> None:
        """Draws everything again, as in new colours."""
        self._draw()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        if self._drawn_size != self.size:
            self._draw()
        if y >= len(self._drawn):
            return Strip.blank(self.size.width, self.roles[""])
        roles = self.roles
        return Strip([Segment(text, roles[role]) for text, role in self._drawn[y]], self.size.width)

    def text_lines(self) -> list[str]:
        """What is drawn, without roles."""
        return ["".join(span[0] for span in line) for line in self._drawn]


def _cells(text: Text) -> int:
    return sum(len(words) if words.isascii() else cell_len(words) for words, _ in text)


def _blank(text: Text) -> int:
    """The cells at the end that show nothing."""
    words, role = text[-1] if text else ("", "")
    return 0 if shows_blanks(role) else len(words) - len(words.rstrip(" "))


def _differing(before: Text, after: Text, y: int, width: int) -> Region:
    """The part of a line from the first differing span on, without what is blank before and after."""
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False)))
    start = _cells(after[:same])
    rest = list(zip(reversed(before[same:]), reversed(after[same:]), strict=False))
    tail = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], rest))
    end = _cells(after[len(after) - tail :]) if tail else min(_blank(before), _blank(after))
    return Region(start, y, max(1, width - start - end), 1)


class Bar(Sheet):
    """One line that says one thing."""

    DEFAULT_CSS = "Bar { height: 1; width: 1fr; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._text: Text = ()

    def line(self, y: int, width: int) -> Text:
        """The line."""
        return self._text

    def say(self, *text: tuple[str, str]) -> None:
        """Shows spans; nothing is sent when they are shown already."""
        if text != self._text:
            self._text = text
            self.sync()

    @property
    def text(self) -> str:
        """What is shown."""
        return "".join(words for words, _ in self._text)


class Scrolling(Sheet):
    """Lines that the movement keys move while it is `lit`; `reachable` says whether `tab` comes here."""

    reachable = True
    lit = True

    def move(self, step: int) -> None:
        """Moves by lines."""
        raise NotImplementedError

    def page(self, step: int) -> None:
        """Moves by screenfuls."""
        raise NotImplementedError

    def edge(self, end: int) -> None:
        """Moves to the first or the last line."""
        raise NotImplementedError

    def on_mouse_scroll_down(self) -> None:
        """Moves on."""
        self.move(3)

    def on_mouse_scroll_up(self) -> None:
        """Moves back."""
        self.move(-3)


class Pane(Scrolling):
    """A page of lines that scrolls."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._make: Callable[[int], Sequence[Text]] = lambda _: ()
        self._lines: tuple[Text, ...] = ()
        self.top = 0

    def show(self, make: Callable[[int], Sequence[Text]]) -> None:
        """Shows other lines, made for the width that the pane has or will have; the place stays."""
        self._make = make
        if self.size:
            self.lay_out(self.size)
        self.sync()

    def fit(self, lines: Sequence[Text]) -> None:
        """Shows lines, and is as high as they are."""
        if self.styles.height != Scalar.from_number(len(lines)):
            self.styles.height = len(lines)
        self.show(lambda _: lines)

    def lay_out(self, size: Size) -> None:
        """Makes the lines for a width."""
        made = self._make(size.width)
        self._lines = tuple(line for line in made if not (self.roles.plain and only_draws(line)))
        self._clamp()

    @property
    def lines(self) -> tuple[Text, ...]:
        """All lines, on the screen or not."""
        return self._lines

    def line(self, y: int, width: int) -> Text:
        """The line at the place."""
        number = y + self.top
        return self._lines[number] if number < len(self._lines) else ()

    def _clamp(self) -> None:
        self.top = max(0, min(self.top, len(self._lines) - self.size.height))

    def move(self, step: int) -> None:
        """Scrolls by lines."""
        self.top += step
        self._clamp()
        self.sync()

    def page(self, step: int) -> None:
        """Scrolls by screenfuls."""
        self.move(step * max(1, self.size.height - 1))

    def edge(self, end: int) -> None:
        """Scrolls to the first or the last line."""
        self.move(len(self._lines) if end else -len(self._lines))


class Note(Pane):
    """Lines that are there for a while; without any it takes no place."""

    DEFAULT_CSS = "Note { display: none; padding: 0 1; }"

    def fit(self, lines: Sequence[Text]) -> None:
        """Shows lines, or goes away."""
        self.display = bool(lines)
        super().fit(lines)
