"""What every view has: its scopes, its crumb, what it shows of a Store, and why an action is refused in it.

A new view is a module with a class here below, and a line in views/__init__.py.
"""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.geometry import Size
from textual.widget import Widget

from kronkeep_tui.actions import ANY, Action
from kronkeep_tui.store import Store
from kronkeep_tui.widgets.cells import Text
from kronkeep_tui.widgets.line_widget import Scrolling, Still

if TYPE_CHECKING:
    from kronkeep_tui.app import KronkeepApp
    from kronkeep_tui.frame import Frame


class View(Still):
    """The body of the frame; `of` says of what: a CronJob's or a run's id."""

    SCOPES: ClassVar[tuple[str, ...]] = (ANY,)
    DEFAULT_CSS = "View { height: 1fr; width: 1fr; }"

    def __init__(self, of: str = "") -> None:
        super().__init__(markup=False)
        self.of = of
        self.ready = False
        self._waiting: list[Callable[[], None]] = []
        self._pane = 0

    @property
    def kronkeep(self) -> "KronkeepApp":
        """The application, with its type."""
        return cast("KronkeepApp", self.app)

    @property
    def frame(self) -> "Frame":
        """The frame around the view."""
        return self.kronkeep.frame

    @property
    def room(self) -> Size:
        """The view's size once it is in front, whether it is there yet or not."""
        return self.frame.room

    def on_mount(self) -> None:
        """Tells the frame that everything below the view is there."""
        self.ready = True
        self.frame.first_shown(self)
        for do in self._waiting:
            do()
        self._waiting.clear()

    def when_ready(self, do: Callable[[], None]) -> None:
        """Does something once what is below the view is there: keys may come before it."""
        if self.ready:
            do()
        else:
            self._waiting.append(do)

    def on_resize(self) -> None:
        """Shows the same picture for another size."""
        if self.ready:
            self.show(self.kronkeep.reader.store, self.kronkeep.clock.now())

    def crumb(self, store: Store) -> str:
        """The view's part of the line that says where one is."""
        return ""

    def headline(self) -> Text:
        """What stands right of the crumbs: counts, filter, order."""
        return ()

    def show(self, store: Store, now: datetime) -> None:
        """Shows the picture; called after each change, and each second for ages."""

    async def load(self) -> None:
        """Reads what the snapshot lacks; called once, when the view first comes; raises KronkeepError."""

    def subject(self) -> Any:
        """The record that `row` actions are about, or None."""
        return None

    def refusal(self, action: Action) -> str:
        """Why an action cannot be done now; empty where it can."""
        return ""

    def target(self) -> Widget | None:
        """The field that takes what is typed, in a form; the keys of other views are the frame's."""
        return None

    def panes(self) -> list[Scrolling]:
        """What the movement keys can move, in the order of `tab`."""
        return [pane for pane in self.query(Scrolling) if pane.display and pane.reachable]

    def moved(self) -> Scrolling:
        """What the movement keys move now."""
        panes = self.panes()
        return panes[self._pane % len(panes)]

    def do_up(self) -> None:
        """Moves up."""
        self.moved().move(-1)

    def do_down(self) -> None:
        """Moves down."""
        self.moved().move(1)

    def do_page_up(self) -> None:
        """Moves a screen up."""
        self.moved().page(-1)

    def do_page_down(self) -> None:
        """Moves a screen down."""
        self.moved().page(1)

    def do_first(self) -> None:
        """Moves to the first line."""
        self.moved().edge(0)

    def do_end(self) -> None:
        """Moves to the last line."""
        self.moved().edge(1)

    def do_pane(self) -> None:
        """Gives the movement keys to the next pane."""
        self._pane += 1
        for pane in self.panes():
            pane.lit = pane is self.moved()
            pane.sync()
