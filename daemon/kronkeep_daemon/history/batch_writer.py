"""The rows of one batch in its transaction, with what is counted of them: documents by status, and figures.

Triggers would count documents too, but a statement that has one keeps a copy of every page that it changes
(https://sqlite.org/tempfiles.html#statement_journal_files): a new row then takes 43 µs instead of 11.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kronkeep_daemon.history import schema
from kronkeep_daemon.history.figure_writer import FigureWriter, StoredWeeks
from kronkeep_daemon.history.figures import COUNTED, COUNTED_STATUSES, TABLE
from kronkeep_daemon.history.rows import Row, checksum

PAGE = 500  # rows read by one statement
_COUNT = (
    "INSERT INTO counts VALUES(?, ?, ?)"
    " ON CONFLICT(table_name, status) DO UPDATE SET documents = documents + excluded.documents"
)
_STATUS = Row._fields.index("status")
_OTHERS = ", ".join((*Row._fields[1:_STATUS], *Row._fields[_STATUS + 1 : -1]))
_BODY = "CAST(body AS BLOB)"
_LAST = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?"


class _State(NamedTuple):
    """What is counted of a row, and its other columns."""

    status: str
    body: bytes
    columns: tuple[object, ...]


class BatchWriter:
    """The writer of one batch, which `finish` ends; what is counted comes from what the database holds.

    `last_numbers` are the greatest numbers of tables as earlier batches left them, `weeks` rows of figures;
    the caller forgets both where a batch is undone.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        last_numbers: dict[str, int],
        weeks: StoredWeeks,
        *,
        counts_figures: bool,
    ) -> None:
        self._connection = connection
        self._counts_figures = counts_figures
        self._weeks = weeks
        self._figures = FigureWriter(connection, weeks)
        self._documents: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._states: dict[tuple[str, int], _State | None] = {}  # of the rows that this batch changes
        self._last_numbers = last_numbers

    def put(self, table: str, rows: Sequence[Row], *, replace: bool) -> None:
        """Put rows; with `replace` other rows that have their ids go. Raise sqlite3.Error."""
        self._read_states(table, [row.number for row in rows], _BODY if table in COUNTED else "x''")
        if table == TABLE:
            self._weeks.forget()
        if replace:
            self._remove_namesakes(table, rows)
        stored = {row.number: self._states.get((table, row.number)) for row in rows}
        for row in rows:
            self._count(table, row.number, _State(row.status or "", row.body, _other_columns(row)))
        self._write_newest(table, {row.number: row for row in rows}, stored)
        self._last_numbers[table] = max([self._last_numbers[table], *(row.number for row in rows)])

    def _write_newest(self, table: str, rows: Mapping[int, Row], stored: Mapping[int, _State | None]) -> None:
        """Write the newest state of each row.

        Of a row that is there only what differs is set: SQLite takes the row out of each index with a column
        that a statement sets and puts it in again, also where the value is the same.
        """
        whole: list[tuple[object, ...]] = []
        ended: list[tuple[object, ...]] = []
        bodies: list[tuple[object, ...]] = []
        for number, row in rows.items():
            old = stored[number]
            content = (checksum(table, number, row.body), row.body.decode())
            if old is None or old.columns != _other_columns(row):
                whole.append((*row[:-1], *content))
            elif old.status != (row.status or ""):
                ended.append((*content, row.status, number))
            else:
                bodies.append((*content, number))
        if ended:
            self._connection.executemany(schema.update_status(table), ended)
        if bodies:
            self._connection.executemany(schema.update_body(table), bodies)
        if whole:
            self._connection.executemany(schema.put_row(table), whole)

    def remove(self, table: str, numbers: Sequence[int], *, retracts: bool = False) -> None:
        """Remove rows by number; what figures count of them stays, unless it is retracted.

        Raise sqlite3.Error.
        """
        is_uncounted = retracts and table in COUNTED
        self._read_states(table, numbers, _BODY if is_uncounted else "x''")
        if table == TABLE:
            self._weeks.forget()
        for number in numbers:
            if is_uncounted:
                self._count_figures(table, self._states.get((table, number)), -1)
            self._count(table, number, None)
        for start in range(0, len(numbers), PAGE):
            page = numbers[start : start + PAGE]
            marks = ", ".join("?" * len(page))
            self._connection.execute(f"DELETE FROM {schema.quote(table)} WHERE number IN ({marks})", page)

    def finish(self) -> None:
        """Write what was counted; raise sqlite3.Error, DamagedHistory."""
        if new_weeks := self._figures.write():
            self.put(TABLE, new_weeks, replace=False)
        documents = [(*key, number) for key, number in self._documents.items() if number]
        if documents:
            self._connection.executemany(_COUNT, documents)

    def _remove_namesakes(self, table: str, rows: Sequence[Row]) -> None:
        sql = f"SELECT number FROM {schema.quote(table)} WHERE id = ? AND number <> ?"
        for row in rows:
            if row.id:
                others = self._connection.execute(sql, (row.id, row.number)).fetchall()
                self.remove(table, [number for (number,) in others])

    def _count(self, table: str, number: int, new: _State | None) -> None:
        """Count a row as it will be, in place of what it is."""
        old = self._states.get((table, number))
        self._states[table, number] = new
        if old is not None:
            self._documents[table, old.status] -= 1
        if new is not None:
            self._documents[table, new.status] += 1
            if table in COUNTED:
                self._count_figures(table, old, -1)
                self._count_figures(table, new, 1)

    def _count_figures(self, table: str, state: _State | None, sign: int) -> None:
        if self._counts_figures and state is not None and state.status in COUNTED_STATUSES:
            self._figures.count(table, state.body, sign)

    def _read_states(self, table: str, numbers: Sequence[int], body: str) -> None:
        """Read the rows that the database has; `body` is the SQL of their JSON, or of nothing in its place.

        No row has a number above the last one, so that new records cost no look into the table.
        """
        if table not in self._last_numbers:
            (self._last_numbers[table],) = self._connection.execute(_LAST, (table,)).fetchone()
        last = self._last_numbers[table]
        unread = [number for number in numbers if number <= last and (table, number) not in self._states]
        if not unread:
            return
        sql = f"SELECT number, coalesce(status, ''), {body}, {_OTHERS} FROM {schema.quote(table)}"
        for start in range(0, len(unread), PAGE):
            page = unread[start : start + PAGE]
            marks = ", ".join("?" * len(page))
            for number, status, stored_body, *others in self._connection.execute(
                f"{sql} WHERE number IN ({marks})", page
            ):
                self._states[table, number] = _State(status, stored_body, tuple(others))


def _other_columns(row: Row) -> tuple[object, ...]:
    """Return the values of a row's columns besides its status."""
    return (*row[1:_STATUS], *row[_STATUS + 1 : -1])
