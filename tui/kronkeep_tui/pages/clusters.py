"""The cluster in tables and names, shown only if there are several clusters."""

from collections.abc import Sequence
from typing import Any

from kronkeep_common.models import CronJob
from kronkeep_tui.store import Store
from kronkeep_tui.widgets.row_table import Column, TableRow

COLUMN = Column(title="CLUSTER", width=10, grow=1)


def columns(known: Sequence[Column], at: int | None) -> tuple[Column, ...]:
    """Return the columns with the cluster column inserted."""
    return tuple(known) if at is None else (*known[:at], COLUMN, *known[at:])


def label(cronjob: CronJob, store: Store) -> str:
    """Return NAMESPACE/NAME, with the cluster if there are several."""
    name = f"{cronjob.namespace}/{cronjob.name}"
    return f"{name} on {store.cluster_name(cronjob.cluster)}" if len(store.clusters) > 1 else name


def row(found: TableRow, at: int | None, record: Any, store: Store) -> TableRow:
    """Return the row with the name of the record's cluster inserted."""
    if at is None:
        return found
    name = store.cluster_name(record.cluster)
    return found._replace(cells=(*found.cells[:at], name, *found.cells[at:]))
