"""The base of views that show a table: filter, sort order, marks, and details of the row under the cursor."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.timer import Timer

from kronkeep_common.errors import DaemonUnreachable, InvalidRequest, KronkeepError
from kronkeep_common.filter_words import FilterWords
from kronkeep_common.name_suggestions import closest_name
from kronkeep_common.record_filter import RecordFilter, parse_filter
from kronkeep_tui import actions
from kronkeep_tui.actions import Action, Scope, handles
from kronkeep_tui.context import Context
from kronkeep_tui.filter_completion import complete_filter, describe_filter
from kronkeep_tui.navigation import Place
from kronkeep_tui.pages import clusters
from kronkeep_tui.pages.status_words import cause
from kronkeep_tui.prompt import LinePrompt
from kronkeep_tui.store import Store
from kronkeep_tui.store_names import StoreNames
from kronkeep_tui.views import detail_pane
from kronkeep_tui.views.name_columns import NameText, measure, with_contents
from kronkeep_tui.views.selection import Selection, mark_text, refuse_change, row_text
from kronkeep_tui.views.sortable_view import SortableView
from kronkeep_tui.views.wait_text import waiting_lines
from kronkeep_tui.widgets.cells import Text, plain, replace_drawings, rule, spans, wrap_facts
from kronkeep_tui.widgets.line_widget import ScrollablePage
from kronkeep_tui.widgets.row_table import Column, Rows, RowTable, TableRow

R = TypeVar("R")
FILTER_SECONDS = 0.12
REST_SECONDS = 0.12
MOST_COUNTED = 2_000  # records of which each candidate of a filter is counted
EMPTY_CELLS = 70  # in which what stands in an empty list is wrapped
SHORTEST_PREFIX = 4  # characters of an id that a command takes for it


class TableView(SortableView, Generic[R]):
    """Records as rows; a subclass gives `records`, `row_of` and whatever else differs."""

    SCOPES: ClassVar[tuple[Scope, ...]] = (Scope.TABLE, Scope.ANY)
    FILTER_KIND: ClassVar[str] = ""  # what the records are, of filter_words.KEYS; empty without a filter
    NAME_COLUMNS: ClassVar[Mapping[str, NameText]] = {}  # by title, what is not cut while there is space
    EMPTY_LINES: ClassVar[tuple[str, ...]] = ("Nothing here yet.",)
    SCOPED_CSS = False  # widths and heights are classes of the screen, above the view
    DEFAULT_CSS = """
    TableView { layout: vertical; }
    TableView > .detail { height: 4; }
    .-tiny TableView > .detail { display: none; }
    .-tall TableView > .detail { height: 14; }
    .-wide TableView { layout: horizontal; }
    .-wide TableView > .detail { width: 36%; height: 1fr; padding-left: 1;
        border-left: solid $foreground 20%; }
    .-plain TableView > .detail { border-left: none; }
    """

    CLUSTER_COLUMN_INDEX: int | None = None  # of the column of the cluster, which is there for several only

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        self.filter_text = ""
        self.faults_only = False
        self._filter: RecordFilter = parse_filter("")
        self._selection: Selection | None = None
        self._records: Sequence[R] = ()
        self._ordered: Sequence[R] = ()  # all records in their natural order, of `_ordered_version`
        self._ordered_version: object = object()  # that of no records
        self._measured: object = None
        self._longest: Mapping[str, int] = {}
        self._rest_timer: Timer | None = None
        self._filter_timer: Timer | None = None
        self._now: datetime | None = None
        self._awaited_key = ""
        self._slipped_at = float("-inf")  # when another record came under the cursor, of the monotonic clock

    def compose(self) -> ComposeResult:
        yield RowTable(self.COLUMNS)
        yield ScrollablePage(classes="detail")

    @property
    def table(self) -> RowTable:
        """The widget with the rows."""
        return self.query_one(RowTable)

    def records(self, store: Store) -> Sequence[R]:
        """Return the view's records in their natural order."""
        raise NotImplementedError

    def version(self, store: Store) -> object:
        """Return an object that is another one whenever `records` would return something else."""
        return store

    def key_of(self, record: R) -> str:
        """Return the identity of a record."""
        return str(record.id)  # type: ignore[attr-defined]  # records have ids; views of others override this

    def row_of(self, record: R, store: Store, now: datetime) -> TableRow:
        """Return a record as a row."""
        raise NotImplementedError

    def filter_facts(self, record: R) -> Any:
        """Return what a filter looks at."""
        return record

    def is_faulty(self, record: R) -> bool:
        """Return whether a record stays when only faults are shown."""
        return False

    def columns(self, store: Store) -> tuple[Column, ...]:
        """Return the columns for the records that are shown, names as wide as they need."""
        columns = self.columns_for_width(self.context.view_size.width)
        if not self.NAME_COLUMNS:
            return columns
        if self._measured is not self._records:
            self._measured = self._records
            self._longest = measure(self._records, self.NAME_COLUMNS, store)
        return with_contents(columns, self._longest)

    def columns_for_width(self, width: int) -> tuple[Column, ...]:
        """Return the columns of a terminal of a width in cells."""
        return self.COLUMNS

    def detail_lines(self, record: R, store: Store, now: datetime, width: int) -> list[Text]:
        """Return lines about the record under the cursor, for a width in cells."""
        return []

    def copy_text(self, record: R) -> str:
        """Return what is copied for a record."""
        return self.key_of(record)

    def show(self, store: Store, now: datetime) -> None:
        """Show the records that pass the filter, in order; select them again only when something changed."""
        selection = Selection(
            version=self.version(store),
            filter_text=self.filter_text,
            faults_only=self.faults_only,
            order=self.order,
            is_reversed=self.is_reversed,
            namespace=self.context.namespace,
        )
        key_before = self._key_under_cursor(selection)
        if not selection.equals(self._selection):
            self._selection = selection
            self._records = self._select(store, now)
        self._now = now
        table = self.table
        table.empty = () if self._records else self._empty_text()
        table.sorted_by = self.order
        cluster_index = self.CLUSTER_COLUMN_INDEX if len(store.clusters) > 1 else None
        table.columns = clusters.columns(self.columns(store), cluster_index)

        def make_row(record: R) -> TableRow:
            return clusters.row(self.row_of(record, store, now), cluster_index, record, store)

        table.show(Rows(self._records, self.key_of, make_row))
        if key_before is None:
            self._slipped_at = float("-inf")  # the user has selected other records since
        elif key_before != table.key:
            self._slipped_at = self.context.clock.monotonic()
        self._find_awaited_row()
        self.show_detail()

    def _key_under_cursor(self, selection: Selection) -> str | None:
        """Return what the cursor is on, None where it is the user who selects other records."""
        before = self._selection
        return self.table.key if before is not None and selection[1:] == before[1:] else None

    def hold_row(self) -> None:
        self.table.follows = True

    def slip_refusal(self, action: Action) -> str:
        if not action.changes or not action.needs_row:
            return ""
        passed = self.context.clock.monotonic() - self._slipped_at
        return refuse_change(len(self.table.marks), self.marked_count(), passed)

    def _select(self, store: Store, now: datetime) -> Sequence[R]:
        records = self._records_of(store)
        namespace = self.context.namespace
        if namespace:
            records = [record for record in records if getattr(record, "namespace", "") in ("", namespace)]
        if self.filter_text:
            matches = self._filter.matches
            facts_of = self.filter_facts
            records = [record for record in records if matches(facts_of(record), now)]
        if self.faults_only:
            records = [record for record in records if self.is_faulty(record)]
        if order := self.SORT_ORDERS.get(self.order):
            records = sorted(records, key=order.key, reverse=order.down != self.is_reversed)
        return records

    def _records_of(self, store: Store) -> Sequence[R]:
        """Return all records; a filter, which changes none, does not put them in order again."""
        version = self.version(store)
        if self._ordered_version is not version:
            self._ordered = self.records(store)
            self._ordered_version = version
        return self._ordered

    def _empty_text(self) -> tuple[Text, ...]:
        if len(self._ordered):
            return (
                (("  None of ", ""), (str(len(self._ordered)), "strong"), (" matches.", "")),
                *(((f"  {way}", ""),) for way in self._ways_back()),
            )
        if self.load_error is not None and not isinstance(self.load_error, DaemonUnreachable):
            lines = cause(self.load_error.message, self.load_error.next_step, EMPTY_CELLS, "bad")
            return tuple((("  ", ""), *line) for line in lines)
        if not self.context.reader.has_read or self.load_error is not None:
            return tuple((("  ", ""), *line) for line in waiting_lines(self.context, EMPTY_CELLS))
        return tuple(((f"  {line}", ""),) for line in self.EMPTY_LINES)

    def _ways_back(self) -> list[str]:
        """Return which keys show the hidden records again."""
        namespace = self.context.namespace
        ways = ["esc shows all again."] if self.filter_text or self.faults_only else []
        return [*ways, f"0 leaves the namespace {namespace}."] if namespace else ways

    def show_detail(self) -> None:
        """Show the details of the record under the cursor."""
        pane = self.query_one(".detail", ScrollablePage)
        record = self.subject()
        if not pane.display:
            return
        store = self.store
        now = self._now
        beside = self.screen.has_class("-wide")

        def make(width: int) -> list[Text]:
            lines: list[Text] = [] if beside else [(rule(width),)]
            if record is not None and now is not None:
                lines += self.detail_lines(record, store, now, max(20, width))
            return wrap_facts(lines, width) if beside else lines  # there it has many lines

        pane.show(make)

    def subject(self) -> R | None:
        """Return the record under the cursor."""
        table = self.table
        return self._records[table.cursor] if table.cursor < len(self._records) else None

    def targets(self) -> list[R]:
        """Return the marked records that are shown; where none is marked, the one under the cursor."""
        if marks := self.table.marks:
            return [record for record in self._records if self.key_of(record) in marks]
        subject = self.subject()
        return [] if subject is None else [subject]

    def names_of(self, record: R) -> tuple[str, ...]:
        """Return the names by which a command finds a record's row."""
        return (self.key_of(record), self.copy_text(record))

    def _rows_named(self, name: str) -> list[int]:
        records = list(enumerate(self._records))
        exact = [index for index, record in records if name in self.names_of(record)]
        if exact or len(name) < SHORTEST_PREFIX:
            return exact
        return [index for index, record in records if self.key_of(record).startswith(name)]

    def has_row(self, name: str) -> bool:
        return self.ready and len(self._rows_named(name)) == 1

    def select_row(self, name: str) -> None:
        self.update()  # a view that has just been opened has not read its rows yet
        rows = self._rows_named(name)
        if not rows:
            is_hidden = len(self._records) < len(self._ordered)
            hidden = f" It may be hidden. {' '.join(self._ways_back())}" if is_hidden else ""
            near = closest_name(name, (each for record in self._records for each in self.names_of(record)))
            advice = f"Did you mean {near}?" if near else "tab completes names."
            raise InvalidRequest(f"There is no {name!r} here.{hidden}", next_step=advice)
        if len(rows) > 1:
            names = ", ".join(self.copy_text(self._records[row]) for row in rows[:5])
            raise InvalidRequest(f"{name!r} is the name of several.", next_step=f"Choose: {names}.")
        self.table.marks = frozenset()
        self.table.go(rows[0])

    def await_row(self, key: str) -> None:
        self._awaited_key = key
        self.update()

    def _find_awaited_row(self) -> None:
        """Put the cursor on the row that is waited for, if it has come."""
        keys = [self.key_of(record) for record in self._records] if self._awaited_key else []
        if self._awaited_key in keys:
            self.table.go(keys.index(self._awaited_key))
            self._awaited_key = ""

    def marked_count(self) -> int:
        return len(self.targets()) if self.table.marks else 0

    def headline(self) -> Text:
        """Return row and counts, filter, sort order and marks; nothing before something was read."""
        if not self.context.reader.has_read and not self._records:
            return ()
        headline: list[tuple[str, str]] = [(self.row_text(), "strong")]
        if self.filter_text:
            headline += [("  filter: ", "quiet"), (self.filter_text, "warn")]
        if self.order:
            direction = ", reversed" if self.is_reversed else ""
            headline += [("  sort: ", "quiet"), (self.SORT_ORDERS[self.order].name + direction, "")]
        if self.faults_only:
            headline.append(("  faults only", "warn"))
        if self.table.marks:
            headline.append((f"  {mark_text(self.marked_count(), len(self.table.marks))}", "mark"))
        return tuple(headline)

    def row_text(self) -> str:
        """Return on which row the cursor is, of how many."""
        return row_text(self.table.cursor, len(self._records), len(self._ordered))

    def on_row_table_cursor_moved(self) -> None:
        """Show the details once the cursor rests: while a key is held, only the cursor is sent."""
        if self._rest_timer is not None:
            self._rest_timer.stop()
        self._rest_timer = self.set_timer(REST_SECONDS, self._on_cursor_rest)

    def _on_cursor_rest(self) -> None:
        self.show_detail()
        self.context.update_bars()

    def filter_words(self) -> FilterWords | None:
        """Return what a filter of these records may say; None where any word may stand in it."""
        return FilterWords((self.FILTER_KIND,), StoreNames(self.store)) if self.FILTER_KIND else None

    def set_filter(self, text: str) -> None:
        """Filter by a text; raise InvalidFilter, which leaves the filter as it is."""
        names = {cluster.name: cluster.id for cluster in self.store.clusters}
        self._filter = parse_filter(text, names, self.filter_words())
        self.filter_text = text.strip()
        self.update()

    def _try_filter(self, text: str) -> None:
        try:
            self.set_filter(text)
        except KronkeepError:
            return  # half a word is typed; enter says what is wrong

    @handles(actions.FILTER)
    def ask_filter(self) -> None:
        """Ask for a filter, and apply it while it is typed."""
        before = self.filter_text
        prompt = LinePrompt(
            "/",
            self._finish_filter,
            text=before,
            on_change=self._filter_soon,
            on_cancel=partial(self._restore_filter, before),
            complete=self._complete_filter,
            describe=self._describe_filter,
            on_save=self._ask_filter_name,
            is_filter=True,
        )
        self.context.ask(prompt)

    def _ask_filter_name(self, text: str) -> None:
        """Apply a filter, and ask for the name under which it is kept."""
        self._finish_filter(text)
        self.context.ask(self.context.saved_filters.ask_name(text, self.context.tell))

    def _complete_filter(self, text: str) -> Sequence[str]:
        words = self.filter_words()
        if text.startswith("@"):
            return self.context.saved_filters.complete(text)
        return complete_filter(text, words) if words else ()

    def _describe_filter(self, text: str) -> str:
        words = self.filter_words()
        return describe_filter(text, words, self._count_matches) if words else ""

    def _count_matches(self, term: str) -> int | None:
        """Return how many records a term selects; None where they are too many to count while one types."""
        now = self._now
        if len(self._ordered) > MOST_COUNTED or now is None:
            return None
        matches = parse_filter(term, {cluster.name: cluster.id for cluster in self.store.clusters}).matches
        return sum(1 for record in self._records_of(self.store) if matches(self.filter_facts(record), now))

    def _filter_soon(self, text: str) -> None:
        """Filter once nothing was typed for FILTER_SECONDS."""
        self._stop_filter_timer()
        self._filter_timer = self.set_timer(FILTER_SECONDS, partial(self._try_filter, text))

    def _finish_filter(self, text: str) -> None:
        self._stop_filter_timer()
        self.accept_filter(text)

    def _restore_filter(self, text: str) -> None:
        self._stop_filter_timer()
        self.set_filter(text)

    def _stop_filter_timer(self) -> None:
        if self._filter_timer is not None:
            self._filter_timer.stop()
            self._filter_timer = None

    def accept_filter(self, text: str) -> None:
        self.set_filter(self.context.saved_filters.expand(text))

    def unwind(self) -> bool:
        """Remove the marks, else the filter, else "faults only"; return False where there is none of them."""
        if self.table.marks:
            self.table.marks = frozenset()
        elif self.filter_text:
            self.set_filter("")
        elif self.faults_only:
            self.faults_only = False
        else:
            return False
        self.update()
        return True

    @handles(actions.FAULTS)
    def toggle_faults(self) -> None:
        """Show only faulty records, or all again."""
        self.faults_only = not self.faults_only
        self.update()
        if not self._ordered:
            self.context.tell(
                "Faults only, once there are rows." if self.faults_only else "All rows.", "quiet"
            )

    @handles(actions.WIDE)
    def toggle_wide(self) -> None:
        """Show all columns, or those that fit."""
        self.table.wide = not self.table.wide
        self.table.left = 0
        self.table.sync()
        fit = "The columns that fit."
        self.context.tell("All columns; left and right move them." if self.table.wide else fit, "quiet")

    @handles(actions.LEFT)
    def move_left(self) -> None:
        """Scroll to the left."""
        self._move_sideways(-1)

    @handles(actions.RIGHT)
    def move_right(self) -> None:
        """Scroll to the right."""
        self._move_sideways(1)

    def _move_sideways(self, step: int) -> None:
        if not self.table.wide:
            self.context.tell("w shows all columns, which left and right then move.", "quiet")
        self.table.sideways(step)

    @handles(actions.MARK)
    def toggle_mark(self) -> None:
        """Mark the row, or remove its mark."""
        self.table.mark()
        self.context.update_bars()

    @handles(actions.MARK_RANGE)
    def mark_range(self) -> None:
        """Mark the rows from the nearest mark above to the cursor."""
        self.table.mark_range()
        self.context.update_bars()

    @handles(actions.COPY)
    def copy_selection(self) -> None:
        """Copy the names of the marked records, or of the one under the cursor."""
        self.context.copy("\n".join(self.copy_text(record) for record in self.targets()))

    def columns_to_save(self) -> tuple[Column, ...]:
        return self.table.columns

    def rows_to_save(self) -> list[TableRow]:
        return [self.table.rows[index] for index in range(len(self._records))]

    def records_to_save(self) -> list[object]:
        return list(self._records)

    @handles(actions.GROW)
    def enlarge_detail(self) -> None:
        """Make the details larger."""
        self._resize_detail(1)

    @handles(actions.SHRINK)
    def reduce_detail(self) -> None:
        """Make the details smaller."""
        self._resize_detail(-1)

    def _resize_detail(self, step: int) -> None:
        pane = self.query_one(".detail", ScrollablePage)
        words = detail_pane.resize(pane, self.size, step, is_beside=self.screen.has_class("-wide"))
        self.context.tell(words, "quiet")

    def spoken_row(self) -> str:
        table = self.table
        if not self._records:
            return ""
        texts = [plain(replace_drawings(spans(cell))).strip() for cell in table.rows[table.cursor].cells]
        columns = zip(table.columns, texts, strict=True)
        return ", ".join(f"{column.title.lower()} {text}" for column, text in columns if text)
