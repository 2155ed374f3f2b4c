"""The only screen: status, tabs and crumbs above the view in front, message or prompt and keys below it."""

import shlex
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from textual import events
from textual.app import ComposeResult
from textual.geometry import Size
from textual.screen import Screen

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError, NotAllowedNow
from kronkeep_tui import actions, commands, shell_commands, user_commands
from kronkeep_tui.actions import TABS, Action, handler_of, handles
from kronkeep_tui.colours import ThemedApp
from kronkeep_tui.context import AvailableAction, Context
from kronkeep_tui.external_programs import describe_end
from kronkeep_tui.key_input import KeyInput
from kronkeep_tui.keymap import Keymap, key_label
from kronkeep_tui.navigation import Navigation, Place, PlacePath
from kronkeep_tui.pages.bars import crumbs_line, keys_line, status_line, tabs_line, trouble
from kronkeep_tui.prompt import LinePrompt, Prompt, YesNoPrompt
from kronkeep_tui.reader import Reader
from kronkeep_tui.saved_filters import SavedFilters
from kronkeep_tui.settings import TerminalSettings, settings_path
from kronkeep_tui.shell_commands import ScreenFacts, ShellCommand
from kronkeep_tui.store import Store
from kronkeep_tui.undo import UNDO_SECONDS, UndoOffer
from kronkeep_tui.view_cache import Covered, ViewCache
from kronkeep_tui.view_work import run_for_view
from kronkeep_tui.views.view import View
from kronkeep_tui.views.wait_text import again_text
from kronkeep_tui.widgets.line_widget import LineWidget, TemporaryLines, TextLine
from kronkeep_tui.widgets.message_line import MessageLine

if TYPE_CHECKING:
    from kronkeep_common.client import Client
    from kronkeep_tui.form.form_state import FormState

FIXED_ROWS = 5  # status, tabs, crumbs, message and keys
LEAST_ROWS = 8  # of a terminal, below which neither tabs nor crumbs are shown
MOST_COPIED_BYTES = 74_000  # many terminals ignore a longer OSC 52
MOST_COMMANDS = 50  # that the `:` prompt remembers


class Frame(Screen[None], Covered):
    """The fixed rows and the stack of views; it is the Context of every view."""

    BINDINGS = []
    AUTO_FOCUS = ""
    # Not CSS: Textual does not load that of an application's default screen.
    DEFAULT_CSS = """
    Frame { layout: vertical; layers: default over; overflow: hidden; }
    Frame.-least > #tabs, Frame.-least > #crumbs { display: none; }
    Frame > #more { layer: over; dock: bottom; margin-bottom: 1; background: $background; }
    """

    def __init__(
        self,
        *,
        client: "Client",
        clock: Clock,
        settings: TerminalSettings,
        reader: Reader,
        create_view: Callable[[Context, Place], View],
        start: str,
    ) -> None:
        super().__init__()
        self.client = client
        self.clock = clock
        self.settings = settings
        self.reader = reader
        self.keymap = Keymap(settings.keys, settings.commands)
        self.navigation = Navigation(Place(start))
        self.namespace = ""
        self.shell_line = ""
        self.last_change: tuple[ShellCommand, ...] = ()
        self._undo_offer = UndoOffer(clock)
        self.drafts: dict[str, FormState] = {}
        self.saved_filters = SavedFilters(settings.filters, settings_path().with_name("filters.json"))
        self.short_drafts: dict[str, dict[str, str]] = {}
        self.message_line = MessageLine(clock)
        self._views = ViewCache()
        self._create_view = create_view
        self._key_input = KeyInput(self)
        self._past_commands: list[str] = []

    @property
    def store(self) -> Store:
        """Everything read from the daemon."""
        return self.reader.store

    @property
    def place(self) -> Place:
        """The place of the view in front."""
        return self.navigation.place

    @property
    def view(self) -> View:
        """The view in front."""
        view = self._views.at(self.place)
        assert view is not None
        return view

    def compose(self) -> ComposeResult:
        """Yield the rows from the top down, and what lies over them."""
        yield TextLine(id="status")
        yield TextLine(id="tabs")
        yield TextLine(id="crumbs")
        yield TemporaryLines(id="trouble")
        yield self._views
        yield self.message_line
        yield TextLine(id="keys")
        yield self.message_line.overflow

    def on_mount(self) -> None:
        """Show the first view."""
        self.set_class(self.settings.plain, "-plain")
        self._show_place()

    # what is on the screen

    def _bar(self, name: str) -> TextLine:
        return self.query_one(f"#{name}", TextLine)

    def show(self) -> None:
        """Show the store as it is now; do nothing while the app exits and its widgets go one by one."""
        if not self.app.is_running:
            return
        now = self.clock.now()
        # The note of a lost daemon is the only thing that moves the view: it is rare, and read in full.
        self.query_one("#trouble", TemporaryLines).fit(trouble(self.reader, self.app.size.width - 2))
        if self.view.ready:
            self.view.read_again_if_missed()
            self.view.show(self.store, now)
            for outdated in self.view.outdated_messages():
                self.message_line.withdraw(outdated)
        self._bar("status").say(*status_line(self.reader, self.namespace, now, self.size.width))
        self.update_bars()

    @property
    def view_size(self) -> Size:
        """The size of a view that is in front, in cells."""
        width, height = self.app.size
        return Size(width, height - FIXED_ROWS - len(trouble(self.reader, width - 2)))

    def update_bars(self) -> None:
        """Show tabs, crumbs, headline and key bar of the view in front; in plain mode, speak its row."""
        if not self.query("#tabs"):  # a timer of a view may still come while the terminal ends
            return
        view = self.view
        self._bar("tabs").say(*tabs_line(TABS, self.navigation.path[0].kind, self.size.width))
        if not view.ready:
            return
        path = self.navigation.path
        views = [self._views.named(place, partial(self._create_view, self, place)) for place in path]
        crumbs = [other.crumb(self.store) for other in views]
        self._bar("crumbs").say(*crumbs_line(crumbs, view.headline()))
        hints = self.keymap.hints(view.SCOPES, view.why_not)
        self._bar("keys").say(*keys_line(hints, self.size.width, view.marked_count()))
        if self.settings.plain and (spoken := view.spoken_row()):
            self.message_line.speak(spoken)

    def on_resize(self) -> None:
        """Fit the bars to the new width."""
        self.set_class(self.size.height < LEAST_ROWS, "-least")
        if self._views:
            self.call_after_refresh(self.show)
            self.call_after_refresh(self.message_line.fit_overflow)

    def redraw(self) -> None:
        """Draw everything in the colours of now."""
        for sheet in self.query(LineWidget):
            sheet.redraw()

    # messages and prompts

    def tell(self, text: str, role: str = "warn") -> None:
        """Show a message until the next action; `role` is its colour."""
        self.message_line.tell(text, role)

    def offer_undo(self, text: str, undo: Callable[[], None]) -> None:
        """Say what was changed, and let `u` undo it for some seconds."""
        self._undo_offer.make(undo)
        self.tell(f"{text}   u undoes it ({UNDO_SECONDS:.0f} s)", "ok")

    @handles(actions.UNDO)
    def undo(self) -> None:
        """Undo the last change, for some seconds after it."""
        undo = self._undo_offer.take()
        if undo is None:
            raise NotAllowedNow("There is nothing to undo.", next_step="It can be undone for some seconds.")
        undo()

    def ask(self, prompt: Prompt) -> None:
        """Open a prompt in the message line; it gets the keys until it has ended."""
        self.message_line.ask(prompt)
        self._set_focus()

    def answer(self, key: str, character: str | None) -> None:
        """Give a key to the open prompt."""
        self.attempt(partial(self.message_line.press, key, character))
        self._set_focus()

    def copy(self, text: str) -> None:
        """Copy text through the terminal (OSC 52), where the terminal allows it."""
        count = len(text.encode())
        if count > MOST_COPIED_BYTES:
            self.tell(f"Too long to copy: {count} bytes of {MOST_COPIED_BYTES}.")
            return
        self.app.copy_to_clipboard(text)
        self.tell(f"Copied {text.splitlines()[0] if text else 'nothing'}", "ok")

    # places

    def go(self, way: PlacePath) -> None:
        """Show the last place of a path that begins at a tab."""
        is_from_elsewhere = way[0] not in self.navigation.path
        self.navigation.go(way)
        self._show_place()
        if is_from_elsewhere and len(way) == 1:
            self.view.when_ready(self.view.begin_again)

    def show_row(self, tab: str, key: str) -> None:
        """Show a tab with the cursor on the row of a key, once there is one."""
        self.go((Place(tab),))
        self.view.when_ready(partial(self.view.await_row, key))

    def filter_in_front(self, text: str) -> None:
        """Filter the rows of the view in front, once its widgets exist."""
        view = self.view
        view.when_ready(partial(self.attempt, partial(view.accept_filter, text)))

    def enter(self, kind: str, of: str = "") -> None:
        """Show a view one step further in."""
        self.navigation.enter(Place(kind, of))
        self._show_place()

    def replace(self, kind: str, of: str) -> None:
        """Show another view in the place of the one in front."""
        self.navigation.replace(Place(kind, of))
        self._show_place()

    def leave(self) -> None:
        """Go one step out and discard the view that was in front."""
        place = self.place
        if self.navigation.leave():
            self._show_place()
            self._views.discard(place)

    def forget_view(self, place: Place) -> None:
        """Discard the view of a place that is not in front; it gets a new one when it is shown again."""
        if place != self.place:
            self._views.discard(place)

    def _show_place(self) -> None:
        place = self.place
        view = self._views.at(place)
        if view is None:
            view = self._create_view(self, place)
            view.when_ready(partial(self._first_show, view))
            self._views.add(place, view)
        elif view.ready:
            self._views.display_only(view)
        self._set_focus()
        self._views.mark_used(place, {*self.navigation.path, *(Place(tab) for tab in TABS)})
        self.show()

    def _first_show(self, view: View) -> None:
        """Display a new view, unless the user has gone on meanwhile, and let it read what it lacks."""
        if view is self.view:
            self._views.display_only(view)
            self._set_focus()
            self.show()
        self.start_work(view.read(), f"load {type(view).__name__} {view.argument}", view)

    def _set_focus(self) -> None:
        """Focus a form's field; elsewhere nothing, as a change of focus repaints the screen."""
        target = self.view.focus_target() if self.view.ready and not self.message_line.is_asking else None
        if target is not self.focused:
            self.set_focus(target, scroll_visible=False)

    # keys and actions

    def on_key(self, event: events.Key) -> None:
        """Handle a key that no field has taken."""
        self._key_input.press(event)

    def on_text_line_span_clicked(self, message: TextLine.SpanClicked) -> None:
        """Show the tab that was clicked, or do what a key of the key bar does."""
        bar = message.line
        if self.message_line.is_asking:
            return
        if bar.id == "tabs" and message.number > 0:
            self.go((Place(TABS[message.number - 1]),))
        elif bar.id == "keys" and message.number > 0:
            label = bar.spans[(message.number - 1) // 2 * 2 + 1][0]
            self._perform_key(label)

    def _perform_key(self, label: str) -> None:
        """Do what the key that people write as `label` does in the view in front."""
        for binding in self.keymap.bindings_in(self.view.SCOPES):
            if key_label(binding.keys[0]) == label:
                self.perform(binding.action)
                return

    def on_paste(self, event: events.Paste) -> None:
        """Give pasted text to the prompt."""
        self.message_line.paste(event.text)

    def perform(self, action: Action) -> None:
        """Do an action in the view in front, or show why it cannot be done."""
        self.tell("")
        if why_not := self.view.why_not(action) or self.view.slip_refusal(action):
            self.tell(why_not)
        elif action.tab:
            self.go((Place(action.tab),))
        else:
            handler = handler_of(self.view, action) or handler_of(self, action)
            handler = handler or partial(self._ask_user_command, action)
            if action.needs_row:
                self.view.hold_row()
            self.attempt(handler)

    def _ask_user_command(self, action: Action) -> None:
        """Run a command of the user's own for the record under the cursor, after a question if it changes."""
        command = self.settings.commands[user_commands.number_of(action)]
        argv = user_commands.build_argv(command, self.view.subject())
        run = partial(self._run_user_command, argv)
        if command.changes:
            self.ask(YesNoPrompt(f"Run {shlex.join(argv)}?", run))
        else:
            run()

    def _run_user_command(self, argv: list[str]) -> None:
        code = user_commands.run_program(self.app, argv)
        self.tell(f"{argv[0]} {describe_end(code)}.", "ok" if code == 0 else "warn")

    def attempt(self, do: Callable[[], None]) -> None:
        """Call a function; show a KronkeepError."""
        try:
            do()
        except KronkeepError as error:
            self.tell(f"{error.message} {error.next_step}")

    def start_work(self, work: Coroutine[Any, Any, None], name: str, of: View | None = None) -> None:
        """Run work beside the screen; show its KronkeepError. `name` is what a fault's message calls it.

        of: the view whose work it is; without one that in front.
        """
        task = run_for_view(work, name, view=of or self.view, tell=self.tell)
        self.app.run_worker(task, name=name, group=name, exit_on_error=False)

    def actions_below(self) -> list[AvailableAction]:
        """Return the actions of the view from which help or the palette was opened."""
        below = self.navigation.path[-2:-1]  # none while help or palette, which was left, is drawn once more
        view = (self._views.at(below[0]) if below else None) or self.view
        bindings = self.keymap.bindings_in(view.SCOPES)
        return [AvailableAction(binding, view.why_not(binding.action)) for binding in bindings]

    @handles(actions.BACK)
    def go_back(self) -> None:
        """Undo a mark or a filter of the view; leave it where there is none."""
        if not self.view.unwind():
            self.leave()

    @handles(actions.OLDER)
    def show_older(self) -> None:
        """Go back in the history of places."""
        self._step(-1)

    @handles(actions.NEWER)
    def show_newer(self) -> None:
        """Go forward in the history of places."""
        self._step(1)

    def _step(self, step: int) -> None:
        if self.navigation.step_history(step):
            self._show_place()
        else:
            self.tell(f"There is no view {'before' if step < 0 else 'after'} this one.")

    @handles(actions.LAST)
    def toggle_last(self) -> None:
        """Toggle between this place and the one before it."""
        if self.navigation.toggle_previous():
            self._show_place()
        else:
            self.tell("There is no view before this one.")

    @handles(actions.NAMESPACES)
    def show_all_namespaces(self) -> None:
        """Show all namespaces again."""
        if not self.namespace:
            self.tell("All namespaces are shown already.", "quiet")
        self.set_namespace("")

    def set_namespace(self, namespace: str) -> None:
        """Limit every view to one namespace; empty is all."""
        self.namespace = namespace
        self.show()

    def set_theme(self, name: str) -> None:
        """Change the colours of the terminal."""
        cast("ThemedApp", self.app).set_scheme(name)

    @handles(actions.SHELL)
    def copy_shell_line(self) -> None:
        """Show this screen and the last change as lines for a shell, which can be copied."""
        if self.place.kind != "shell":
            view = self.view
            of = self.place.argument
            screen = ScreenFacts(
                kind=self.place.kind,
                argument=view.shell_argument(),
                namespace=self.namespace,
                filter_text=getattr(view, "filter_text", ""),
                faults_only=getattr(view, "faults_only", False),
                sort_by=view.sort_option(),
                clusters={cluster.id: cluster.name for cluster in self.store.clusters},
                subject=self.store.cronjob(of) or self.store.run_named(of) or view.subject(),
            )
            lines = [*shell_commands.lines_of_screen(screen), *self.last_change]
            lines.append(ShellCommand("this daemon", "exports", self.shell_line))
            self.enter("shell", shell_commands.encode(lines))

    @handles(actions.CLOCK)
    def toggle_clock(self) -> None:
        """Show clock times instead of ages, or ages again."""
        roles = cast("ThemedApp", self.app).roles
        roles.shows_clock = not roles.shows_clock
        self.tell("Clock times in place of ages." if roles.shows_clock else "Ages.", "quiet")
        self.redraw()

    @handles(actions.COMMAND)
    def ask_command(self) -> None:
        """Ask for a `:` command."""
        self.ask(self._command_prompt())

    def _command_prompt(self, text: str = "") -> LinePrompt:
        complete = commands.completer(self.store)
        return LinePrompt(":", self.run_command, text=text, complete=complete, history=self._past_commands)

    def attempt_command(self, do: Callable[[], None]) -> None:
        """Do what the last `:` command waited for; ask for the command again where that is refused."""
        try:
            do()
        except KronkeepError as error:
            prompt = self._command_prompt(self._past_commands[-1])
            prompt.refuse(error)
            self.ask(prompt)

    def run_command(self, text: str) -> None:
        """Run a `:` command; raise InvalidRequest for one that does not exist."""
        self._past_commands = [*self._past_commands, text][-MOST_COMMANDS:]
        commands.run_command(self, text)

    @handles(actions.QUEUE)
    def show_queue(self) -> None:
        """Show what works on repositories, and what waits for them."""
        if self.place.kind != "queue":
            self.enter("queue")

    @handles(actions.HOLDS)
    def show_holds(self) -> None:
        """Show silences and maintenances."""
        if self.place.kind != "holds":
            self.enter("holds")

    @handles(actions.COVERAGE)
    def show_coverage(self) -> None:
        """Show which claims are backed up, and which are not."""
        if self.place.kind != "coverage":
            self.enter("coverage")

    @handles(actions.HELP)
    def show_help(self) -> None:
        """Show the keys of this view."""
        if self.place.kind != "help":
            self.enter("help", self.place.kind)

    @handles(actions.PALETTE)
    def show_palette(self) -> None:
        """Search everything that can be done."""
        if self.place.kind != "palette":
            self.enter("palette", self.place.kind)

    @handles(actions.RESYNC)
    def resync(self) -> None:
        """Read everything from the daemon again."""
        self.reader.resync()
        self.tell(again_text(self), "quiet")

    @handles(actions.LEAVE)
    def quit(self) -> None:
        """Quit; what runs in the daemon goes on."""
        self.app.exit(0)
