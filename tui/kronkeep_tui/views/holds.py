"""Silences and maintenances: what is held back or suspended now, until when, and why."""

from collections.abc import Coroutine, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

from kronkeep_tui import actions, hold_line
from kronkeep_tui.actions import Action, Scope, handles
from kronkeep_tui.context import Context
from kronkeep_tui.navigation import Place
from kronkeep_tui.pages import holds as page
from kronkeep_tui.pages.holds import Hold
from kronkeep_tui.prompt import LinePrompt, YesNoPrompt
from kronkeep_tui.store import Store
from kronkeep_tui.views.sort_orders import SortOrder
from kronkeep_tui.views.table_view import TableView
from kronkeep_tui.widgets.cells import Text
from kronkeep_tui.widgets.row_table import TableRow

MOST_HOLDS = 1000  # of each kind; the daemon keeps 300 at most


class HoldsView(TableView[Hold]):
    """Silences and maintenances, those that hold something first."""

    SCOPES = (Scope.HOLDS, Scope.TABLE, Scope.ANY)
    COLUMNS = page.COLUMNS
    DEFAULT_CSS = "HoldsView > .detail { height: 6; }"
    EMPTY_LINES = (
        "No alert is held back, and no CronJob is suspended by a maintenance.",
        "",
        "s  silences alerts     m  starts a maintenance",
    )
    SORT_ORDERS = {
        "s": SortOrder("state", attrgetter("status")),
        "n": SortOrder("kind", attrgetter("kind")),
        "a": SortOrder("end", page.end_order),
    }

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        self._holds: Sequence[Hold] = ()

    def crumb(self, store: Store) -> str:
        return "silences and maintenances"

    def records(self, store: Store) -> Sequence[Hold]:
        return self._holds

    def version(self, store: Store) -> object:
        return self._holds

    def is_faulty(self, record: Hold) -> bool:
        """Return whether it could not suspend or resume a CronJob."""
        return bool(getattr(record.view, "faults", ()))

    def row_of(self, record: Hold, store: Store, now: datetime) -> TableRow:
        return page.row(record, now)

    def detail_lines(self, record: Hold, store: Store, now: datetime, width: int) -> list[Text]:
        return page.detail(record, now, width)

    async def load(self) -> None:
        """Read the silences and maintenances."""
        client = self.context.client
        silences = (await client.silences.list(limit=MOST_HOLDS)).items
        maintenances = (await client.maintenance.list(limit=MOST_HOLDS)).items
        self._holds = tuple(page.list_holds(silences, maintenances))
        self.update()

    @handles(actions.RESYNC)
    def reload(self) -> None:
        """Read the silences and maintenances again."""
        self.context.start_work(self.load(), "silences")

    def refusal(self, action: Action) -> str:
        hold = self.subject()
        if action == actions.END_HOLD and hold is not None and hold.status in ("ending", "ended"):
            return f"The {hold.kind} has ended already."
        return ""

    @handles(actions.CHOOSE)
    def show_what_it_holds(self) -> None:
        """Show the alerts, of which a silence holds some, or the CronJobs."""
        if (hold := self.subject()) is not None:
            self.context.go((Place("alerts" if hold.kind == "silence" else "jobs"),))

    @handles(actions.SILENCE)
    def ask_silence(self) -> None:
        """Ask which alerts shall not be sent, how long and why."""
        self.context.ask(LinePrompt("Silence: ", self._start_silence, question=actions.SILENCE_QUESTION))

    def _start_silence(self, line: str) -> None:
        request = hold_line.parse_silence(line)
        self.context.start_work(self._reload_after(self.changes.create_silence(request)), "silence")

    @handles(actions.MAINTAIN)
    def ask_maintenance(self) -> None:
        """Ask which CronJobs shall be suspended, how long and why."""
        question = actions.MAINTENANCE_QUESTION
        self.context.ask(LinePrompt("Maintenance: ", self._start_maintenance, question=question))

    def _start_maintenance(self, line: str) -> None:
        request = hold_line.parse_maintenance(line)
        self.context.start_work(self._reload_after(self.changes.start_maintenance(request)), "maintenance")

    @handles(actions.END_HOLD)
    def ask_end(self) -> None:
        """End the silence or maintenance, after a question."""
        hold = self.subject()
        if hold is None:
            return
        effect = "its CronJobs run again" if hold.kind == "maintenance" else "what is still wrong is sent"
        question = f"End the {hold.kind} {hold.view.filter or 'of all'}: {effect}?"

        def confirm() -> None:
            self.context.start_work(self._reload_after(self.changes.end_hold(hold.kind, hold.id)), "end")

        self.context.ask(YesNoPrompt(question, confirm))

    async def _reload_after(self, change: Coroutine[Any, Any, None]) -> None:
        await change
        await self.load()
