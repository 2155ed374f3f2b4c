"""The base of views that show a table: filter, sort order, marks, and details of the row under the cursor."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from textual.app import ComposeResult
from textual.timer import Timer

from kronkeep_common.errors import KronkeepError
from kronkeep_common.record_filter import RecordFilter, parse_filter
from kronkeep_tui import actions
from kronkeep_tui.actions import Scope, handles
from kronkeep_tui.context import Context
from kronkeep_tui.navigation import Place
from kronkeep_tui.pages import clusters
from kronkeep_tui.prompt import LetterPrompt, LinePrompt
from kronkeep_tui.store import Store
from kronkeep_tui.views.view import View
from kronkeep_tui.widgets.cells import Text, plain, replace_drawings, rule, spans
from kronkeep_tui.widgets.line_widget import ScrollablePage
from kronkeep_tui.widgets.row_table import Column, Rows, RowTable, TableRow

R = TypeVar("R")
FILTER_SECONDS = 0.12
REST_SECONDS = 0.12


class SortOrder(NamedTuple):
    """A way to sort: its name, and the key of a record; `down` puts the largest first."""

    words: str
    key: Callable[[Any], Any]
    down: bool = False


class TableView(View, Generic[R]):
    """Records as rows; a subclass gives `records`, `row_of` and whatever else differs."""

    SCOPES: ClassVar[tuple[Scope, ...]] = (Scope.TABLE, Scope.ANY)
    COLUMNS: ClassVar[tuple[Column, ...]] = ()
    SORT_ORDERS: ClassVar[dict[str, SortOrder]] = {}
    EMPTY_LINES: ClassVar[tuple[str, ...]] = ("Nothing here yet.",)
    SCOPED_CSS = False  # widths and heights are classes of the screen, above the view
    DEFAULT_CSS = """
    TableView { layout: vertical; }
    TableView > .detail { height: 4; }
    .-tall TableView > .detail { height: 14; }
    .-wide TableView { layout: horizontal; }
    .-wide TableView > .detail { width: 40%; height: 1fr; padding-left: 1;
        border-left: solid $foreground 20%; }
    .-plain TableView > .detail { border-left: none; }
    """

    CLUSTER_COLUMN_INDEX: int | None = (
        None  # where the column of the cluster belongs, which is there for several only
    )

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        self.filter_text = ""
        self.faults_only = False
        self.order = ""
        self._filter: RecordFilter = parse_filter("")
        self._selected_for: tuple[object, ...] = ()
        self._records: Sequence[R] = ()
        self._total = 0
        self._resting: Timer | None = None
        self._now: datetime | None = None

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

    def detail_lines(self, record: R, store: Store, now: datetime, width: int) -> list[Text]:
        """Return lines about the record under the cursor, for a width in cells."""
        return []

    def copy_text(self, record: R) -> str:
        """Return what is copied for a record."""
        return self.key_of(record)

    def show(self, store: Store, now: datetime) -> None:
        """Show the records that pass the filter, in order; select them again only when something changed."""
        seen = (self.version(store), self.filter_text, self.faults_only, self.order, self.context.namespace)
        same = len(seen) == len(self._selected_for) and all(
            a is b or a == b for a, b in zip(seen[1:], self._selected_for[1:], strict=True)
        )
        if not (same and self._selected_for[0] is seen[0]):
            self._selected_for = seen
            self._records = self._select(store, now)
        self._now = now
        table = self.table
        table.empty = () if self._records else self._empty_text()
        table.sorted_by = self.order
        at = self.CLUSTER_COLUMN_INDEX if len(store.clusters) > 1 else None
        table.columns = clusters.columns(self.COLUMNS, at)
        make = lambda r: clusters.row(self.row_of(r, store, now), at, r, store)  # noqa: E731
        table.show(Rows(self._records, self.key_of, make))
        self.show_detail()

    def _select(self, store: Store, now: datetime) -> Sequence[R]:
        found = self.records(store)
        self._total = len(found)
        if self.context.namespace:
            found = [r for r in found if getattr(r, "namespace", "") in ("", self.context.namespace)]
        if self.filter_text:
            takes = self._filter.matches
            facts = self.filter_facts
            found = [r for r in found if takes(facts(r), now)]
        if self.faults_only:
            found = [r for r in found if self.is_faulty(r)]
        if order := self.SORT_ORDERS.get(self.order):
            found = sorted(found, key=order.key, reverse=order.down)
        return found

    def _empty_text(self) -> tuple[Text, ...]:
        if self._total:
            return (
                (("  Nothing of ", ""), (str(self._total), "strong"), (" passes. esc shows all again.", "")),
            )
        if not self.context.reader.has_read:
            return ((("  Reading ...", "quiet"),),)
        return tuple(((f"  {line}", ""),) for line in self.EMPTY_LINES)

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
            return lines

        pane.show(make)

    def subject(self) -> R | None:
        """Return the record under the cursor."""
        table = self.table
        return self._records[table.cursor] if table.cursor < len(self._records) else None

    def targets(self) -> list[R]:
        """Return the marked records, else the one under the cursor."""
        marks = self.table.marks
        marked = [r for r in self._records if self.key_of(r) in marks] if marks else []
        subject = self.subject()
        return marked or ([subject] if subject is not None else [])

    def headline(self) -> Text:
        """Return counts, filter, sort order and marks."""
        found: list[tuple[str, str]] = []
        count = len(self._records)
        found.append((f"{count}" if count == self._total else f"{count}/{self._total}", "strong"))
        if self.filter_text:
            found += [("  filter: ", "quiet"), (self.filter_text, "warn")]
        if self.order:
            found += [("  sort: ", "quiet"), (self.SORT_ORDERS[self.order].words, "")]
        if self.faults_only:
            found.append(("  faults only", "warn"))
        if self.table.marks:
            found.append((f"  {len(self.table.marks)} marked", "mark"))
        return tuple(found)

    def on_row_table_cursor_moved(self) -> None:
        """Show the details once the cursor rests: while a key is held, only the cursor is sent."""
        if self._resting is not None:
            self._resting.stop()
        self._resting = self.set_timer(REST_SECONDS, self._on_cursor_rest)

    def _on_cursor_rest(self) -> None:
        self._resting = None
        self.show_detail()
        self.context.update_bars()

    def on_row_table_row_entered(self) -> None:
        """Open a row that was clicked twice."""
        self.context.perform(actions.CHOOSE)

    def set_filter(self, text: str) -> None:
        """Filter by a text; raise InvalidFilter, which leaves the filter as it is."""
        names = {cluster.name: cluster.id for cluster in self.store.clusters}
        self._filter = parse_filter(text, names)
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
        timer: list[Any] = []

        def change(text: str) -> None:
            for old in timer:
                old.stop()
            timer[:] = [self.set_timer(FILTER_SECONDS, lambda: self._try_filter(text))]

        def accept(text: str) -> None:
            for old in timer:
                old.stop()
            self.accept_filter(text)

        self.context.ask(
            LinePrompt("/", accept, text=before, on_change=change, on_cancel=partial(self.set_filter, before))
        )

    def accept_filter(self, text: str) -> None:
        self.set_filter(text)

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

    @handles(actions.SORT)
    def ask_sort_order(self) -> None:
        """Ask for the letter of a sort order."""
        words = "  ".join(f"{letter} {order.words}" for letter, order in self.SORT_ORDERS.items())
        self.context.ask(LetterPrompt(f"Sort by:  {words}  (any other: natural order)", self.sort_by))

    def sort_by(self, letter: str) -> None:
        """Sort by the order with a letter; any other letter gives the natural order."""
        self.order = letter if letter in self.SORT_ORDERS else ""
        self.update()

    @handles(actions.FAULTS)
    def toggle_faults(self) -> None:
        """Show only faulty records, or all again."""
        self.faults_only = not self.faults_only
        self.update()

    @handles(actions.WIDE)
    def toggle_wide(self) -> None:
        """Show all columns, or those that fit."""
        self.table.wide = not self.table.wide
        self.table.left = 0
        self.table.sync()

    @handles(actions.LEFT)
    def move_left(self) -> None:
        """Scroll to the left."""
        self.table.sideways(-1)

    @handles(actions.RIGHT)
    def move_right(self) -> None:
        """Scroll to the right."""
        self.table.sideways(1)

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
        if self.screen.has_class("-wide"):
            pane.styles.width = max(20, min(self.size.width - 40, pane.outer_size.width + 8 * step))
        else:
            pane.styles.height = max(2, min(self.size.height - 5, pane.outer_size.height + 2 * step))

    def spoken_row(self) -> str:
        table = self.table
        if not self._records:
            return ""
        cells = table.rows[table.cursor].cells
        words = [plain(replace_drawings(spans(cell))) for cell in cells]
        return ", ".join(
            f"{c.title.lower()} {w.strip()}" for c, w in zip(self.COLUMNS, words, strict=True) if w.strip()
        )
