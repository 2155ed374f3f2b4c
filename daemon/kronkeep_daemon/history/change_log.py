"""The latest changes, as rows of the table `changes`, for readers of events who resume, and for sinks.

It is bounded by rows and by bytes; the oldest rows are removed some hundreds at a time, with the changes that
push them out. What a sink has still to ship stays longer, up to a bound of its own.
"""

import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from kronkeep_common.errors import DamagedHistory
from kronkeep_daemon.history.changes import Change

MOST_ROWS = 20_000
MOST_BYTES = 16 * 1024 * 1024
SLACK = 0.05  # share of the limits that may be exceeded before rows are removed
LEAST_BYTES = 256  # what a change counts at least, where changes are held for a sink
MOST_REMOVED = 5_000  # rows removed at once, of many that a sink no longer needs
_PUT = "INSERT INTO changes VALUES(?, ?, ?, ?, ?, ?)"
_SELECT = (
    "SELECT sequence, table_name, id, CAST(body AS BLOB), checksum FROM changes"
    " WHERE sequence > ? ORDER BY sequence LIMIT ?"
)
RETRACTED = b""  # the body of a removal that retracts; None is that of another removal, and no JSON is empty
Unnumbered = tuple[str, str, bytes | None]  # table, id, body


class ChangeHold(NamedTuple):
    """The changes that sinks have still to ship: those from a sequence on, of at most so many bytes."""

    first: int
    most_bytes: int


class ChangeLog:
    """The remembered changes, from the sequence `first` to `last`; it is written by the writer's thread.

    `place` of a row is the number of bytes of all bodies up to and with its own, so that the bytes between
    two rows need not be counted. `hold` is set by the event loop.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.hold: ChangeHold | None = None
        self.last = last_sequence(connection)
        (first,) = connection.execute("SELECT coalesce(min(sequence), 1) FROM changes").fetchone()
        self.first = _require_integer(first)
        self._place = _place_of(connection, self.last)
        self._first_place = _place_of(connection, self.first)
        self._has_gap = False
        self._appended = (self.last, self._place)  # by the open transaction
        self._has_removed = False

    def continue_after(self, sequence: int) -> None:
        """Number the next change after a later one than the last, and forget all before it.

        No number is then given twice, though a database has lost its newest changes.
        """
        if sequence > self.last:
            self.last = sequence
            self.first = sequence + 1
            self._first_place = self._place
            self._has_gap = True

    def append(self, connection: sqlite3.Connection, changes: Sequence[Unnumbered]) -> None:
        """Add changes to the open transaction and remove the rows that they push out."""
        rows_added = list(self._number(changes))
        self._has_removed = self._has_gap
        if self._has_gap:
            connection.execute("DELETE FROM changes")
        connection.executemany(_PUT, rows_added)
        last = self.last + len(rows_added)
        place = int(rows_added[-1][4])
        self._appended = (last, place)
        if not self._exceeds(last, place, MOST_ROWS, MOST_BYTES):
            return
        first = self._first_within(connection, last, place, MOST_ROWS, MOST_BYTES)
        hold = self.hold
        if hold is not None and hold.first < first:
            first = min(first, self._first_within_hold(connection, hold, last, place))
            if first - self.first < MOST_ROWS * SLACK:
                return
        first = min(first, self.first + max(MOST_REMOVED, 2 * len(rows_added)))
        connection.execute("DELETE FROM changes WHERE sequence < ?", (first,))
        self._has_removed = True

    def _first_within_hold(
        self, connection: sqlite3.Connection, hold: ChangeHold, last: int, place: int
    ) -> int:
        most_rows = hold.most_bytes // LEAST_BYTES
        if not self._exceeds(last, place, most_rows, hold.most_bytes):
            return hold.first
        return max(hold.first, self._first_within(connection, last, place, most_rows, hold.most_bytes))

    def _exceeds(self, last: int, place: int, most_rows: int, most_bytes: int) -> bool:
        return last - self.first >= most_rows * (1 + SLACK) or place - self._first_place >= most_bytes * (
            1 + SLACK
        )

    def _first_within(
        self, connection: sqlite3.Connection, last: int, place: int, most_rows: int, most_bytes: int
    ) -> int:
        """Return the first sequence that limits of rows and bytes leave."""
        return max(last - most_rows + 1, self._find_place(connection, place - most_bytes, last))

    def _number(self, changes: Sequence[Unnumbered]) -> Iterator[tuple[int, str, str, int, int, str | None]]:
        place = self._place
        for sequence, (table, record_id, body) in enumerate(changes, self.last + 1):
            place += len(body or b"")
            text = body.decode() if body is not None else None
            yield (
                sequence,
                table,
                record_id,
                checksum_of_change(sequence, table, record_id, body),
                place,
                text,
            )

    def _find_place(self, connection: sqlite3.Connection, place: int, last: int) -> int:
        """Return the first sequence whose place is after `place`, at most the last."""
        low = self.first
        high = last
        while low < high:
            middle = (low + high) // 2
            if _place_of(connection, middle) > place:
                high = middle
            else:
                low = middle + 1
        return low

    def mark_durable(self, connection: sqlite3.Connection) -> None:
        """Take note that what was appended last is durable."""
        self.last, self._place = self._appended
        self._has_gap = False
        if self._has_removed:
            (first,) = connection.execute("SELECT min(sequence) FROM changes").fetchone()
            self.first = _require_integer(first)
            self._first_place = _place_of(connection, self.first)


def _place_of(connection: sqlite3.Connection, sequence: int) -> int:
    row = connection.execute("SELECT place FROM changes WHERE sequence = ?", (sequence,)).fetchone()
    return _require_integer(row[0]) if row else 0


def _require_integer(value: object) -> int:
    """Return a number as it was read; raise DamagedHistory for what one flipped bit makes of its type."""
    if not isinstance(value, int):
        raise DamagedHistory("The history is damaged: a number of its changes is none.")
    return value


def last_sequence(connection: sqlite3.Connection) -> int:
    """Return the sequence of the newest change; 0 before the first."""
    (last,) = connection.execute("SELECT coalesce(max(sequence), 0) FROM changes").fetchone()
    return _require_integer(last)


def read_changes(connection: sqlite3.Connection, after: int, limit: int) -> list[Change]:
    """Return at most `limit` changes after a sequence, oldest first; raise DamagedHistory."""
    return [change for change, _ in iterate_changes(connection, after, limit)]


def iterate_changes(connection: sqlite3.Connection, after: int, limit: int) -> Iterator[tuple[Change, int]]:
    """Yield at most `limit` changes after a sequence with their checksums; raise DamagedHistory."""
    for sequence, table, record_id, body, checksum in connection.execute(_SELECT, (after, limit)):
        if checksum_of_change(sequence, table, record_id, body) != checksum:
            raise DamagedHistory(f"The history is damaged: change {sequence}.", sequence=sequence)
        change = Change(
            seq=sequence,
            table=table,
            id=record_id,
            op="put" if body else "remove",
            body=body or None,
            retracts=body == RETRACTED,
        )
        yield change, checksum


def checksum_of_change(sequence: int, table: str, record_id: str, body: bytes | None) -> int:
    head = f"{sequence}/{table}/{record_id}/{'-' if body is None else '+'}".encode()
    return zlib.crc32(body or b"", zlib.crc32(head))
