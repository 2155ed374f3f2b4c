"""What a view may use of the terminal around it, given to its constructor; `frame.Frame` implements it."""

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from textual.geometry import Size

from kronkeep_common.clock import Clock
from kronkeep_tui.actions import Action
from kronkeep_tui.keymap import Binding, Keymap
from kronkeep_tui.navigation import Place, PlacePath
from kronkeep_tui.prompt import Prompt
from kronkeep_tui.reader import Reader
from kronkeep_tui.saved_filters import SavedFilters
from kronkeep_tui.settings import TerminalSettings
from kronkeep_tui.shell_commands import ShellCommand
from kronkeep_tui.store import Store

if TYPE_CHECKING:
    from kronkeep_common.client import Client
    from kronkeep_tui.form.form_state import FormState


class AvailableAction(NamedTuple):
    """An action of a view with its keys, and why it cannot be done now; empty if it can."""

    binding: Binding
    why_not: str


class Context(Protocol):
    """The store and the client, the message line, and the ways to other views."""

    client: "Client"
    clock: Clock
    settings: TerminalSettings
    keymap: Keymap
    """The keys in force."""
    reader: Reader
    drafts: dict[str, "FormState"]
    """Forms with unsaved text, by the place's argument; they outlive their views."""
    saved_filters: SavedFilters
    short_drafts: dict[str, dict[str, str]]
    """The texts of short forms that were not sent, by kind of view and argument."""
    namespace: str
    """The namespace that every view is limited to; empty for all."""

    last_change: tuple[ShellCommand, ...]
    """The last change as lines for a shell."""
    shell_line: str
    """The line by which a shell uses this daemon."""

    @property
    def store(self) -> Store:
        """Everything read from the daemon."""

    @property
    def place(self) -> Place:
        """The place of the view in front."""

    @property
    def view_size(self) -> Size:
        """The size of a view that is in front, in cells."""

    def tell(self, text: str, role: str = "warn") -> None:
        """Show a message until the next action; `role` is its colour."""

    def offer_undo(self, text: str, undo: Callable[[], None]) -> None:
        """Say what was changed, and let `u` undo it for some seconds."""

    def ask(self, prompt: Prompt) -> None:
        """Open a prompt in the message line; it gets the keys until it has ended."""

    def copy(self, text: str) -> None:
        """Copy text to the user's clipboard."""

    def go(self, way: PlacePath) -> None:
        """Show the last place of a path that begins at a tab."""

    def filter_in_front(self, text: str) -> None:
        """Filter the rows of the view in front, once it has any."""

    def enter(self, kind: str, of: str = "") -> None:
        """Show a view one step further in."""

    def replace(self, kind: str, of: str) -> None:
        """Show another view in the place of the one in front."""

    def leave(self) -> None:
        """Go one step out and discard the view that was in front."""

    def forget_view(self, place: Place) -> None:
        """Let a place begin with a new view when it is shown again, as a form does that was sent."""

    def show_row(self, tab: str, key: str) -> None:
        """Show a tab with the cursor on the row of a key, once there is one."""

    def start_work(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run work beside the screen; show its KronkeepError. `name` is what a fault's message calls it."""

    def perform(self, action: Action) -> None:
        """Do an action in the view in front, or show why it cannot be done."""

    def actions_below(self) -> list[AvailableAction]:
        """Return the actions of the view from which help or the palette was opened."""

    def update_bars(self) -> None:
        """Show crumbs, headline and key bar of the view in front as they are now."""
