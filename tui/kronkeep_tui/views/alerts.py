"""The Alerts view: what is wrong now, since when, and what to do."""

from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter

from kronkeep_common.models import Alert
from kronkeep_tui import actions, hold_line
from kronkeep_tui.actions import Action, Scope, handles
from kronkeep_tui.context import Context
from kronkeep_tui.navigation import Place
from kronkeep_tui.pages import alerts as page
from kronkeep_tui.pages.moments import age_cell
from kronkeep_tui.prompt import LinePrompt
from kronkeep_tui.store import Store
from kronkeep_tui.views.log_preview import LogPreview
from kronkeep_tui.views.sort_orders import SortOrder, name_key
from kronkeep_tui.views.table_view import TableView
from kronkeep_tui.widgets.cells import Text
from kronkeep_tui.widgets.row_table import Column, TableRow


class AlertsView(TableView[Alert]):
    """Alerts that are not resolved, the worst first."""

    SCOPES = (Scope.ALERTS, Scope.TABLE, Scope.ANY)
    DEFAULT_CSS = "AlertsView > .detail { height: 7; }"
    FILTER_KIND = "alerts"
    COLUMNS = (
        Column(title="ST", width=5, letter="s"),
        Column(title="SINCE", width=7, letter="a", right=True, is_moment=True),
        Column(title="WHAT", width=22, grow=2, letter="n"),
        Column(title="WHY", width=24, grow=5),
        Column(title="WHAT TO DO", width=20, drop=1, grow=4),
    )
    CLUSTER_COLUMN_INDEX = 2
    EMPTY_LINES = ("Nothing is wrong now.",)
    SORT_ORDERS = {
        "s": SortOrder("severity", attrgetter("status", "severity")),
        "a": SortOrder("since", attrgetter("since")),
        "n": SortOrder("name", name_key("namespace", "object")),
    }
    SORT_FIELDS = {"a": "since", "n": "object"}

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        self._preview = LogPreview(context, self.show_detail)

    def crumb(self, store: Store) -> str:
        return "Alerts"

    def records(self, store: Store) -> Sequence[Alert]:
        return page.open_alerts(store)

    def version(self, store: Store) -> object:
        return store.alerts

    def row_of(self, record: Alert, store: Store, now: datetime) -> TableRow:
        shown, kind = page.state(record)
        cells = (
            shown,
            age_cell(record.since, now),
            page.subject_of(record),
            page.cause_first(record.message),
            record.next_step,
        )
        return TableRow(record.id, cells, kind)

    def is_faulty(self, record: Alert) -> bool:
        """Return whether nobody has acknowledged or silenced the alert."""
        return record.status == "open" and record.silence_id is None

    def detail_lines(self, record: Alert, store: Store, now: datetime, width: int) -> list[Text]:
        run = store.executions.get(record.record_id)
        return [*page.detail(record, now, width), *self._preview.lines(run, width)]

    def refusal(self, action: Action) -> str:
        targets = self.targets()
        if action == actions.ACKNOWLEDGE and targets and all(alert.status != "open" for alert in targets):
            return "It is already acknowledged."
        return ""

    @handles(actions.CHOOSE)
    def open_subject(self) -> None:
        """Open what the alert is about."""
        alert = self.subject()
        place = page.leads_to(alert, self.store) if alert else None
        if place is None:
            self.context.tell("There is nothing more to show here; kronkeep doctor checks the cluster.")
        else:
            self.context.enter(*place)

    @handles(actions.SILENCE)
    def ask_silence(self) -> None:
        """Ask how long alerts like the one under the cursor shall not be sent, and why."""
        alert = self.subject()
        text = f"{page.filter_of(alert)} for 4h because " if alert is not None else ""
        question = actions.SILENCE_QUESTION
        self.context.ask(LinePrompt("Silence: ", self._start_silence, question=question, text=text))

    def _start_silence(self, line: str) -> None:
        request = hold_line.parse_silence(line)
        self.context.start_work(self.changes.create_silence(request), "silence")

    @handles(actions.ACKNOWLEDGE)
    def acknowledge(self) -> None:
        """Record that the user knows of the alerts."""
        self.changes.acknowledge([alert for alert in self.targets() if alert.status == "open"])
