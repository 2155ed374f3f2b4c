"""The one screen: status, tabs, crumbs, the view, prompt or message, keys; only the view changes place.

Keys come here when no field of a form took them: to the prompt while one is open, else through the keymap to
an action, which is done by the view, or here, or refused with the reason.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Self, cast

from textual import events
from textual.app import ComposeResult
from textual.containers import Container
from textual.geometry import Region, Size
from textual.screen import Screen

from kronkeep_common.errors import KronkeepError
from kronkeep_tui import commands, views
from kronkeep_tui.actions import BY_NAME, TABS, Action
from kronkeep_tui.navigation import Navigation, Place, Way
from kronkeep_tui.pages.bars import crumbs_line, keys_line, status_line, tabs_line, trouble
from kronkeep_tui.prompt import Prompt
from kronkeep_tui.views.table_view import TableView
from kronkeep_tui.views.view import View
from kronkeep_tui.widgets.cells import wrap
from kronkeep_tui.widgets.line_widget import Bar, Note, Sheet, Still

if TYPE_CHECKING:
    from kronkeep_tui.app import KronkeepApp

FIXED_ROWS = 5  # status, tabs, crumbs, message and keys
KEPT_VIEWS = 16
MOST_COPIED = 74_000  # bytes; many terminals drop a longer OSC 52


class Behind(Still):
    """What others cover wholly: it has nothing to paint; what comes or goes in it paints what it covers."""

    def refresh(
        self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False
    ) -> Self:
        """Paints parts that are asked for, never the whole."""
        painted = repaint and bool(regions)
        return super().refresh(*regions, repaint=painted, layout=layout, recompose=recompose)


class Host(Container, Behind):
    """Where views stand."""

    DEFAULT_CSS = "Host { height: 1fr; }"


class Frame(Screen[None], Behind):
    """Four fixed rows around a view."""

    BINDINGS = []
    AUTO_FOCUS = ""
    CSS = """
    Frame { layout: vertical; layers: default over; }
    #more { layer: over; dock: bottom; margin-bottom: 1; background: $background; }
    """

    def __init__(self, start: str = "overview") -> None:
        super().__init__()
        self.navigation = Navigation(Place(start))
        self.namespace = ""
        self._views: OrderedDict[Place, View] = OrderedDict()
        self._prompt: Prompt | None = None
        self._letter: Callable[[str], None] | None = None
        self._said: tuple[str, str] = ("", "")
        self._past: list[str] = []

    @property
    def kronkeep(self) -> "KronkeepApp":
        """The application, with its type."""
        return cast("KronkeepApp", self.app)

    @property
    def view(self) -> View:
        """The view in front."""
        return self._views[self.navigation.place]

    @property
    def below(self) -> View:
        """The view from which help or the palette was opened."""
        return self._views.get(self.navigation.way[-2], self.view)

    def compose(self) -> ComposeResult:
        """The fixed rows."""
        yield Bar(id="status")
        yield Bar(id="tabs")
        yield Bar(id="crumbs")
        yield Note(id="trouble")
        yield Host()
        yield Bar(id="message")
        yield Bar(id="keys")
        yield Note(id="more")

    def on_mount(self) -> None:
        """Shows the first view."""
        self.set_class(self.kronkeep.settings.plain, "-plain")
        self._arrive()

    # what is on the screen

    def _bar(self, name: str) -> Bar:
        return self.query_one(f"#{name}", Bar)

    def show(self) -> None:
        """Shows the newest picture; nothing while the terminal is being left, when widgets go one by one."""
        app = self.kronkeep
        if not app.is_running:
            return
        now = app.clock.now()
        self._show_trouble()
        if self.view.ready:
            self.view.show(app.reader.store, now)
        self._bar("status").say(*status_line(app.reader, self.namespace, now, self.size.width))
        self.show_place()

    @property
    def room(self) -> Size:
        """What a view has, whether it is in front yet or not."""
        width, height = self.app.size
        return Size(width, height - FIXED_ROWS - len(trouble(self.kronkeep.reader, width - 2)))

    def _show_trouble(self) -> None:
        """Why nothing newer comes, in full above the view; the one thing that moves it, as it is rare."""
        self.query_one("#trouble", Note).fit(trouble(self.kronkeep.reader, self.app.size.width - 2))

    def show_place(self) -> None:
        """Says where one is, and in plain mode reads the row aloud."""
        self._bar("tabs").say(*tabs_line(TABS, self.navigation.way[0].kind, self.size.width))
        if not self.view.ready:
            return
        store = self.kronkeep.reader.store
        way = [self._views[place].crumb(store) for place in self.navigation.way if place in self._views]
        self._bar("crumbs").say(*crumbs_line(way, self.view.headline()))
        self._show_keys()
        if self.kronkeep.settings.plain and self._prompt is None and isinstance(self.view, TableView):
            self._bar("message").say((self.view.spoken(), ""))

    def _show_keys(self) -> None:
        hints = self.kronkeep.keymap.hints(self.view.SCOPES, self.refusal)
        self._bar("keys").say(*keys_line(hints, self.size.width))

    def on_resize(self) -> None:
        """Fits the lines to the width."""
        if self._views:
            self.call_after_refresh(self.show)

    def redraw(self) -> None:
        """Draws everything in other colours."""
        for sheet in self.query(Sheet):
            sheet.redraw()

    def tell(self, text: str, role: str = "warn") -> None:
        """Says something in the message line; what is longer lies over the view until the next action."""
        self._said = (text, role)
        if self._prompt is None and self._letter is None:
            lines = wrap(text, self.app.size.width - 2)
            self._bar("message").say((f" {lines[0]}" if text else "", role))
            self.query_one("#more", Note).fit([((line, role),) for line in lines] if len(lines) > 1 else [])

    # going places

    def go(self, way: Way) -> None:
        """Goes a way that begins at a tab."""
        self.navigation.go(way)
        self._arrive()

    def enter(self, kind: str, of: str = "") -> None:
        """Goes one step in."""
        self.navigation.enter(Place(kind, of))
        self._arrive()

    def instead(self, kind: str, of: str) -> None:
        """Shows something beside what is shown."""
        self.navigation.instead(Place(kind, of))
        self._arrive()

    def leave_view(self) -> None:
        """Goes one step out, and forgets the view that was left."""
        place = self.navigation.place
        if self.navigation.out():
            self._arrive()
            if (gone := self._views.pop(place, None)) is not None:
                gone.remove()

    def _arrive(self) -> None:
        place = self.navigation.place
        view = self._views.get(place)
        if view is None:
            view = self._views[place] = views.make(place)
            view.display = False
            self.query_one(Host).mount(view)
        elif view.ready:
            self._bring(view)
        self._give_keys()
        self._views.move_to_end(place)
        self._forget_old()
        self.show()

    def _bring(self, view: View) -> None:
        """Puts a view in front in one frame: until it is whole, the one before it stays."""
        for other in self._views.values():
            other.display = other is view

    def first_shown(self, view: View) -> None:
        """A view has come for the first time: it gets the keys and reads what it lacks."""
        if view is self.view:
            self._bring(view)
            self._give_keys()
            self.show()
        self.kronkeep.attempt(view.load(), f"load {type(view).__name__} {view.of}")

    def _give_keys(self) -> None:
        """A form's field has the focus; elsewhere nothing has, as a change of focus repaints the screen."""
        target = self.view.target() if self.view.ready and self._prompt is None else None
        if target is not self.focused:
            self.set_focus(target, scroll_visible=False)

    def _forget_old(self) -> None:
        kept = {*self.navigation.way, *(Place(tab) for tab in TABS)}
        for place in list(self._views):
            if len(self._views) > KEPT_VIEWS and place not in kept:
                self._views.pop(place).remove()

    # keys, prompts and actions

    def on_key(self, event: events.Key) -> None:
        """Gives a key to the prompt, or does what it means in this view."""
        if not self.view.ready:
            again = events.Key(event.key, event.character)
            self.view.when_ready(lambda: self._press_again(again))
        elif self._letter is not None:
            do = self._letter
            self._letter = None
            self.tell("")
            do(event.character or "")
        elif self._prompt is not None:
            self._press(event)
        elif (action := self.kronkeep.keymap.at(self.view.SCOPES, event.key)) is not None:
            self.perform(action.name)
        else:
            return
        event.stop()
        event.prevent_default()

    def _press_again(self, event: events.Key) -> None:
        """A key that came before its view goes where it would go now: to a field of a form, or here."""
        if self.focused is not None:
            self.focused._forward_event(event)
        else:
            self.on_key(event)

    def on_paste(self, event: events.Paste) -> None:
        """Gives pasted text to the prompt."""
        if self._prompt is not None and self._prompt.wanted != "y":
            self._prompt.paste(event.text)
            self._show_prompt()

    def ask(self, prompt: Prompt) -> None:
        """Opens a prompt in the reserved line; the keys are its own until it ends."""
        self._prompt = prompt
        self._give_keys()
        self._show_prompt()

    def ask_letter(self, words: str, do: Callable[[str], None]) -> None:
        """Asks for one key."""
        self._bar("message").say((f" {words}", "accent"))
        self._letter = do

    def _show_prompt(self) -> None:
        prompt = self._prompt
        if prompt is not None:
            role = "bad" if prompt.wanted else "accent"
            self._bar("message").say((f" {prompt.shown}", role), (prompt.offered, "quiet"))

    def _press(self, event: events.Key) -> None:
        prompt = self._prompt
        if prompt is None:
            return
        if prompt.press(event.key, event.character):
            if self._prompt is prompt:
                self._prompt = None
                self._give_keys()
                self.tell(prompt.refusal if prompt.refusal else self._said[0], self._said[1])
        else:
            self._show_prompt()

    def refusal(self, action: Action, view: View | None = None) -> str:
        """Why an action cannot be done now, in the view in front or another; empty where it can."""
        app = self.kronkeep
        view = view or self.view
        scopes = view.SCOPES
        if not set(action.where) & set(scopes):
            return f"{action.words} is for {', '.join(action.where)}; this is {scopes[0]}."
        if action.changes and app.settings.read_only:
            return "Read-only: nothing was done."
        if action.changes and not app.reader.live and action.name not in ("create", "submit"):
            return "The daemon cannot be reached; nothing was done. ctrl+r tries it again."
        if action.row and view.subject() is None:
            return f"{action.words}: there is no row under the cursor."
        return view.refusal(action)

    def perform(self, name: str) -> None:
        """Does an action, or says why not."""
        action = BY_NAME[name]
        self.tell("")
        if why := self.refusal(action):
            self.tell(why)
            return
        if name.startswith("view-"):
            self.go((Place(name.removeprefix("view-")),))
            return
        method = getattr(self.view, f"do_{name}", None) or getattr(self, f"do_{name}")
        self.attempt(method)

    def attempt(self, do: Callable[[], None]) -> None:
        """Does something; what kronkeep raises is said and no more."""
        try:
            do()
        except KronkeepError as error:
            self.tell(f"{error.message} {error.next_step}")

    def copy(self, text: str) -> None:
        """Copies through the terminal (OSC 52), where it allows that."""
        if len(text.encode()) > MOST_COPIED:
            self.tell(f"Too long to copy: {len(text.encode())} bytes of {MOST_COPIED}.")
            return
        self.app.copy_to_clipboard(text)
        self.tell(f"Copied {text.splitlines()[0] if text else 'nothing'}", "ok")

    def do_back(self) -> None:
        """Takes back a mark, a filter, then the view."""
        if isinstance(self.view, TableView) and self.view.unwind():
            return
        self.leave_view()

    def do_older(self) -> None:
        """Goes back in the history of views."""
        self._arrive() if self.navigation.step(-1) else self.tell("There is no view before this one.")

    def do_newer(self) -> None:
        """Goes forward in the history of views."""
        self._arrive() if self.navigation.step(1) else self.tell("There is no view after this one.")

    def do_last(self) -> None:
        """Goes to the view before this one."""
        self._arrive() if self.navigation.swap() else self.tell("There is no view before this one.")

    def do_namespaces(self) -> None:
        """Shows all namespaces again."""
        self.set_namespace("")

    def set_namespace(self, namespace: str) -> None:
        """Shows one namespace in every view; empty is all."""
        self.namespace = namespace
        self.show()

    def do_command(self) -> None:
        """Asks for a command."""
        complete = commands.completer(self.kronkeep.reader.store)
        self.ask(Prompt(lead=":", accept=self.command, complete=complete, past=self._past))

    def command(self, text: str) -> None:
        """Does a command."""
        self._past = [*self._past, text][-50:]
        self.attempt(lambda: commands.run(self, text))

    def do_help(self) -> None:
        """Shows the keys of this view."""
        place = self.navigation.place
        if place.kind != "help":
            self.enter("help", place.kind)

    def do_palette(self) -> None:
        """Searches everything that can be done."""
        if self.navigation.place.kind != "palette":
            self.enter("palette", self.navigation.place.kind)

    def do_resync(self) -> None:
        """Reads everything again."""
        self.kronkeep.reader.resync()
        self.tell("Reading again.", "quiet")

    def do_leave(self) -> None:
        """Quits; what runs in the daemon goes on."""
        self.app.exit(0)
