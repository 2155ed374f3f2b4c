"""TinyDB's Storage over SQLite: the tables, and the changes that wait for the next commit.

A change is visible to this process's own reads at once: it lies over the rows of the database until it is
durable. A batch that found no space is undone by taking it away again, so a refused change never appears
later. What another change has replaced meanwhile stays, since that one will be written whole.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from tinydb.storages import Storage

from kronkeep_common.errors import InvalidRequest, KronkeepError
from kronkeep_daemon.history.database import Database, RowChange
from kronkeep_daemon.history.rows import Row, row_of
from kronkeep_daemon.history.table_rows import TableRows


class SqliteStorage(Storage):
    """`read` and `write` are TinyDB's interface for whole files; tables use `rows` and `change`.

    Without a History, `flush` and `close` make the changes durable.
    """

    def __init__(self, folder: Path | str) -> None:
        self.database = Database(Path(folder))
        self._tables: dict[str, TableRows] = {}
        self._queued: list[RowChange] = []
        self._empty: set[str] = set()
        self.version = 0  # changes with each change of any document

    def rows(self, table: str) -> TableRows:
        """Return the rows of one table; raise InvalidRequest for a name that cannot be used."""
        rows = self._tables.get(table)
        if rows is None:
            others = {name.lower() for name in (*self.database.tables, *self._tables) if name != table}
            if table.lower() in others:
                raise InvalidRequest(
                    f"A table {table!r} would differ from another by case only.", field="table"
                )
            rows = self._tables[table] = TableRows(self.database, table)
        return rows

    def keep_empty(self, table: str) -> None:
        """Show the table among the others although it has no documents."""
        self._empty.add(table)

    def change(self, table: str, number: int, body: bytes | None, *, is_new: bool = False) -> None:
        """Put or remove (None) one document; raise ValueError where another has its id.

        is_new: no document has the number, so none is read.
        """
        rows = self.rows(table)
        old = None if is_new else rows.by_number(number)
        if (old.body if old else None) == body:
            return
        if body is None:
            self._queue(table, number, None, old)
            return
        row = row_of(number, body)
        if row.id and (old is None or old.id != row.id) and rows.by_id(row.id) is not None:
            raise ValueError(f"Document with id {row.id!r} already exists")
        self._queue(table, number, row, old)

    def put_row(self, table: str, row: Row, old: Row | None) -> None:
        """Put a document in place of one that was just read, or a new one (None)."""
        self._queue(table, row.number, row, old)

    def remove_row(self, table: str, row: Row, *, retracts: bool = False) -> None:
        """Remove a document that was just read; for `retracts` see RowChange."""
        self._queue(table, row.number, None, row, retracts=retracts)

    def _queue(
        self, table: str, number: int, new: Row | None, old: Row | None, *, retracts: bool = False
    ) -> None:
        rows = self.rows(table)
        rows.pending.set(number, new)
        rows.mark_changed(new, old)
        if new is not None:
            rows.use_number(number)
        self.version += 1
        row = new or old
        record_id = (row.id if row else "") or str(number)
        change = RowChange(table=table, number=number, id=record_id, row=new, retracts=retracts)
        self._queued.append(change)

    @property
    def has_queued(self) -> bool:
        """Whether changes are queued."""
        return bool(self._queued)

    def take_queued(self) -> list[RowChange]:
        """Return the queued changes and empty the queue."""
        queued = self._queued
        self._queued = []
        return queued

    def mark_durable(self, batch: Sequence[RowChange]) -> None:
        """Let the database's rows stand for a batch that it holds now."""
        later = {(change.table, change.number) for change in self._queued}
        for name in {change.table for change in batch}:
            self.rows(name).forget_ahead()
        for change in batch:
            if (change.table, change.number) not in later:
                self.rows(change.table).pending.discard(change.number)

    def undo(self, batch: Sequence[RowChange]) -> None:
        """Undo a batch that the database did not take; what a later change has replaced stays."""
        self.version += 1
        self.mark_durable(batch)
        for name in {change.table for change in batch}:
            self.rows(name).read_last_number()
            self.rows(name).mark_all_changed()

    def flush(self) -> None:
        """Make the queued changes durable, or undo them all; raise ReadOnlyHistory, DamagedHistory."""
        batch = self.take_queued()
        if not batch:
            return
        try:
            self.database.write(batch)
        except KronkeepError:
            self.undo(batch)
            raise
        self.mark_durable(batch)

    def table_names(self) -> set[str]:
        """Return the tables that have documents, or were asked to be kept without."""
        names = {*self.database.tables, *self._tables}
        return {name for name in names if name in self._empty or len(self.rows(name))}

    def read(self) -> dict[str, dict[str, Any]] | None:
        """Return everything in the form of TinyDB's whole-file interface."""
        return {
            name: {str(row.number): msgspec.json.decode(row.body) for row in self.rows(name).iterate()}
            for name in sorted(self.table_names())
        } or None

    def write(self, data: dict[str, dict[str, Any]]) -> None:
        """Make the tables hold exactly `data`; queue what differs."""
        self._empty = {name for name, documents in data.items() if not documents}
        for name in sorted({*self.table_names(), *data}):
            target = {int(number): document for number, document in data.get(name, {}).items()}
            for number in self.rows(name).numbers():
                if number not in target:
                    self.change(name, number, None)
            for number, document in target.items():
                self.change(name, number, msgspec.json.encode(document))
            self.rows(name).restart_numbers(max(target, default=0))

    def close(self) -> None:
        """Make the queued changes durable and close the database."""
        try:
            self.flush()
        finally:
            self.database.close()
