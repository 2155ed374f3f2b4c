"""What a sink reads of the history: the changes after its place, or all documents of a table, by page.

Each function is one short read on a connection of its own, for a thread beside the event loop. The checksums
are verified; a change or document that differs from its own raises DamagedHistory.
"""

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from kronkeep_common.errors import DamagedHistory
from kronkeep_daemon.history import schema
from kronkeep_daemon.history.change_log import iterate_changes
from kronkeep_daemon.history.changes import Change
from kronkeep_daemon.history.rows import checksum


class ChangePlace(NamedTuple):
    """How far changes were read: the sequence of the last one, and its checksum.

    A history that was put back from an older copy numbers other changes the same: the checksum differs then.
    """

    sequence: int
    checksum: int


class ChangePage(NamedTuple):
    """Some changes in their order, and the place behind them."""

    changes: list[Change]
    place: ChangePlace


class DocumentPage(NamedTuple):
    """Some documents of a table, and the number of the last; None where the table has no more."""

    documents: list[tuple[str, bytes]]
    last_number: int | None


def find_end(connection: sqlite3.Connection) -> ChangePlace:
    """Return the place of the newest change."""
    row = connection.execute(
        "SELECT sequence, checksum FROM changes ORDER BY sequence DESC LIMIT 1"
    ).fetchone()
    return ChangePlace(*row) if row else ChangePlace(0, 0)


def holds_place(connection: sqlite3.Connection, place: ChangePlace) -> bool:
    """Return whether every change behind a place is still there, and the place is one of this history."""
    if place.sequence == 0:
        (first,) = connection.execute("SELECT coalesce(min(sequence), 1) FROM changes").fetchone()
        return bool(first == 1)
    row = connection.execute("SELECT checksum FROM changes WHERE sequence = ?", (place.sequence,)).fetchone()
    return row is not None and row[0] == place.checksum


def read_changes(
    connection: sqlite3.Connection,
    place: ChangePlace,
    tables: frozenset[str],
    *,
    most_changes: int,
    most_bytes: int,
) -> ChangePage:
    """Return the changes of some tables behind a place, oldest first.

    The bytes are those of their documents; one change is read at least.
    """
    changes: list[Change] = []
    total = 0
    for change, checksum_read in iterate_changes(connection, place.sequence, most_changes):
        place = ChangePlace(change.seq, checksum_read)
        if change.table in tables:
            changes.append(change)
            total += len(change.body or b"")
        if total >= most_bytes:
            break
    return ChangePage(changes, place)


def read_documents(
    connection: sqlite3.Connection, table: str, after: int, *, most_documents: int, most_bytes: int
) -> DocumentPage:
    """Return the documents of a table with a number after `after`, in the order of their numbers."""
    documents: list[tuple[str, bytes]] = []
    total = 0
    last = after
    for number, record_id, body in _iterate_documents(connection, table, after, most_documents):
        documents.append((record_id, body))
        last = number
        total += len(body)
        if total >= most_bytes:
            return DocumentPage(documents, last)
    return DocumentPage(documents, last if len(documents) == most_documents else None)


def _iterate_documents(
    connection: sqlite3.Connection, table: str, after: int, limit: int
) -> Iterator[tuple[int, str, bytes]]:
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
        return
    sql = (
        f"SELECT number, id, CAST(body AS BLOB), checksum FROM {schema.quote(table)}"
        " WHERE number > ? ORDER BY number LIMIT ?"
    )
    for number, record_id, body, expected in connection.execute(sql, (after, limit)):
        if checksum(table, number, body) != expected:
            raise DamagedHistory(f"The history is damaged: {table}, document {number}.")
        yield number, record_id or str(number), body
