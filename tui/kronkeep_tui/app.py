"""The Textual application: it creates reader and frame, and shows what was read a few times a second."""

import gc
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from textual.app import App
from textual.driver import Driver

from kronkeep_common.clock import Clock, SystemClock
from kronkeep_common.display_zone import ZonedClock, read_display_zone
from kronkeep_common.errors import KronkeepError
from kronkeep_tui import colours
from kronkeep_tui.external_programs import KeptFault
from kronkeep_tui.frame import Frame
from kronkeep_tui.reader import FLUSH_SECONDS, Reader
from kronkeep_tui.settings import TerminalSettings
from kronkeep_tui.sgr_diff import shortening_driver
from kronkeep_tui.textual_internals import send_changed_cells_only
from kronkeep_tui.views.registry import create_view

if TYPE_CHECKING:
    from kronkeep_common.client import Client

EXIT_HANGUP = 128 + signal.SIGHUP  # as of a process that the signal ends
TICK_SECONDS = 1.0  # ages; what prints the same sends nothing


def is_hung_up(tty: int) -> bool:
    """Return whether nobody is at the other end of a tty any more (poll(2), POLLHUP)."""
    poll = select.poll()
    poll.register(tty, 0)
    return any(event & (select.POLLHUP | select.POLLNVAL | select.POLLERR) for _, event in poll.poll(0))


class KronkeepApp(App[int]):
    """The application on one client.

    `start` is the tab it opens with. Without `has_colours` no colour is sent to the terminal. It ends with
    EXIT_HANGUP once `tty`, the descriptor that it reads, has nobody at its other end. `explain_end` is the
    reader's.
    """

    TITLE = "kronkeep"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-tiny"), (16, "-short"), (36, "-tall")]

    def __init__(
        self,
        client: "Client",
        settings: TerminalSettings | None = None,
        *,
        clock: Clock | None = None,
        start: str = "overview",
        has_colours: bool = True,
        tty: int | None = None,
        explain_end: Callable[[], KronkeepError | None] | None = None,
    ) -> None:
        self.settings = settings or TerminalSettings()
        self._has_colours = has_colours
        self._tty = tty
        look = self._scheme(self.settings.theme)
        self.roles = look.roles
        super().__init__()
        send_changed_cells_only()
        for theme in colours.THEMES:
            self.register_theme(theme)
        self.theme = look.theme
        self.client = client
        self.clock = ZonedClock(clock or SystemClock(), read_display_zone(self.settings.zone))
        self.reader = Reader(client, self.clock, explain_end)
        self.frame = Frame(
            client=client,
            clock=self.clock,
            settings=self.settings,
            reader=self.reader,
            create_view=create_view,
            start=start,
        )
        self._ages_due = False

    def get_driver_class(self) -> type[Driver]:
        """Return the platform's driver, changed to send fewer bytes."""
        return shortening_driver(super().get_driver_class(), has_colours=self._has_colours)

    def get_default_screen(self) -> Frame:
        """Return the frame as the only screen: one below it would be drawn too, and seen through it."""
        return self.frame

    def on_mount(self) -> None:
        """Start reading once something is on the screen."""
        self.call_after_refresh(self._read)

    def _read(self) -> None:
        """Start reading, which imports modules for 60 ms, and collect garbage again."""
        if not gc.isenabled():
            gc.freeze()
            gc.enable()
        self.frame.start_work(self.reader.follow(), "reader")
        self.frame.start_work(self.reader.check_silence(), "silence")
        self.set_interval(FLUSH_SECONDS, self._show_changes)
        self.set_interval(TICK_SECONDS, self._mark_ages_due)
        if self._tty is not None:
            self.set_interval(TICK_SECONDS, self._end_without_tty)

    def set_scheme(self, name: str) -> None:
        """Change the colours to those of a scheme."""
        look = self._scheme(name)
        look.roles.shows_clock = self.roles.shows_clock
        self.roles = look.roles
        self.theme = look.theme
        if self.frame.is_mounted:
            self.frame.redraw()

    def _scheme(self, name: str) -> colours.ColourScheme:
        return colours.colour_scheme(name, plain=self.settings.plain, has_colours=self._has_colours)

    def _mark_ages_due(self) -> None:
        """Let the next flush show ages too, so that both come in one frame."""
        self._ages_due = True

    def _end_without_tty(self) -> None:
        """End once the tty is gone: where SIGHUP is ignored, as under nohup, nothing else says so."""
        assert self._tty is not None
        if is_hung_up(self._tty):
            self.exit(EXIT_HANGUP)

    def _show_changes(self) -> None:
        if self.reader.flush() or self._ages_due:
            self._ages_due = False
            if self.frame.is_mounted:
                self.frame.show()

    @contextmanager
    def suspend(self) -> Iterator[None]:
        """Give the terminal to a program for the block; what that raises comes once the screen is back."""
        kept = KeptFault()
        with super().suspend(), kept:
            yield
        kept.raise_again()

    def action_help_quit(self) -> None:
        """Explain, in place of Textual's hint, that ctrl+c does not quit."""
        self.frame.tell("ctrl+c does nothing here; q quits, and runs and backups go on.", "quiet")
