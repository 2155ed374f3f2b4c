"""The Night view: a row for each CronJob, time across."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from math import floor
from operator import attrgetter

from textual.app import ComposeResult

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.text import count_words
from kronkeep_tui import actions
from kronkeep_tui.actions import Action, Scope, handles
from kronkeep_tui.context import Context
from kronkeep_tui.navigation import Place
from kronkeep_tui.night import batches, page
from kronkeep_tui.night.bars import Bar, NightRow, nearest_bar, selectable_bars
from kronkeep_tui.night.batches import NightEntry
from kronkeep_tui.night.chart import Look
from kronkeep_tui.night.time_window import TimeWindow, place_window, scroll, scroll_to, zoom
from kronkeep_tui.night.words import describe_bar
from kronkeep_tui.pages.status_words import FAULTS, cause
from kronkeep_tui.store import Store
from kronkeep_tui.views.night_board import NightBoard
from kronkeep_tui.views.sort_orders import SortOrder
from kronkeep_tui.views.table_view import TableView
from kronkeep_tui.views.wait_text import is_away
from kronkeep_tui.widgets.cells import Span, Text, plain, rule
from kronkeep_tui.widgets.chart_table import ChartTable
from kronkeep_tui.widgets.line_widget import ScrollablePage
from kronkeep_tui.widgets.row_table import Column, TableRow

HEAD_ROWS = 3  # times, runs at once, archives at once
MOST_STORAGES = 12  # with a line of their own


class NightView(TableView[NightEntry]):
    """What ran, was archived and is planned, in rows; the bar nearest to the cursor's time is selected."""

    SCOPES = (Scope.NIGHT, Scope.TABLE, Scope.ANY)
    FILTER_KIND = "cronjobs"
    COLUMNS = page.COLUMNS
    EMPTY_LINES = ("No CronJob yet.", "", "n in Jobs creates the first one, with its backup.")
    SORT_ORDERS = {
        "s": SortOrder("start", attrgetter("start")),
        "l": SortOrder("length", attrgetter("length"), True),
        "o": SortOrder("overlap", attrgetter("overlap"), True),
        "n": SortOrder("name", attrgetter("name")),
    }
    SCOPED_CSS = False  # widths and heights are classes of the screen, above the view
    DEFAULT_CSS = """
    NightView, .-wide NightView { layout: vertical; }
    NightView > .detail, .-wide NightView > .detail, .-tall NightView > .detail
        { height: 4; width: 1fr; padding: 0 1; border-left: none; }
    """

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        self.board = NightBoard(context)
        self._time: float | None = None
        self._has_batches: bool | None = None
        self._has_storages: bool | None = None  # as the user wants it
        self._opened: frozenset[str] = frozenset()
        self._version: tuple[object, ...] = ()
        self._is_reading = False
        self._named_entries: object = None
        self._longest_name = 0

    def compose(self) -> ComposeResult:
        yield ChartTable(self.COLUMNS, head_rows=HEAD_ROWS)
        yield ScrollablePage(classes="detail")

    @property
    def chart(self) -> ChartTable:
        """The widget with the rows."""
        return self.query_one(ChartTable)

    async def load(self) -> None:
        self._is_reading = True
        try:
            await self.board.read(self.context.clock.now())
        finally:
            self._is_reading = False
        self.update()

    def crumb(self, store: Store) -> str:
        return "The night"

    # rows

    def version(self, store: Store) -> object:
        parts = (self.board.entries, self._has_batches, self._opened, self.chart.size.height, self.order)
        is_same = len(self._version) == len(parts) and all(map(page.is_identical, parts, self._version))
        if not is_same:
            self._version = parts
        return self._version

    def records(self, store: Store) -> Sequence[NightEntry]:
        entries = self.board.entries
        if self.order == "o" and self._now is not None:
            entries = self.board.count_overlaps(self._now)
        return sorted(entries, key=page.default_order)

    def _select(self, store: Store, now: datetime) -> Sequence[NightEntry]:
        self._now = now
        entries = super()._select(store, now)
        if not self._folds(len(entries)):
            return entries
        return batches.fold_batches(entries, self._opened)

    def _folds(self, count: int) -> bool:
        """Whether rows are folded: as the user wants it, else where there are more than fit."""
        if self._has_batches is not None:
            return self._has_batches
        return count > max(1, self.chart.size.height - HEAD_ROWS)

    def filter_facts(self, record: NightEntry) -> object:
        return self.store.cronjob(record.id) or record.row

    def is_faulty(self, record: NightEntry) -> bool:
        return any(bar.status in FAULTS for bar in (*record.row.runs, *record.row.archives))

    def copy_text(self, record: NightEntry) -> str:
        return f"{record.namespace}/{record.row.cronjob}"

    def names_of(self, record: NightEntry) -> tuple[str, ...]:
        return (record.id, record.row.cronjob, self.copy_text(record))

    def columns(self, store: Store) -> tuple[Column, ...]:
        if self._named_entries is not self._records:
            self._named_entries = self._records
            self._longest_name = page.longest([page.label(entry.row, store) for entry in self._records])
        return page.columns_for(self._longest_name, self.context.view_size.width)

    def row_of(self, record: NightEntry, store: Store, now: datetime) -> TableRow:
        bar = self._bar_in(record.row) if record.id == self.chart.key else None
        drawn = self.board.draw(record.row, bar, now)
        return TableRow(record.id, (page.label(record.row, store), drawn))

    # what is shown

    def show(self, store: Store, now: datetime) -> None:
        self._draw(store, now)
        drawn = self.board.window
        if self._place(now) != drawn:  # the names that are shown now have another width
            self._draw(store, now)
        if self.context.reader.live and not self._is_reading and self.board.needs_reading(now):
            self.context.start_work(self.read(), "the night")
            self._is_reading = True

    def _place(self, now: datetime) -> TimeWindow | None:
        chart = self.chart
        return self.board.place(chart.chart_width(chart.size.width or self.context.view_size.width), now)

    def _draw(self, store: Store, now: datetime) -> None:
        self._place(now)
        self.board.update(store, now)
        look = self.board.look(now)
        storages = self._storage_loads()
        self._show_head(look, storages)
        super().show(store, now)
        if self._storage_loads() != storages:  # there are more rows now, or fewer
            self._show_head(look, self._storage_loads())
            super().show(store, now)

    def _show_head(self, look: Look, storages: Mapping[str, Sequence[int]]) -> None:
        head = page.head(look, self.board.runs_at_once, self.board.archives_at_once, storages)
        self.chart.head = head
        self.chart.head_rows = len(head)

    def _storage_loads(self) -> Mapping[str, Sequence[int]]:
        """Return the storages with a line of their own: as the user wants it, else where lines are free."""
        loads = dict(islice(self.board.archives_by_storage.items(), MOST_STORAGES))
        if self._has_storages is not None:
            return loads if self._has_storages else {}
        free = self.chart.size.height - HEAD_ROWS - len(self._records)
        return loads if 1 < len(loads) <= free else {}

    def headline(self) -> Text:
        now = self._now
        if now is None or self.board.window is None:
            return super().headline()
        window = page.window_text(self.board.look(now), self.board.timeline, self._waiting())
        return (*super().headline(), *window)

    def row_text(self) -> str:
        """Return on which row the cursor is, and for how many CronJobs the rows stand."""
        shown = sum(entry.row.members for entry in self._records)
        if shown in (0, len(self._records)):
            return super().row_text()
        row = f"row {self.table.cursor + 1}/{len(self._records)}"
        hidden = "" if shown == len(self._ordered) else f" of {len(self._ordered)}"
        return f"{row}, {shown}{hidden} CronJobs"

    def _waiting(self) -> Span:
        """Return what stands in the headline until the timeline was read."""
        if is_away(self.context):
            return "  not read: the daemon is away", "warn"
        return ("  reading ...", "quiet") if self.load_error is None else ("  not read", "warn")

    def show_detail(self) -> None:
        """Show what is known of the selected bar."""
        entry = self.subject()
        now = self._now
        store = self.store
        bar = self._bar_in(entry.row) if entry is not None else None

        def make(width: int) -> list[Text]:
            lines: list[Text] = [(rule(width),)]
            if entry is None or bar is None or now is None:
                return lines
            lines += describe_bar(entry.row, bar, now.timestamp(), now.tzinfo)
            run = store.executions.get(bar.id)
            return lines + (cause(run.message, run.next_step, width, "warn") if run is not None else [])

        self.query_one(".detail", ScrollablePage).show(make)

    def _bar_in(self, row: NightRow) -> Bar | None:
        moment = self._time
        if moment is None:
            if self._now is None:
                return None
            moment = self._now.timestamp()
        return nearest_bar(row, moment)

    # keys

    @handles(actions.CHOOSE)
    def open_run(self) -> None:
        """Open the selected run, or the rows of a batch; of a planned one the runs before it."""
        entry = self.subject()
        if entry is None:
            return
        if entry.row.members > 1:
            self._opened |= {entry.id}
            self.update()
            return
        self.context.enter(*page.place_of(entry.row, self._bar_in(entry.row)))

    @handles(actions.RUN_BEFORE)
    def select_run_before(self) -> None:
        """Select the run before the selected one."""
        self._step(-1)

    @handles(actions.RUN_AFTER)
    def select_run_after(self) -> None:
        """Select the run after the selected one."""
        self._step(1)

    def _step(self, step: int) -> None:
        entry = self.subject()
        window = self.board.window
        bar = self._bar_in(entry.row) if entry is not None else None
        if entry is None or bar is None or window is None:
            self.context.tell("No run of it is in the time that was read.")
            return
        bars = selectable_bars(entry.row)
        at = bars.index(bar) + step
        if not 0 <= at < len(bars):
            self.context.tell(f"There is no run {'before' if step < 0 else 'after'} this one that was read.")
            return
        self._time = bars[at].begin
        if not window.contains(self._time):
            self.board.go_to(scroll_to(window, self._time))
        self.update()
        if self._now is not None and not self.query_one(".detail").display:  # the bar may be in the same cell
            words = describe_bar(entry.row, bars[at], self._now.timestamp(), self._now.tzinfo)
            self.context.tell(plain(words[0]), "quiet")

    @handles(actions.ZOOM_IN)
    def zoom_in(self) -> None:
        """Show a shorter time."""
        self._zoom(1)

    @handles(actions.ZOOM_OUT)
    def zoom_out(self) -> None:
        """Show a longer time."""
        self._zoom(-1)

    def _zoom(self, steps: int) -> None:
        window = self.board.window
        entry = self.subject()
        if window is None or self._now is None:
            return
        bar = self._bar_in(entry.row) if entry is not None and self._time is not None else None
        now = self._now.timestamp()
        around = bar.begin if bar is not None and window.contains(bar.begin) else now
        self.board.go_to(
            zoom(window, steps, around), is_following=self.board.is_following and window.contains(now)
        )
        self.update()

    @handles(actions.EARLIER)
    def scroll_earlier(self) -> None:
        """Show an earlier time."""
        self._scroll(-1)

    @handles(actions.LATER)
    def scroll_later(self) -> None:
        """Show a later time."""
        self._scroll(1)

    def _scroll(self, halves: int) -> None:
        window = self.board.window
        if window is not None:
            self.board.go_to(scroll(window, halves * max(1, window.columns // 2)))
            self._time = window.begin + window.step * window.columns * (1 + halves) / 2
            self.update()

    @handles(actions.TO_NOW)
    def go_to_now(self) -> None:
        """Show the present moment, and go on with it."""
        window = self.board.window
        self.context.tell("Now is in sight, and stays so.", "quiet")
        if window is not None:
            now = self.context.clock.now().timestamp()
            self.board.go_to(place_window(now, window.columns, window.step), is_following=True)
            self._time = None
            self.update()

    @handles(actions.BATCHES)
    def toggle_batches(self) -> None:
        """Show CronJobs of one schedule in one row, or each in its own."""
        is_folded = any(entry.row.members > 1 for entry in self._records)
        self._has_batches = not is_folded
        self._opened = frozenset()
        self.update()
        count = sum(1 for entry in self._records if entry.row.members > 1)
        none = "" if is_folded else f"No {batches.FEWEST} CronJobs of a namespace have the same schedule."
        words = f"{count_words(count, 'row')} for several CronJobs: enter opens one." if count else none
        self.context.tell(words or "Each CronJob has its own row.", "quiet")

    @handles(actions.STORAGE_LOAD)
    def toggle_storages(self) -> None:
        """Show a line for the archives of each storage, or one line for all."""
        is_shown = self.chart.head_rows > HEAD_ROWS
        if not is_shown and not self.board.archives_by_storage:
            raise InvalidRequest(
                "No archive is in the time that is shown.", next_step="[ shows an earlier one."
            )
        self._has_storages = not is_shown
        self.update()

    def shell_argument(self) -> str:
        window = self.board.window
        if window is None:
            return ""
        moments = (datetime.fromtimestamp(moment, UTC) for moment in (window.begin, window.end))
        return " ".join(f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in moments)

    def refusal(self, action: Action) -> str:
        return "The rows have no more columns." if action == actions.WIDE else ""

    def on_chart_table_chart_resized(self) -> None:
        """Fit the window to the width that the charts have now."""
        self.update()

    def on_chart_table_chart_clicked(self, message: ChartTable.ChartClicked) -> None:
        """Select the bar nearest to where a chart was clicked."""
        window = self.board.window
        if window is not None:
            self._time = window.begin + window.step * floor(message.column)
            self.update()

    def unwind(self) -> bool:
        """Close the batches that were opened, else go back to now, else as in every table."""
        if super().unwind():
            return True
        if self._opened:
            self._opened = frozenset()
            self.update()
            return True
        if not self.board.is_following:
            self.go_to_now()
            return True
        return False
