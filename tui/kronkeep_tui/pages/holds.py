"""Content of the view of silences and maintenances: a row for each, and why it is there; pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from kronkeep_common.models import SilenceView
from kronkeep_common.models.maintenance import MaintenanceView
from kronkeep_common.text import age, count_words, short_id
from kronkeep_tui.widgets.cells import Text, wrap
from kronkeep_tui.widgets.row_table import Column, TableRow

COLUMNS = (
    Column(title="ST", width=8, letter="s"),
    Column(title="WHAT", width=12, letter="n"),
    Column(title="ENDS", width=8, right=True, letter="a"),
    Column(title="HOLDS", width=12),
    Column(title="BY", width=10, drop=1),
    Column(title="FILTER", width=18, grow=4),
    Column(title="BECAUSE", width=18, grow=4),
)
_ROLES = {"active": "warn", "starting": "run", "ending": "run", "ended": "quiet"}


class Hold(NamedTuple):
    """A silence, which holds alerts back, or a maintenance, which keeps CronJobs suspended."""

    kind: str
    view: SilenceView | MaintenanceView

    @property
    def id(self) -> str:
        """The id of the silence or maintenance."""
        return self.view.id

    @property
    def status(self) -> str:
        """Whether it holds anything now."""
        return self.view.status

    @property
    def ends_at(self) -> datetime | None:
        """When it ends or ended; None where that is open."""
        return self.view.last_at


def list_holds(silences: Iterable[SilenceView], maintenances: Iterable[MaintenanceView]) -> list[Hold]:
    """Return what holds something now, then what has ended, each the newest first."""
    holds = [Hold("silence", view) for view in silences]
    holds += [Hold("maintenance", view) for view in maintenances]
    return sorted(holds, key=_order)


def _order(hold: Hold) -> tuple[bool, float]:
    return hold.status == "ended", -hold.view.created_at.timestamp()


def end_order(hold: Hold) -> float:
    """Return a sort key: what ends first comes first, what is open comes last."""
    return float("inf") if hold.ends_at is None else hold.ends_at.timestamp()


def row(hold: Hold, now: datetime) -> TableRow:
    """Return the row of a silence or maintenance."""
    view = hold.view
    ends = age(hold.ends_at, now) if hold.ends_at is not None else "open"
    cells = (view.status, hold.kind, ends, _held(hold), view.created_by, view.filter or "all", view.because)
    return TableRow(hold.id, cells, _ROLES[view.status])


def _held(hold: Hold) -> str:
    if isinstance(hold.view, MaintenanceView):
        return count_words(hold.view.cronjobs, "CronJob")
    return count_words(hold.view.alerts, "alert")


def detail(hold: Hold, now: datetime, width: int) -> list[Text]:
    """Return who began it and why, and what could not be done."""
    view = hold.view
    begun = f"{hold.kind} {short_id(view.id)} by {view.created_by}, {age(view.created_at, now)} ago"
    ended = f", ended by {view.ended_by}" if view.ended_by else ""
    lines: list[Text] = [((begun, "strong"), (ended, "quiet"))]
    lines += [((part, ""),) for part in wrap(f"because {view.because}", width)]
    faults = view.faults if isinstance(view, MaintenanceView) else ()
    return lines + [((part, "bad"),) for fault in faults for part in wrap(fault, width)]
