"""How far a sink has the history: kept in the sink itself, in the transaction that writes the changes."""

from typing import NamedTuple

from kronkeep_daemon.history.shipped_pages import ChangePlace

COPIED_TABLES = ("executions", "backups", "restores", "alerts", "copies")
TABLES = frozenset(COPIED_TABLES)


class CopiedTo(NamedTuple):
    """How far a copy of the whole history has come: the table, and the number of its last copied document."""

    table: str
    number: int


class SinkPosition(NamedTuple):
    """Every change up to `place` is in the sink, or will be once the copy that runs has ended.

    generation: the number of the last copy of the whole history, from 1.
    copied_to: None where no copy runs.
    """

    generation: int
    place: ChangePlace
    copied_to: CopiedTo | None = None


def begin_copy(last: SinkPosition | None, end: ChangePlace) -> SinkPosition:
    """Return the position with which a copy of the whole history begins; `end` is its newest change."""
    generation = last.generation + 1 if last else 1
    return SinkPosition(generation, end, CopiedTo(COPIED_TABLES[0], 0))


def advance_copy(position: SinkPosition, last_number: int | None) -> SinkPosition:
    """Return the position after a page of documents; last_number: None after the last page of the table."""
    assert position.copied_to is not None
    if last_number is not None:
        return position._replace(copied_to=position.copied_to._replace(number=last_number))
    following = COPIED_TABLES.index(position.copied_to.table) + 1
    if following == len(COPIED_TABLES):
        return position._replace(copied_to=None)
    return position._replace(copied_to=CopiedTo(COPIED_TABLES[following], 0))
