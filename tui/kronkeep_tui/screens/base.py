"""What every screen has: four fixed rows around its body, and a prompt that takes one answer."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widget import Widget

from kronkeep_tui import actions
from kronkeep_tui.store import Store
from kronkeep_tui.widgets.lines import Line

if TYPE_CHECKING:
    from kronkeep_tui.app import KronkeepApp


class BaseScreen(Screen[None]):
    """A status line, crumbs, the body, a message line, a key bar."""

    WHERE = ""
    CSS = """
    BaseScreen { layout: vertical; }
    BaseScreen .body { height: 1fr; }
    #status { text-style: bold; }
    #message { color: $warning; }
    #keys { text-style: dim; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._answer: Callable[[], None] | None = None
        self._wanted = ""
        self._typed = ""

    @property
    def kronkeep(self) -> "KronkeepApp":
        """The app, with its type."""
        from kronkeep_tui.app import KronkeepApp

        assert isinstance(self.app, KronkeepApp)
        return self.app

    def compose(self) -> ComposeResult:
        """The fixed rows around the body."""
        yield Line(id="status")
        yield Line(self.crumbs(), id="crumbs")
        yield from self.body()
        yield Line(id="message")
        yield Line(id="keys")

    def crumbs(self) -> str:
        """Where we are."""
        return ""

    def body(self) -> "list[Widget]":
        """The screen's own widgets."""
        return []

    def on_mount(self) -> None:
        """Fills the screen."""
        self.query_one("#keys", Line).say(actions.hints(self.WHERE, self.kronkeep.read_only))
        self.show(self.kronkeep.store)

    def on_screen_resume(self) -> None:
        """Shows what changed while another screen was in front."""
        self.show(self.kronkeep.store)

    def show(self, store: Store) -> None:  # noqa: ARG002  screens that extend it use the store
        """Shows the picture; screens add their own part."""
        self.query_one("#status", Line).say(self.kronkeep.status())

    def tell(self, text: str) -> None:
        """Says one sentence in the message line."""
        self.query_one("#message", Line).say(text)

    def confirm(self, question: str, wanted: str, do: Callable[[], None]) -> None:
        """Asks in the message line; `wanted` must be typed (`y`, or a name and enter)."""
        self._answer, self._wanted, self._typed = do, wanted, ""
        self.tell(question)

    def on_key(self, event: events.Key) -> None:
        """Takes the answer while a question is open."""
        if self._answer is None:
            return
        event.stop()
        event.prevent_default()
        if event.key == "escape" or (self._wanted == "y" and event.key != "y"):
            self._answer = None
            self.tell("Nothing was done.")
        elif self._wanted == "y":
            self._accept()
        elif event.key == "enter":
            self._accept() if self._typed == self._wanted else self._refuse()
        elif event.key == "backspace":
            self._typed = self._typed[:-1]
            self.tell(f"Type {self._wanted}: {self._typed}")
        elif event.character and event.character.isprintable():
            self._typed += event.character
            self.tell(f"Type {self._wanted}: {self._typed}")

    def _accept(self) -> None:
        do, self._answer = self._answer, None
        self.tell("")
        if do is not None:
            do()

    def _refuse(self) -> None:
        self._answer = None
        self.tell("The name does not match; nothing was done.")

    def action_back(self) -> None:
        """Goes one step out."""
        self.app.pop_screen()

    def action_leave(self) -> None:
        """Quits."""
        self.app.exit(0)

    def action_resync(self) -> None:
        """Reads everything again."""
        self.kronkeep.resync()
