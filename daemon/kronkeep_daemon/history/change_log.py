"""The latest changes, as rows of the table `changes`, for readers of events who resume.

It is bounded by rows and by bytes; the oldest rows are removed some hundreds at a time, with the changes that
push them out.
"""

import sqlite3
import zlib
from collections import deque
from collections.abc import Iterable, Sequence

from kronkeep_common.errors import DamagedHistory
from kronkeep_daemon.history.changes import Change

MOST_ROWS = 20_000
MOST_BYTES = 16 * 1024 * 1024
SLACK = 0.05  # share of the limits that may be exceeded before rows are removed
_PUT = "INSERT INTO changes VALUES(?, ?, ?, ?, ?)"
_SELECT = (
    "SELECT sequence, table_name, id, CAST(body AS BLOB), checksum FROM changes"
    " WHERE sequence > ? ORDER BY sequence LIMIT ?"
)
Unnumbered = tuple[str, str, bytes | None]  # table, id, body


class ChangeLog:
    """The remembered changes, from the sequence `first` to `last`; it is written by the writer's thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        rows = connection.execute("SELECT sequence, coalesce(length(body), 0) FROM changes ORDER BY sequence")
        self._sizes: deque[tuple[int, int]] = deque(rows)
        self._bytes = sum(size for _, size in self._sizes)
        self.last = self._sizes[-1][0] if self._sizes else 0
        self.first = self._sizes[0][0] if self._sizes else 1

    def append(self, connection: sqlite3.Connection, changes: Sequence[Unnumbered]) -> None:
        """Add changes to the open transaction and remove the rows that they push out."""
        connection.executemany(_PUT, self._number(changes))
        cut = self._find_cut(changes)
        if cut:
            connection.execute("DELETE FROM changes WHERE sequence <= ?", (cut,))

    def _number(self, changes: Iterable[Unnumbered]) -> Iterable[tuple[object, ...]]:
        for sequence, (table, record_id, body) in enumerate(changes, self.last + 1):
            text = body.decode() if body is not None else None
            yield sequence, table, record_id, _checksum(sequence, table, record_id, body), text

    def _find_cut(self, changes: Sequence[Unnumbered]) -> int:
        """Return the last sequence to remove, 0 for none; the newest row always stays."""
        rows = len(self._sizes) + len(changes)
        size = self._bytes + sum(len(body or b"") for _, _, body in changes)
        if rows <= MOST_ROWS * (1 + SLACK) and size <= MOST_BYTES * (1 + SLACK):
            return 0
        cut = 0
        for sequence, length in self._sizes:
            if rows <= MOST_ROWS and size <= MOST_BYTES:
                break
            cut = sequence
            rows -= 1
            size -= length
        return cut

    def mark_durable(self, changes: Sequence[Unnumbered]) -> None:
        """Remember the sizes of changes whose transaction is durable."""
        cut = self._find_cut(changes)
        while self._sizes and self._sizes[0][0] <= cut:
            self._bytes -= self._sizes.popleft()[1]
        for _, _, body in changes:
            self.last += 1
            self._sizes.append((self.last, len(body or b"")))
            self._bytes += len(body or b"")
        self.first = self._sizes[0][0]


def last_sequence(connection: sqlite3.Connection) -> int:
    """Return the sequence of the newest change; 0 before the first."""
    (last,) = connection.execute("SELECT coalesce(max(sequence), 0) FROM changes").fetchone()
    return int(last)


def read_changes(connection: sqlite3.Connection, after: int, limit: int) -> list[Change]:
    """Return at most `limit` changes after a sequence, oldest first; raise DamagedHistory."""
    return [_change(*row) for row in connection.execute(_SELECT, (after, limit))]


def _change(sequence: int, table: str, record_id: str, body: bytes | None, checksum: int) -> Change:
    if _checksum(sequence, table, record_id, body) != checksum:
        raise DamagedHistory(f"The history is damaged: change {sequence}.", sequence=sequence)
    op = "remove" if body is None else "put"
    return Change(seq=sequence, table=table, id=record_id, op=op, body=body)  # type: ignore[arg-type]


def _checksum(sequence: int, table: str, record_id: str, body: bytes | None) -> int:
    head = f"{sequence}/{table}/{record_id}/{'-' if body is None else '+'}".encode()
    return zlib.crc32(body or b"", zlib.crc32(head))
