"""TinyDB's Storage over the journal: it holds the tables' documents and queues their changes.

A change is visible in memory at once and durable later. Until then the durable row is remembered, so that a
batch that found no space can be undone: a refused change must not appear later. What another change has
replaced meanwhile stays, since that one will be written whole.
"""

from collections import defaultdict
from typing import Any

import msgspec
from tinydb.storages import Storage

from kronkeep_daemon.history.documents import BODY, ID, NUMBER, Documents, Row, row_of
from kronkeep_daemon.history.journal import Entry

Key = tuple[str, int]


class PendingChange:
    """A change that is not durable yet: the row before and the row after it (None where there is none)."""

    __slots__ = ("new", "number", "old", "table")

    def __init__(self, *, table: str, number: int, old: Row | None, new: Row | None) -> None:
        self.table = table
        self.number = number
        self.old = old
        self.new = new

    @property
    def entry(self) -> Entry:
        """The change as an entry of the journal."""
        return Entry(self.table, self.number, self.new[BODY] if self.new else None)

    @property
    def id(self) -> str:
        """The id of the document, or its number where it has none."""
        row = self.new or self.old
        return (row[ID] if row else "") or str(self.number)


class JournalStorage(Storage):
    """`read` and `write` are TinyDB's interface for whole files; tables use `documents` and `change`."""

    def __init__(self) -> None:
        self._tables: defaultdict[str, Documents] = defaultdict(Documents)
        self._queued: list[PendingChange] = []
        self._durable: dict[Key, Row | None] = {}

    def documents(self, table: str) -> Documents:
        """Return the documents of one table."""
        return self._tables[table]

    def change(self, table: str, number: int, body: bytes | None) -> None:
        """Make one change in memory and queue it for the journal."""
        documents = self.documents(table)
        old = documents.rows.get(number)
        new = row_of(number, body) if body is not None else None
        if (old[BODY] if old else None) == body:
            return
        self._durable.setdefault((table, number), old)
        self._apply(table, number, new)
        self._queued.append(PendingChange(table=table, number=number, old=old, new=new))

    def _apply(self, table: str, number: int, row: Row | None) -> None:
        if row is None:
            self.documents(table).remove(number)
        else:
            self.documents(table).put(row)

    @property
    def has_queued(self) -> bool:
        """Whether changes are queued."""
        return bool(self._queued)

    def take_queued(self) -> list[PendingChange]:
        """Return the queued changes and empty the queue."""
        queued = self._queued
        self._queued = []
        return queued

    def mark_durable(self, batch: list[PendingChange]) -> None:
        """Record that the batch is on the disk."""
        later = {(change.table, change.number) for change in self._queued}
        for change in batch:
            key = (change.table, change.number)
            if key in later:
                self._durable[key] = change.new
            else:
                self._durable.pop(key, None)

    def undo(self, batch: list[PendingChange]) -> None:
        """Undo a batch that is not on the disk."""
        later = {(change.table, change.number) for change in self._queued}
        for key in {(change.table, change.number) for change in batch} - later:
            self._apply(*key, self._durable.pop(key))

    def copy_rows(self) -> dict[str, list[Row]]:
        """Return every row of every table as of now."""
        return {name: list(documents.rows.values()) for name, documents in self._tables.items()}

    def fill(self, tables: dict[str, dict[int, Row]]) -> None:
        """Replace everything with the rows that the loader read."""
        for name, rows in tables.items():
            self.documents(name).fill(rows)

    def read(self) -> dict[str, dict[str, Any]] | None:
        """Return everything in the form of TinyDB's `tables()` and `drop_table()`."""
        return {
            name: {str(row[NUMBER]): msgspec.json.decode(row[BODY]) for row in documents.rows.values()}
            for name, documents in self._tables.items()
            if documents.rows
        }

    def write(self, data: dict[str, dict[str, Any]]) -> None:
        """Make the tables hold exactly `data`; queue what differs."""
        for name in [*self._tables, *(name for name in data if name not in self._tables)]:
            target = {int(number): doc for number, doc in data.get(name, {}).items()}
            documents = self.documents(name)
            for number in [number for number in documents.rows if number not in target]:
                self.change(name, number, None)
            for number, doc in target.items():
                self.change(name, number, msgspec.json.encode(doc))
            documents.last_number = max(target, default=0)

    def close(self) -> None:
        """Do nothing: the History owns the files."""
