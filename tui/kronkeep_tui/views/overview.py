"""The Overview: what needs attention, what runs, what comes next; without a CronJob, the first steps."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from operator import attrgetter

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.css.scalar import Scalar

from kronkeep_common.models import Alert
from kronkeep_tui import actions
from kronkeep_tui.actions import Action, Scope, handles
from kronkeep_tui.context import Context
from kronkeep_tui.navigation import Place
from kronkeep_tui.night import page as night_page
from kronkeep_tui.night.bars import nearest_bar
from kronkeep_tui.night.batches import NightEntry, choose_rows
from kronkeep_tui.pages import alerts
from kronkeep_tui.pages import overview as page
from kronkeep_tui.pages.alerts import AlertGroup
from kronkeep_tui.pages.moments import age_cell
from kronkeep_tui.store import Store
from kronkeep_tui.views.night_board import NightBoard
from kronkeep_tui.views.table_view import TableView
from kronkeep_tui.widgets.cells import Text
from kronkeep_tui.widgets.chart_table import ChartTable
from kronkeep_tui.widgets.line_widget import ScrollablePage, UnscrolledWidget
from kronkeep_tui.widgets.row_table import Column, Rows, TableRow
from kronkeep_tui.widgets.wrapped_table import WrappedTable

MOST_PAGES = 5  # of 1,000 runs
NIGHT_HEAD = 2  # lines above the rows of the night: times, runs at once
ALERT_COLUMNS = (
    Column(title="", width=5),
    Column(title="NEEDS ATTENTION", width=22, grow=2),
    Column(title="SINCE", width=6, right=True, is_moment=True),
    Column(title="WHY", width=20, drop=1, grow=6),
)


class TwoColumns(Horizontal, UnscrolledWidget):
    """A row of two columns."""


class TopPanes(Horizontal, UnscrolledWidget):
    """What needs attention and the night: below each other, or beside each other on a wide screen."""


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
    OverviewView #top { height: 4; layout: vertical; }
    OverviewView.-cockpit #top { layout: horizontal; }
    OverviewView #top > RowTable { height: 4; }
    OverviewView.-cockpit #top > #attention { width: 2fr; margin-right: 2; }
    OverviewView.-cockpit #top > #night { width: 3fr; }
    OverviewView TwoColumns { height: 1fr; padding: 1 1 0 1; }
    OverviewView #left { width: 1fr; padding-right: 2; }
    OverviewView #right { width: 1fr; }
    OverviewView #welcome { display: none; padding: 2 3; }
    OverviewView.-first #welcome { display: block; }
    OverviewView.-first #top, OverviewView.-first TwoColumns { display: none; }
    """

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        self._own_height: int | None = None
        self._groups: Mapping[str, AlertGroup] = {}
        self.board = NightBoard(context)
        self._chosen: Sequence[NightEntry] = ()
        self._is_reading = False

    def compose(self) -> ComposeResult:
        night = ChartTable(night_page.COLUMNS, head_rows=NIGHT_HEAD, id="night")
        night.lit = night.display = False
        with TopPanes(id="top"):
            yield WrappedTable(self.COLUMNS, id="attention")
            yield night
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

    @property
    def attention(self) -> WrappedTable:
        """The pane with what needs attention."""
        return self.query_one("#attention", WrappedTable)

    @property
    def night(self) -> ChartTable:
        """The pane with the night; it is not displayed where it has no space."""
        return self.query_one("#night", ChartTable)

    def crumb(self, store: Store) -> str:
        return "Overview"

    def version(self, store: Store) -> object:
        return store.alerts

    def records(self, store: Store) -> Sequence[Alert]:
        groups = alerts.fold_alerts(alerts.open_alerts(store))
        self._groups = {group.alert.id: group for group in groups}
        return [group.alert for group in groups]

    def _group_of(self, alert: Alert) -> AlertGroup:
        return self._groups.get(alert.id) or AlertGroup(alert, 1)

    def row_of(self, record: Alert, store: Store, now: datetime) -> TableRow:
        shown, kind = alerts.state(record)
        return TableRow(
            record.id,
            (
                shown,
                alerts.subject_of_group(self._group_of(record)),
                age_cell(record.since, now),
                alerts.cause_first(record.message),
            ),
            kind,
        )

    def show(self, store: Store, now: datetime) -> None:
        """Show everything, or the welcome while there is neither a CronJob nor a run."""
        first = self.context.reader.has_read and not store.cronjobs and not len(store.executions)
        self.set_class(first, "-first")
        if first:
            pane = self.query_one("#welcome", ScrollablePage)
            pane.show(lambda width: page.welcome(store, min(76, max(20, width))))
            return
        self.attention.wraps = self.context.view_size.width >= page.COCKPIT
        super().show(store, now)
        self._fit_panes()
        if self.night.display:
            self._show_night(store, now)

    def _fit_panes(self) -> None:
        """Fit attention and night to their rows and to the size of the view, or to what the user has set."""
        size = self.context.view_size
        is_cockpit = size.width >= page.COCKPIT
        self.set_class(is_cockpit, "-cockpit")
        night_rows = len(self.board.rows) or len(self.store.cronjobs)
        heights = page.fit_panes(
            size.width,
            size.height,
            self._count_attention_lines(size.width),
            night_rows + NIGHT_HEAD + 1,
            self._own_height,
        )
        self.night.display = heights.night > 0
        for name, height in (
            ("#attention", heights.alerts),
            ("#night", heights.night),
            ("#top", heights.whole),
        ):
            pane = self.query_one(name)
            if height and pane.styles.height != Scalar.from_number(height):
                pane.styles.height = height

    def _count_attention_lines(self, width: int) -> int:
        """Return how many lines show all that needs attention, in the cockpit with whole reasons."""
        if width < page.COCKPIT:
            return len(self.table.rows) + 2
        return self.attention.count_whole_lines(self.attention.size.width or width * 2 // 5) + 1

    def _show_night(self, store: Store, now: datetime) -> None:
        """Show the night, its longest and its failed rows first if there are more than fit."""
        board = self.board
        chart = self.night
        board.place(chart.chart_width(chart.size.width or self.context.view_size.width), now)
        board.update(store, now)
        if self.context.reader.live and not self._is_reading and board.needs_reading(now):
            self._is_reading = True
            self.context.start_work(self._read_night(), "the night")
        space = (chart.size.height or NIGHT_HEAD + 2) - NIGHT_HEAD
        entries = [entry for entry in board.entries if self.context.namespace in ("", entry.namespace)]
        self._chosen = choose_rows(entries, space)
        names = [night_page.label(entry.row, store) for entry in self._chosen]
        chart.columns = night_page.columns_for(night_page.longest(names), chart.size.width)
        look = board.look(now)
        chart.head = night_page.head(look, board.runs_at_once, board.archives_at_once, {})[:NIGHT_HEAD]

        def make_row(entry: NightEntry) -> TableRow:
            cells = (night_page.label(entry.row, store), board.draw(entry.row, None, now))
            return TableRow(entry.id, cells)

        chart.show(Rows(self._chosen, attrgetter("id"), make_row))

    async def _read_night(self) -> None:
        try:
            await self.board.read(self.context.clock.now())
        finally:
            self._is_reading = False
        self.update()

    def on_chart_table_chart_resized(self) -> None:
        """Show as many rows and columns of the night as there is space for now."""
        self.update()

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
        is_cockpit = self.context.view_size.width >= page.COCKPIT
        left = page.COCKPIT_LEFT if is_cockpit else page.LEFT
        right = page.COCKPIT_RIGHT if is_cockpit else page.RIGHT
        for name, sections in (("left", left), ("right", right)):
            pane = self.query_one(f"#{name}", ScrollablePage)
            pane.show(partial(_column_of_pane, pane, sections, store, now))

    @handles(actions.CHOOSE)
    def open_subject(self) -> None:
        """Open what the alert is about, or the newest run of the night's row."""
        if self._is_in_night():
            self._open_night_row()
            return
        if (alert := self.subject()) is not None and self._group_of(alert).members > 1:
            self.context.go((Place("alerts"),))
            self.context.filter_in_front(f"code:{alert.code}")
        elif alert is not None:
            place = alerts.leads_to(alert, self.store)
            self.context.enter(*(place or ("alerts", "")))

    def _is_in_night(self) -> bool:
        """Return whether keys act on the night; while the terminal ends no pane is shown any more."""
        return bool(self.panes()) and self.active_pane() is self.night

    def _open_night_row(self) -> None:
        row = self._chosen[self.night.cursor].row if self.night.cursor < len(self._chosen) else None
        if row is None or row.members > 1:
            self.context.go((Place("night"),))
        else:
            bar = nearest_bar(row, self.context.clock.now().timestamp())
            self.context.enter(*night_page.place_of(row, bar))

    def why_not(self, action: Action) -> str:
        if action == actions.CHOOSE and self._is_in_night():
            return self.scope_refusal(action)
        return super().why_not(action)

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
        self.context.tell(f"What needs attention has {self._own_height} lines.", "quiet")
        self.update()


def _column_of_pane(
    pane: ScrollablePage, sections: Sequence[page.Section], store: Store, now: datetime, width: int
) -> list[Text]:
    """Return sections as they fit the height of a pane."""
    return page.column(sections, store, now, width, pane.size.height)
