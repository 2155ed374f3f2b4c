"""What is wrong now, since when, and what to do."""

from collections.abc import Sequence
from datetime import datetime

from kronkeep_common.text import age
from kronkeep_tui.actions import ANY, TABLE
from kronkeep_tui.pages.words import Trouble, role, trouble
from kronkeep_tui.store import Store
from kronkeep_tui.views.table import Order, TableView
from kronkeep_tui.widgets.cells import Text, wrap
from kronkeep_tui.widgets.row_table import Column, Row

SEVERITY = {"FAIL": 0, "MISS": 1, "late": 2}


class AlertsView(TableView[Trouble]):
    """Troubles, the worst first."""

    SCOPES = ("alerts", TABLE, ANY)
    COLUMNS = (
        Column("ST", 5, letter="s"),
        Column("SINCE", 7, letter="a", right=True),
        Column("WHAT", 22, grow=2, letter="n"),
        Column("WHY", 24, grow=5),
        Column("WHAT TO DO", 20, drop=1, grow=4),
    )
    EMPTY = ("Nothing is wrong now.",)
    ORDERS = {
        "s": Order("severity", lambda t: SEVERITY.get(t.status, 3)),
        "a": Order("since", lambda t: t.since.timestamp() if t.since else 0),
        "n": Order("name", lambda t: t.name),
    }

    def crumb(self, store: Store) -> str:
        """Where one is."""
        return "Alerts"

    def records(self, store: Store) -> Sequence[Trouble]:
        """What is wrong now."""
        return trouble(store, self.kronkeep.clock.now())

    def row(self, record: Trouble, store: Store, now: datetime) -> Row:
        """One trouble."""
        where = f"{record.namespace}/{record.name}" if record.namespace else record.name
        since = age(record.since, now) if record.since else "-"
        return Row(
            record.id,
            (record.status, since, where, record.why, record.next_step),
            role(record.status) or "warn",
        )

    def detail(self, record: Trouble, store: Store, now: datetime, width: int) -> list[Text]:
        """Why, since when, what to do."""
        since = f"since {record.since:%Y-%m-%d %H:%M}Z" if record.since else "since it was written"
        lines: list[Text] = [
            (
                (record.status, role(record.status) or "warn"),
                (f"  {record.name}", "strong"),
                (f"  {since}", "quiet"),
            )
        ]
        lines += [((part, ""),) for part in wrap(record.why, width)]
        return lines + (
            [((f"→ {part}", ""),) for part in wrap(record.next_step, width - 2)] if record.next_step else []
        )

    def do_choose(self) -> None:
        """Goes to what is wrong."""
        if (found := self.subject()) is not None:
            self.frame.enter(found.kind, found.of)
