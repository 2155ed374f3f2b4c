"""Restores, drills and verifications as a table; the page and the log of one of them."""

from collections import deque
from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter

from kronkeep_common.models import Restore
from kronkeep_common.text import clean, duration
from kronkeep_tui import actions
from kronkeep_tui.actions import Action, Scope, handles
from kronkeep_tui.context import Context
from kronkeep_tui.navigation import Place
from kronkeep_tui.pages.moments import age_cell
from kronkeep_tui.pages.restores import restore_lines, target_words
from kronkeep_tui.pages.status_words import state
from kronkeep_tui.prompt import YesNoPrompt
from kronkeep_tui.shell_commands import lines_of_change
from kronkeep_tui.store import Store
from kronkeep_tui.views.page_view import PageView
from kronkeep_tui.views.sort_orders import SortOrder, name_key
from kronkeep_tui.views.table_view import TableView
from kronkeep_tui.views.wait_text import waiting_lines
from kronkeep_tui.widgets.cells import Text
from kronkeep_tui.widgets.row_table import Column, TableRow

MOST_LINES = 5000


class RestoresView(TableView[Restore]):
    """Restores, the newest first."""

    SCOPES = (Scope.RESTORES, Scope.TABLE, Scope.ANY)
    FILTER_KIND = "restores"
    COLUMNS = (
        Column(title="ST", width=5),
        Column(title="PURPOSE", width=8, drop=2),
        Column(title="CRONJOB", width=18, grow=3, letter="n"),
        Column(title="TARGET", width=24, grow=3, drop=1),
        Column(title="AGE", width=6, right=True, letter="a", is_moment=True),
        Column(title="TOOK", width=8, right=True, drop=3),
        Column(title="REASON", width=14, drop=4, grow=1),
    )
    CLUSTER_COLUMN_INDEX = 2
    EMPTY_LINES = ("Nothing has been restored yet.", "", "r in Restore restores a snapshot.")
    SORT_ORDERS = {
        "a": SortOrder("age", attrgetter("created_at"), True),
        "n": SortOrder("CronJob", name_key("cronjob", "namespace")),
    }
    SORT_FIELDS = {"a": "created_at", "n": "cronjob"}

    def crumb(self, store: Store) -> str:
        return "restores"

    def records(self, store: Store) -> Sequence[Restore]:
        return store.restores.newest()

    def version(self, store: Store) -> object:
        return store.restores

    def is_faulty(self, record: Restore) -> bool:
        return record.status == "failed"

    def row_of(self, record: Restore, store: Store, now: datetime) -> TableRow:
        shown, kind = state(record.status)
        cells = (
            shown,
            record.purpose,
            store.label(record.namespace, record.cronjob),
            target_words(record.target),
            age_cell(record.created_at, now),
            duration(record.duration_seconds),
            record.reason or "-",
        )
        return TableRow(record.id, cells, kind)

    def detail_lines(self, record: Restore, store: Store, now: datetime, width: int) -> list[Text]:
        return restore_lines(record, now, width)

    @handles(actions.CHOOSE)
    def show_restore(self) -> None:
        """Show the restore's page."""
        if (restore := self.subject()) is not None:
            self.context.enter("restore_page", restore.id)


class RestorePageView(PageView):
    """The restore whose id is the argument, followed to its end."""

    SCOPES = (Scope.RESTORE_PAGE, Scope.PAGE, Scope.ANY)

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        self._fetched: Restore | None = None

    def crumb(self, store: Store) -> str:
        return f"restore {self.argument[:12]}"

    def subject(self) -> Restore | None:
        """Return the restore from the store, or as it was fetched where the store does not have it."""
        store: Store = self.store
        return store.restores.get(self.argument) or self._fetched

    async def load(self) -> None:
        """Fetch the restore, which may be older than those of the store."""
        self._fetched = await self.context.client.restores.get(self.argument)
        self.update()

    def lines(self, store: Store, now: datetime, width: int) -> Sequence[Text]:
        restore = self.subject()
        return restore_lines(restore, now, width) if restore else waiting_lines(self.context, width)

    def refusal(self, action: Action) -> str:
        restore = self.subject()
        if action == actions.CANCEL and restore is not None and restore.ended_at is not None:
            return f"It has already ended: {restore.status}."
        return ""

    @handles(actions.LOG)
    def show_log(self) -> None:
        """Show the log of restic and of the check."""
        self.context.enter("restore_log", self.argument)

    @handles(actions.CANCEL)
    def ask_cancel(self) -> None:
        """Stop the restore, after a question."""
        self.context.ask(
            YesNoPrompt("Stop this restore? A new claim keeps what it has.", self._start_cancelling)
        )

    def _start_cancelling(self) -> None:
        self.context.start_work(self._cancel(), "stop")

    async def _cancel(self) -> None:
        await self.context.client.restores.cancel(self.argument)
        self.context.last_change = lines_of_change(
            ("cancel", "--restore", self.argument), f"/v1/restores/{self.argument}/cancel"
        )


class RestoreLogView(PageView):
    """The log of restic and of the check, of the restore whose id is the argument."""

    SCOPES = (Scope.RESTORE_LOG, Scope.PAGE, Scope.ANY)

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        self._log_lines: deque[str] | None = None

    def crumb(self, store: Store) -> str:
        return "log"

    def lines(self, store: Store, now: datetime, width: int) -> Sequence[Text]:
        if self._log_lines is None:
            return waiting_lines(self.context, width)
        return [((line, ""),) for line in self._log_lines] or [(("The log is empty so far.", "quiet"),)]

    async def load(self) -> None:
        """Read the log as it is now, its newest MOST_LINES lines."""
        lines: deque[str] = deque(maxlen=MOST_LINES)
        rest = b""
        async for chunk in self.context.client.restores.log(self.argument):
            *whole, rest = (rest + chunk).split(b"\n")
            lines += [clean(line.decode(errors="replace"), 1000) for line in whole]
        self._log_lines = lines
        if rest:
            lines.append(clean(rest.decode(errors="replace"), 1000))
        self.update()

    @handles(actions.RESYNC)
    def reload(self) -> None:
        """Read the log again."""
        self.context.start_work(self.read(), "restore log")
