"""The hits of a text in the kept logs of all runs, as they come."""

from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter

from kronkeep_common.models.log_search import LogHit, SearchEnd
from kronkeep_tui import actions
from kronkeep_tui.actions import Scope, handles
from kronkeep_tui.context import Context
from kronkeep_tui.navigation import Place
from kronkeep_tui.pages import log_search as page
from kronkeep_tui.store import Store
from kronkeep_tui.views.sort_orders import SortOrder, name_key
from kronkeep_tui.views.table_view import TableView
from kronkeep_tui.views.wait_text import again_text
from kronkeep_tui.widgets.cells import Text
from kronkeep_tui.widgets.row_table import TableRow

MOST_HITS = 1000
LINES_AROUND = 3  # of each hit, before and after
HITS_AT_ONCE = 20  # hits that come between two pictures, but for the first


class LogSearchView(TableView[LogHit]):
    """The hits of the text that is the argument, those of the newest run first."""

    SCOPES = (Scope.TABLE, Scope.ANY)
    COLUMNS = page.COLUMNS
    CLUSTER_COLUMN_INDEX = 1
    DEFAULT_CSS = "LogSearchView > .detail { height: 9; }"
    EMPTY_LINES = ("No kept log has it. Upper and lower case are the same; a text is no pattern.",)
    SORT_ORDERS = {
        "n": SortOrder("name", name_key("namespace", "cronjob")),
        "a": SortOrder("newest", attrgetter("created_at"), True),
    }

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        self._hits: tuple[LogHit, ...] = ()
        self._end: SearchEnd | None = None
        self._is_searching = True

    def crumb(self, store: Store) -> str:
        return f"grep {self.argument}"

    def records(self, store: Store) -> Sequence[LogHit]:
        return self._hits

    def version(self, store: Store) -> object:
        return self._hits

    def key_of(self, record: LogHit) -> str:
        return page.key_of(record)

    def row_of(self, record: LogHit, store: Store, now: datetime) -> TableRow:
        return page.row(record, now)

    def detail_lines(self, record: LogHit, store: Store, now: datetime, width: int) -> list[Text]:
        return page.detail(record, now, width)

    def copy_text(self, record: LogHit) -> str:
        return record.text

    def headline(self) -> Text:
        """Return the counts and what was searched."""
        words = page.summary(self._end, is_searching=self._is_searching)
        return (*super().headline(), (f"  {words}", "quiet"))

    async def load(self) -> None:
        """Search, and show the hits as they come."""
        hits: list[LogHit] = []
        self._is_searching = True
        self._end = None
        namespace = self.context.namespace
        answer = self.context.client.runs.grep(
            self.argument,
            filter=f"ns:{namespace}" if namespace else None,
            context=LINES_AROUND,
            ignore_case=True,
            limit=MOST_HITS,
        )
        try:
            async for line in answer:
                if line.hit is not None:
                    hits.append(line.hit)
                self._end = line.end
                if len(hits) % HITS_AT_ONCE == 1:
                    self._hits = tuple(hits)
                    self.update()
        finally:
            self._is_searching = False
            self._hits = tuple(hits)
            self.update()

    @handles(actions.RESYNC)
    def reload(self) -> None:
        """Search the kept logs again."""
        self.context.start_work(self.read(), f"grep {self.argument}")
        self.context.tell(again_text(self.context), "quiet")

    @handles(actions.CHOOSE)
    def show_run(self) -> None:
        """Show the run whose log has the line."""
        if (hit := self.subject()) is not None:
            self.context.enter("run", hit.execution_id)
