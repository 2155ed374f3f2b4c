"""The Kubernetes Events of a run."""

from collections.abc import Sequence
from datetime import datetime

from kronkeep_common.api import EventView
from kronkeep_common.errors import LogRemoved
from kronkeep_tui import actions
from kronkeep_tui.actions import Scope, handles
from kronkeep_tui.context import Context
from kronkeep_tui.navigation import Place
from kronkeep_tui.pages.moments import local_time
from kronkeep_tui.store import Store
from kronkeep_tui.views.page_view import PageView
from kronkeep_tui.views.wait_text import waiting_lines
from kronkeep_tui.widgets.cells import Text, wrap

NO_EVENTS = "There are no Events of this run; Kubernetes keeps them for an hour."


class EventsView(PageView):
    """The Events of the run whose id is the argument, oldest first."""

    SCOPES = (Scope.EVENTS, Scope.PAGE, Scope.ANY)

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        self._events: Sequence[EventView] | None = None
        self._why_none = NO_EVENTS

    def crumb(self, store: Store) -> str:
        return "events"

    def lines(self, store: Store, now: datetime, width: int) -> Sequence[Text]:
        if self._events is None:
            return waiting_lines(self.context, width)
        if not self._events:
            return [((line, "quiet"),) for line in wrap(self._why_none, width)]
        return [line for event in self._events for line in _event_lines(event, now, width)]

    async def load(self) -> None:
        try:
            self._events = (await self.context.client.runs.events(self.argument)).items
        except LogRemoved as removed:
            self._events = ()
            self._why_none = removed.message
        self.update()

    @handles(actions.RESYNC)
    def reload(self) -> None:
        """Fetch the Events again."""
        self.context.start_work(self.read(), "events")


def _event_lines(event: EventView, now: datetime, width: int) -> list[Text]:
    kind = "warn" if event.type == "Warning" else ""
    times = f" x{event.count}" if event.count > 1 else ""
    head: Text = (
        (f"{local_time(event.at, now, '%Y-%m-%d %H:%M:%S')}  ", "quiet"),
        (f"{event.type:8} {event.reason}{times}", kind or "strong"),
        (f"  {event.object}", "quiet"),
    )
    return [head, *(((f"    {part}", kind),) for part in wrap(event.message, max(20, width - 4)))]
