"""The Overview: what needs attention, what runs, what comes next; without a CronJob, the first steps."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.css.scalar import Scalar

from kronkeep_common.models import Alert
from kronkeep_tui import actions
from kronkeep_tui.actions import Scope, handles
from kronkeep_tui.context import Context
from kronkeep_tui.navigation import Place
from kronkeep_tui.pages import alerts
from kronkeep_tui.pages import overview as page
from kronkeep_tui.pages.moments import age_cell
from kronkeep_tui.store import Store
from kronkeep_tui.views.table_view import TableView
from kronkeep_tui.widgets.cells import Text
from kronkeep_tui.widgets.line_widget import ScrollablePage, UnscrolledWidget
from kronkeep_tui.widgets.row_table import Column, RowTable, TableRow

MOST_PAGES = 5  # of 1,000 runs
ALERT_COLUMNS = (
    Column(title="", width=5),
    Column(title="NEEDS ATTENTION", width=22, grow=2),
    Column(title="SINCE", width=6, right=True, is_moment=True),
    Column(title="WHY", width=20, drop=1, grow=6),
)


class TwoColumns(Horizontal, UnscrolledWidget):
    """A row of two columns."""


class OverviewView(TableView[Alert]):
    """Alerts above, the rest below in two columns."""

    SCOPES = (Scope.OVERVIEW, Scope.TABLE, Scope.ANY)
    FILTER_KIND = "alerts"
    COLUMNS = ALERT_COLUMNS
    EMPTY_LINES = ("Nothing needs attention.",)
    SCOPED_CSS = False  # widths and heights are classes of the screen, above the view
    DEFAULT_CSS = """
    OverviewView { layout: vertical; }
    .-wide OverviewView { layout: vertical; }
    OverviewView > RowTable { height: 4; }
    OverviewView TwoColumns { height: 1fr; padding: 1 1 0 1; }
    OverviewView #left { width: 1fr; padding-right: 2; }
    OverviewView #right { width: 1fr; }
    OverviewView #welcome { display: none; padding: 2 3; }
    OverviewView.-first #welcome { display: block; }
    OverviewView.-first > RowTable, OverviewView.-first TwoColumns { display: none; }
    """

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        self._own_height: int | None = None

    def compose(self) -> ComposeResult:
        yield RowTable(self.COLUMNS)
        with TwoColumns():
            left = ScrollablePage(id="left")
            right = ScrollablePage(id="right")
            left.reachable = right.reachable = False
            yield left
            yield right
        yield ScrollablePage(id="welcome")

    async def load(self) -> None:
        """Read older runs until those of two weeks are there, MOST_PAGES pages at most."""
        reader = self.context.reader
        begin = self.context.clock.now() - page.FORTNIGHT
        for _ in range(MOST_PAGES):
            if reader.store.complete_since <= begin or not await reader.read_older_runs():
                return

    def crumb(self, store: Store) -> str:
        return "Overview"

    def version(self, store: Store) -> object:
        return store.alerts

    def records(self, store: Store) -> Sequence[Alert]:
        return alerts.open_alerts(store)

    def row_of(self, record: Alert, store: Store, now: datetime) -> TableRow:
        shown, kind = alerts.state(record)
        return TableRow(
            record.id, (shown, alerts.subject_of(record), age_cell(record.since, now), record.message), kind
        )

    def show(self, store: Store, now: datetime) -> None:
        """Show everything, or the welcome while there is neither a CronJob nor a run."""
        first = self.context.reader.has_read and not store.cronjobs and not len(store.executions)
        self.set_class(first, "-first")
        if first:
            pane = self.query_one("#welcome", ScrollablePage)
            pane.show(lambda width: page.welcome(store, min(76, max(20, width))))
            return
        super().show(store, now)
        self._fit_list()

    def _fit_list(self) -> None:
        """Make the list as high as its rows, at most 40 % of the view, unless the user has set its height."""
        rows = len(self.table.rows)
        height = (
            max(4, min(rows + 2, self.context.view_size.height * 2 // 5))
            if self._own_height is None
            else self._own_height
        )
        if self.table.styles.height != Scalar.from_number(height):
            self.table.styles.height = height

    def headline(self) -> Text:
        return () if self.has_class("-first") else super().headline()

    def show_detail(self) -> None:
        """Show the two columns, which stand in the place of details."""
        store = self.store
        now = self._now
        if now is None:
            return
        if not self.context.reader.has_read:
            return  # nothing is known, so nothing is claimed
        for name, sections in (("left", page.LEFT), ("right", page.RIGHT)):
            made = partial(page.column, sections, store, now)
            self.query_one(f"#{name}", ScrollablePage).show(made)

    @handles(actions.CHOOSE)
    def open_subject(self) -> None:
        """Open what the alert is about."""
        if (alert := self.subject()) is not None:
            place = alerts.leads_to(alert, self.store)
            self.context.enter(*(place or ("alerts", "")))

    @handles(actions.CREATE)
    def open_new_form(self) -> None:
        """Open the form for a new CronJob."""
        self.context.enter("form")

    @handles(actions.GROW)
    def enlarge_list(self) -> None:
        """Make the list of alerts higher."""
        self._resize_list(2)

    @handles(actions.SHRINK)
    def reduce_list(self) -> None:
        """Make the list of alerts lower."""
        self._resize_list(-2)

    def _resize_list(self, step: int) -> None:
        self._own_height = max(4, min(self.size.height - 4, self.table.outer_size.height + step))
        self._fit_list()
