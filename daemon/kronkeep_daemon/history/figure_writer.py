"""The rows of figures in the transaction of a batch: read, changed and written by the writer's thread."""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from kronkeep_common.errors import DamagedHistory
from kronkeep_daemon.history import schema
from kronkeep_daemon.history.figures import (
    TABLE,
    FigureChanges,
    WeekFigures,
    add_days,
    count_record,
    new_week,
)
from kronkeep_daemon.history.rows import Row, checksum, row_of

PAGE = 500  # rows read by one statement
_DECODER = msgspec.json.Decoder(WeekFigures)
_ENCODER = msgspec.json.Encoder()
_TABLE = schema.quote(TABLE)
_UPDATE = f"UPDATE {_TABLE} SET body = ?, checksum = ? WHERE number = ?"
_LAST = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?"


class _StoredWeek(NamedTuple):
    number: int
    figures: WeekFigures


class FigureWriter:
    """The figures of one batch: `count` its records, then `write`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._changes = FigureChanges()

    def count(self, table: str, body: bytes, sign: int = 1) -> None:
        """Count a record, or with `sign` -1 one that was counted before."""
        if (record := count_record(table, body)) is not None:
            self._changes.add(*record, sign)

    def write(self) -> list[Row]:
        """Write the rows that differ and return those that are new; raise sqlite3.Error, DamagedHistory."""
        changes = self._changes.rows()
        if not changes:
            return []
        stored = dict(self._read(list(changes)))
        updates = []
        new: list[Row] = []
        last = self._read_last_number() if len(stored) < len(changes) else 0
        for key, change in changes.items():
            if (week := stored.get(key)) is None:
                figures = new_week(change.example)
                add_days(figures, change.days)
                new.append(row_of(last + 1 + len(new), _ENCODER.encode(figures)))
            else:
                add_days(week.figures, change.days)
                body = _ENCODER.encode(week.figures)
                updates.append((body.decode(), checksum(TABLE, week.number, body), week.number))
        self._connection.executemany(_UPDATE, updates)
        return new

    def _read_last_number(self) -> int:
        (last,) = self._connection.execute(_LAST, (TABLE,)).fetchone()
        return int(last)

    def _read(self, keys: Sequence[str]) -> Iterator[tuple[str, _StoredWeek]]:
        for start in range(0, len(keys), PAGE):
            page = keys[start : start + PAGE]
            sql = f"SELECT id, number, CAST(body AS BLOB), checksum FROM {_TABLE} WHERE id IN "
            for key, number, body, expected in self._connection.execute(
                f"{sql}({', '.join('?' * len(page))})", page
            ):
                if checksum(TABLE, number, body) != expected:
                    raise DamagedHistory(f"The history is damaged: {TABLE}, document {number}.", table=TABLE)
                yield key, _StoredWeek(number, _DECODER.decode(body))
