"""The rows of figures in the transaction of a batch: read, changed and written by the writer's thread."""

import sqlite3
from collections.abc import Sequence

import msgspec

from kronkeep_common.errors import DamagedHistory
from kronkeep_daemon.history import schema
from kronkeep_daemon.history.figures import (
    COUNTED,
    TABLE,
    DayFigures,
    FigureChanges,
    Share,
    WeekFigures,
    add_days,
    new_week,
    shares_of,
)
from kronkeep_daemon.history.rows import Row, checksum, row_of

_DECODER = msgspec.json.Decoder(WeekFigures)
_TABLE = schema.quote(TABLE)
_FIND = f"SELECT number, CAST(body AS BLOB), checksum FROM {_TABLE} WHERE id = ?"
_UPDATE = f"UPDATE {_TABLE} SET body = ?, checksum = ? WHERE number = ?"
_LAST = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?"


class FigureWriter:
    """The figures of one batch: `count` before its rows are written, `write` after."""

    def __init__(self, connection: sqlite3.Connection, tables: set[str]) -> None:
        self._connection = connection
        self._tables = tables
        self._changes = FigureChanges()
        self._counted: dict[tuple[str, int], bytes] = {}  # what this batch puts
        self._last_numbers: dict[str, int] = {}

    def count(self, table: str, rows: Sequence[Row]) -> None:
        """Count rows that are about to be put, in place of those that the database has."""
        if table not in COUNTED:
            return
        for row in rows:
            old = self._counted.get((table, row.number)) or self._read(table, row.number)
            if old is not None:
                self._changes.add(shares_of(table, old), -1)
            self._changes.add(shares_of(table, row.body))
            self._counted[table, row.number] = row.body

    def _read(self, table: str, number: int) -> bytes | None:
        """Return the body of the row that the database has; None without one, or one that cannot count.

        No row has a number above the last one, so that new records cost no look into the table.
        """
        if table not in self._tables:
            return None
        if table not in self._last_numbers:
            (self._last_numbers[table],) = self._connection.execute(_LAST, (table,)).fetchone()
        if number > self._last_numbers[table]:
            return None
        sql = f"SELECT CAST(body AS BLOB) FROM {schema.quote(table)} WHERE number = ?"
        row = self._connection.execute(sql, (number,)).fetchone()
        return row[0] if row is not None else None

    def write(self) -> None:
        """Write the figures that differ; raise sqlite3.Error, DamagedHistory."""
        for share, days in self._changes.rows():
            self._write_row(share, days)

    def _write_row(self, share: Share, days: dict[int, DayFigures]) -> None:
        stored = self._connection.execute(_FIND, (share.key,)).fetchone()
        if stored is None:
            self._insert(msgspec.json.encode(add_days(new_week(share), days)))
            return
        number, body, expected = stored
        if checksum(TABLE, number, body) != expected:
            raise DamagedHistory(f"The history is damaged: {TABLE}, document {number}.", table=TABLE)
        changed = msgspec.json.encode(add_days(_DECODER.decode(body), days))
        values = (changed.decode(), checksum(TABLE, number, changed), number)
        self._connection.execute(_UPDATE, values)

    def _insert(self, body: bytes) -> None:
        (last,) = self._connection.execute(_LAST, (TABLE,)).fetchone()
        row = row_of(last + 1, body)
        values = (*row[:-1], checksum(TABLE, row.number, body), body.decode())
        self._connection.execute(schema.put_row(TABLE), values)
