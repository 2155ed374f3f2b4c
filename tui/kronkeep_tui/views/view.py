"""The base of all views.

A new view is a class derived from `View`, `TableView` or `PageView` in a module of its own, and a line in
`registry.KINDS`.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from textual.widget import Widget

from kronkeep_common.errors import DaemonUnreachable, InvalidRequest, KronkeepError
from kronkeep_common.models import CronJob
from kronkeep_tui import actions
from kronkeep_tui.actions import Action, Scope, handles, place_words
from kronkeep_tui.change_requests import ChangeRequests
from kronkeep_tui.context import Context
from kronkeep_tui.navigation import Place
from kronkeep_tui.pages import clusters
from kronkeep_tui.pages.jobs import question
from kronkeep_tui.prompt import YesNoPrompt
from kronkeep_tui.store import Store
from kronkeep_tui.views.wait_text import STILL_READING, is_away
from kronkeep_tui.widgets.cells import Text
from kronkeep_tui.widgets.line_widget import ScrollableLines, UnscrolledWidget


def lost_words(context: Context) -> str:
    """Return why nothing can be changed while the daemon is away, and what to do."""
    if (end := context.reader.end) is not None:
        return f"{end.message.removesuffix('.')}; nothing was done. {end.next_step}"
    return "The daemon cannot be reached; nothing was done. ctrl+r tries again."


class View(UnscrolledWidget):
    """What stands between the fixed rows of the screen.

    `place.argument` says what it is about, such as a run's id; each subclass says what it takes.
    """

    SCOPES: ClassVar[tuple[Scope, ...]] = (Scope.ANY,)
    DEFAULT_CSS = "View { height: 1fr; width: 1fr; }"

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(markup=False)
        self.context = context
        self.place = place
        self.changes = ChangeRequests(context)
        self.ready = False
        self.is_left = False  # whether it was discarded, so that its widgets go
        self._when_ready: list[Callable[[], None]] = []
        self.load_error: KronkeepError | None = None
        self._connection_of_error = 0
        self._forgotten_before = 0  # as the view last began to read
        self._is_loading = False
        self._pane = 0

    @property
    def argument(self) -> str:
        """What the view is about; its meaning depends on the kind of view."""
        return self.place.argument

    @property
    def store(self) -> Store:
        """Everything read from the daemon."""
        return self.context.store

    @property
    def is_in_front(self) -> bool:
        """Whether the user sees the view, or is about to see it."""
        return self.context.place == self.place

    def on_mount(self) -> None:
        """Run what waits for the view's widgets."""
        self.ready = True
        for callback in self._when_ready:
            callback()
        self._when_ready.clear()

    def when_ready(self, callback: Callable[[], None]) -> None:
        """Call back once the view's widgets exist, at once if they do."""
        if self.ready:
            callback()
        else:
            self._when_ready.append(callback)

    def on_resize(self) -> None:
        """Show the same for another size."""
        if self.ready:
            self.show(self.store, self.context.clock.now())

    def update(self) -> None:
        """Show the store and the view's own state as they are now."""
        self.show(self.store, self.context.clock.now())
        self.context.update_bars()

    # what a subclass says of itself

    def crumb(self, store: Store) -> str:
        """Return the view's name in the line of crumbs."""
        return ""

    def headline(self) -> Text:
        """Return what stands right of the crumbs: counts, filter, order."""
        return ()

    def show(self, store: Store, now: datetime) -> None:
        """Show a store; called after each change, and each second for ages."""

    async def load(self) -> None:
        """Read what the store lacks; called once, when the view is mounted; raise KronkeepError."""

    async def read_backups(self) -> None:
        """Read the older backups that the view shows again; raise KronkeepError."""

    async def read(self) -> None:
        """Load, and keep why it could not be done, for the place where the answer would stand."""
        self.load_error = None
        self._forgotten_before = self.context.reader.forgotten
        self._is_loading = True
        try:
            await self.load()
        except KronkeepError as error:
            self.load_error = error
            self._connection_of_error = self.context.reader.connections
            self.update()
            raise
        finally:
            self._is_loading = False

    def outdated_messages(self) -> Sequence[str]:
        """Return messages of this view that are not true any more, which then go from the screen."""
        return () if self.is_reading else (STILL_READING,)

    @property
    def is_reading(self) -> bool:
        """Whether what it is about may still come, as the first answers are waited for."""
        is_unread = self._is_loading or not self.context.reader.has_read
        return is_unread and self.subject() is None and not is_away(self.context)

    def read_again_if_missed(self) -> None:
        """Read what could not be read as the daemon was away, once it has answered again.

        So are backups that were forgotten as the connection came back.
        """
        reader = self.context.reader
        was_away = isinstance(self.load_error, DaemonUnreachable)
        name = f"{type(self).__name__} {self.argument}"
        if was_away and reader.live and reader.connections > self._connection_of_error:
            self.load_error = None
            self.context.start_work(self.read(), f"load {name}")
        elif reader.live and reader.forgotten > self._forgotten_before:
            self._forgotten_before = reader.forgotten
            self.context.start_work(self.read_backups(), f"backups of {name}")

    def subject(self) -> Any:
        """Return the record that actions on a row are about, None without one."""
        return None

    def shell_argument(self) -> str:
        """Return what the view is about, as `shell_commands` takes it."""
        return self.argument

    def sort_option(self) -> str:
        """Return the order of the rows as `--sort-by` takes it; empty where no option has it."""
        return ""

    def refusal(self, action: Action) -> str:
        """Return why this view refuses an action now, nothing where it does not."""
        return ""

    def focus_target(self) -> Widget | None:
        """Return the field that takes what is typed; None in views without fields."""
        return None

    def spoken_row(self) -> str:
        """Return the row under the cursor as a sentence for screen readers."""
        return ""

    def accept_filter(self, text: str) -> None:
        """Filter the rows; raise InvalidFilter. Views without rows ignore it."""

    def sort_by_name(self, name: str) -> None:
        """Sort the rows; raise InvalidRequest for an unknown order. Views without rows ignore it."""

    def has_row(self, name: str) -> bool:
        """Return whether exactly one row has a name."""
        return False

    def select_row(self, name: str) -> None:
        """Put the cursor on the row with a name; raise InvalidRequest where there is none, or several."""
        raise InvalidRequest("This view has no rows to choose from.", next_step="Repeat it without a name.")

    def hold_row(self) -> None:
        """Keep the cursor on its record, as something is done with it. Views without rows ignore it."""

    def slip_refusal(self, action: Action) -> str:
        """Return why an action comes too soon after another record came under the cursor; nothing if not."""
        return ""

    def begin_again(self) -> None:
        """Go back to where the view begins, as somebody comes to its tab from another."""

    def await_row(self, key: str) -> None:
        """Put the cursor on the row of a key, now or when it comes. Views without rows ignore it."""

    def marked_count(self) -> int:
        """Return how many rows are marked, which keys then act on. Views without rows have none."""
        return 0

    def unwind(self) -> bool:
        """Undo one of the user's selections, such as a filter; return False where there is none."""
        return False

    def scope_refusal(self, action: Action) -> str:
        """Return where an action applies instead of here; nothing if it applies here."""
        if set(action.scopes) & set(self.SCOPES):
            return ""
        return f"{action.label} is for {place_words(action.scopes)}, not for this view."

    def why_not(self, action: Action) -> str:
        """Return why an action cannot be done in this view now; nothing if it can."""
        if text := self.scope_refusal(action):
            return text
        if action.changes and self.context.settings.read_only:
            return "Read-only: nothing was done."
        offline = action in (actions.CREATE, actions.SUBMIT)
        if action.changes and not self.context.reader.live and not offline:
            return lost_words(self.context)
        if action.needs_row and self.subject() is None:
            return STILL_READING if self.is_reading else f"{action.label}: there is no row under the cursor."
        return self.refusal(action)

    def confirm_for_cronjobs(
        self, verb: str, cronjobs: Sequence[CronJob], do: Callable[[Sequence[CronJob]], None]
    ) -> None:
        """Call `do` with the CronJobs once a question that names them is answered with yes."""
        names = [clusters.label(cronjob, self.store) for cronjob in cronjobs]
        self.context.ask(YesNoPrompt(question(verb, names), partial(do, cronjobs)))

    # movement

    def panes(self) -> list[ScrollableLines]:
        """Return what the movement keys can move, in the order of `tab`."""
        return [pane for pane in self.query(ScrollableLines) if pane.display and pane.reachable]

    def active_pane(self) -> ScrollableLines:
        """Return what the movement keys move now."""
        panes = self.panes()
        return panes[self._pane % len(panes)]

    @handles(actions.UP)
    def move_up(self) -> None:
        """Move up by a line."""
        self.active_pane().move(-1)

    @handles(actions.DOWN)
    def move_down(self) -> None:
        """Move down by a line."""
        self.active_pane().move(1)

    @handles(actions.PAGE_UP)
    def page_up(self) -> None:
        """Move up by a screen."""
        self.active_pane().page(-1)

    @handles(actions.PAGE_DOWN)
    def page_down(self) -> None:
        """Move down by a screen."""
        self.active_pane().page(1)

    @handles(actions.FIRST)
    def move_to_start(self) -> None:
        """Move to the first line."""
        self.active_pane().edge(0)

    @handles(actions.END)
    def move_to_end(self) -> None:
        """Move to the last line."""
        self.active_pane().edge(1)

    @handles(actions.PANE)
    def activate_next_pane(self) -> None:
        """Let the movement keys move the next pane, and say which."""
        self._pane += 1
        active = self.active_pane()
        is_alone = len(self.panes()) == 1
        words = "There is no other pane here." if is_alone else f"Up and down move the {active.TITLE}."
        self.context.tell(words, "quiet")
        for pane in self.panes():
            pane.lit = pane is active
            pane.sync()
