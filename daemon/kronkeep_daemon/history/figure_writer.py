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
MOST_WEEKS = 12_000  # of about 500 bytes each: those of 6,000 CronJobs, namespaces and storages in two weeks
_DECODER = msgspec.json.Decoder(WeekFigures)
_ENCODER = msgspec.json.Encoder()
_TABLE = schema.quote(TABLE)
_UPDATE = f"UPDATE {_TABLE} SET body = ?, checksum = ? WHERE number = ?"
_LAST = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?"


class StoredWeek(NamedTuple):
    """A row of figures: its number and its JSON."""

    number: int
    body: bytes


class StoredWeeks:
    """The rows of figures that the latest batches wrote, as the database has them, by their ids.

    Runs of the same CronJobs end again soon; reading a row costs more than all else of its change. Whoever
    changes rows otherwise, or undoes a batch, forgets them all.
    """

    def __init__(self) -> None:
        self._weeks: dict[str, StoredWeek] = {}

    def get(self, key: str) -> StoredWeek | None:
        """Return the row, or None where it must be read."""
        return self._weeks.get(key)

    def set(self, key: str, week: StoredWeek) -> None:
        """Remember a row as it was written."""
        if len(self._weeks) >= MOST_WEEKS:
            self._weeks.clear()
        self._weeks[key] = week

    def forget(self) -> None:
        """Forget what earlier batches wrote."""
        self._weeks.clear()


class FigureWriter:
    """The figures of one batch: `count` its records, then `write`."""

    def __init__(self, connection: sqlite3.Connection, weeks: StoredWeeks) -> None:
        self._connection = connection
        self._weeks = weeks
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
        stored = {key: week for key in changes if (week := self._weeks.get(key)) is not None}
        stored.update(self._read([key for key in changes if key not in stored]))
        updates = []
        new: list[Row] = []
        last = self._read_last_number() if len(stored) < len(changes) else 0
        for key, change in changes.items():
            if (week := stored.get(key)) is None:
                figures = new_week(change.example)
                add_days(figures, change.days)
                new.append(row_of(last + 1 + len(new), _ENCODER.encode(figures)))
            else:
                figures = _DECODER.decode(week.body)
                add_days(figures, change.days)
                body = _ENCODER.encode(figures)
                updates.append((body.decode(), checksum(TABLE, week.number, body), week.number))
                self._weeks.set(key, StoredWeek(week.number, body))
        if updates:
            self._connection.executemany(_UPDATE, updates)
        return new

    def _read_last_number(self) -> int:
        (last,) = self._connection.execute(_LAST, (TABLE,)).fetchone()
        return int(last)

    def _read(self, keys: Sequence[str]) -> Iterator[tuple[str, StoredWeek]]:
        for start in range(0, len(keys), PAGE):
            page = keys[start : start + PAGE]
            sql = f"SELECT id, number, CAST(body AS BLOB), checksum FROM {_TABLE} WHERE id IN "
            for key, number, body, expected in self._connection.execute(
                f"{sql}({', '.join('?' * len(page))})", page
            ):
                if checksum(TABLE, number, body) != expected:
                    raise DamagedHistory(f"The history is damaged: {TABLE}, document {number}.", table=TABLE)
                yield key, StoredWeek(number, body)
