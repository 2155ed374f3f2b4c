"""Which cluster a row is of: a column that is only there where there are several."""

from collections.abc import Sequence
from typing import Any

from kronkeep_tui.store import Store
from kronkeep_tui.widgets.row_table import Column, Row

COLUMN = Column(title="CLUSTER", width=10, grow=1)


def columns(known: Sequence[Column], at: int | None) -> tuple[Column, ...]:
    """The columns with that of the cluster at its place, where it has one."""
    return tuple(known) if at is None else (*known[:at], COLUMN, *known[at:])


def row(found: Row, at: int | None, record: Any, store: Store) -> Row:
    """The row with the name of the record's cluster at the same place."""
    if at is None:
        return found
    name = store.cluster_name(record.cluster)
    return found._replace(cells=(*found.cells[:at], name, *found.cells[at:]))
