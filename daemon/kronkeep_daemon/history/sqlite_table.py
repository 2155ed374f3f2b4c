"""TinyDB's Table over a table of SQLite.

TinyDB's own methods work on `_read_table` and `_update_table`, which its documentation names as extension
points; both get a mapping that reads a document when it is asked for and records what is changed. A query
that SQL can narrow reads only the rows that it offers, and TinyDB's own query then decides.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any

import msgspec
from tinydb import TinyDB
from tinydb.queries import QueryLike
from tinydb.storages import Storage
from tinydb.table import Document, Table

from kronkeep_daemon.history.query_sql import condition_of
from kronkeep_daemon.history.rows import Row
from kronkeep_daemon.history.sqlite_storage import SqliteStorage
from kronkeep_daemon.history.table_rows import TableRows

Json = dict[str, Any]


class RecordedDocuments(MutableMapping[int, Json]):
    """The documents of a table in the form that TinyDB's updaters expect; it records what they change."""

    def __init__(self, rows: TableRows) -> None:
        self._rows = rows
        self._read: dict[int, Json] = {}
        self._removed: set[int] = set()

    def __getitem__(self, number: int) -> Json:
        if number not in self._read:
            row = None if number in self._removed else self._rows.by_number(number)
            if row is None:
                raise KeyError(number)
            self._read[number] = msgspec.json.decode(row.body)
        return self._read[number]

    def __setitem__(self, number: int, document: Json) -> None:
        self._removed.discard(number)
        self._read[number] = dict(document)

    def __delitem__(self, number: int) -> None:
        if number not in self:
            raise KeyError(number)
        self._read.pop(number, None)
        self._removed.add(number)

    def __iter__(self) -> Iterator[int]:
        numbers = self._rows.numbers()
        yield from (number for number in numbers if number not in self._removed)
        yield from sorted(self._read.keys() - set(numbers))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, number: object) -> bool:
        if number in self._removed or not isinstance(number, int):
            return False
        return number in self._read or self._rows.by_number(number) is not None

    def clear(self) -> None:
        """Remove every document at once."""
        self._read.clear()
        self._removed.update(self._rows.numbers())

    def changes(self) -> list[tuple[int, bytes | None]]:
        """Return (number, JSON or None when removed) of each document that was removed or read."""
        removed = [(number, None) for number in sorted(self._removed)]
        return [
            *removed,
            *((number, msgspec.json.encode(document)) for number, document in self._read.items()),
        ]


class SqliteTable(Table):
    """A TinyDB table whose documents are rows of SQLite; the rest of the API is TinyDB's own."""

    def __init__(
        self,
        storage: Storage,
        name: str,
        *,
        cache_size: int = Table.default_query_cache_capacity,
        persist_empty: bool = False,
    ) -> None:
        assert isinstance(storage, SqliteStorage)
        self._sqlite = storage
        self._cached_version = storage.version
        self.rows = storage.rows(name)
        super().__init__(storage, name, cache_size=cache_size, persist_empty=False)
        if persist_empty:
            storage.keep_empty(name)

    def _read_table(self) -> Mapping[int, Mapping[str, Any]]:  # type: ignore[override]
        return RecordedDocuments(self.rows)

    def _update_table(self, updater: Callable[[dict[int, Mapping[str, Any]]], None]) -> None:
        view = RecordedDocuments(self.rows)
        updater(view)  # type: ignore[arg-type]
        for number, body in view.changes():
            self._sqlite.change(self.name, number, body)
        self.clear_cache()

    def put_document(self, number: int | None, document: Json) -> int:
        """Add a document, or replace the one of that number, without reading the others."""
        return self.put_body(number, msgspec.json.encode(document))

    def put_body(self, number: int | None, body: bytes) -> int:
        """Do what `put_document` does, with a document that is JSON already."""
        is_new = number is None
        number = self._get_next_id() if number is None else number
        self._sqlite.change(self.name, number, body, is_new=is_new)
        return number

    def put_row(self, row: Row, old: Row | None) -> None:
        """Put a document in place of one that was just read, or a new one (None)."""
        self._sqlite.put_row(self.name, row, old)

    def remove_row(self, row: Row, *, retracts: bool = False) -> None:
        """Remove the document of a row that was just read; for `retracts` see RowChange."""
        self._sqlite.remove_row(self.name, row, retracts=retracts)

    def _get_next_id(self) -> int:
        number = self.rows.last_number + 1
        self.rows.use_number(number)
        return number

    def truncate(self) -> None:
        """Remove every document and restart the numbers, as TinyDB does."""
        super().truncate()
        self.rows.restart_numbers()

    def newest(self, limit: int) -> list[Json]:
        """Return at most `limit` documents, newest first by `created_at`."""
        return [msgspec.json.decode(row.body) for row in self.rows.newest({}, limit=limit)]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Document]:
        return map(_document, self.rows.iterate())

    def search(self, cond: QueryLike) -> list[Document]:
        """Return the documents that meet the condition."""
        if self._query_cache.capacity == 0:
            return [document for document in self._candidates(cond) if cond(document)]
        if self._cached_version != self._sqlite.version:
            self.clear_cache()
            self._cached_version = self._sqlite.version
        cached = self._query_cache.get(cond)
        if cached is not None:
            return cached[:]
        documents = [document for document in self._candidates(cond) if cond(document)]
        if getattr(cond, "is_cacheable", lambda: True)():
            self._query_cache[cond] = documents[:]
        return documents

    def get(  # type: ignore[override]
        self, cond: QueryLike | None = None, doc_id: int | None = None, doc_ids: list[int] | None = None
    ) -> Document | list[Document] | None:
        """Return one document by number or condition (None: there is none), or several by their numbers."""
        if doc_id is not None:
            row = self.rows.by_number(doc_id)
            return _document(row) if row is not None else None
        if doc_ids is not None:
            rows = (self.rows.by_number(number) for number in sorted(set(doc_ids)))
            return [_document(row) for row in rows if row is not None]
        if cond is None:
            raise RuntimeError("You have to pass either cond or doc_id or doc_ids")
        return next((document for document in self._candidates(cond) if cond(document)), None)

    def update(  # type: ignore[override]
        self,
        fields: Mapping[str, Any] | Callable[[Mapping[str, Any]], None],
        cond: QueryLike | None = None,
        doc_ids: Iterable[int] | None = None,
    ) -> list[int]:
        """Update the documents that are chosen; a condition that SQL can narrow reads only those."""
        if doc_ids is None and cond is not None:
            doc_ids = [document.doc_id for document in self.search(cond)]
        return super().update(fields, None, doc_ids)

    def remove(self, cond: QueryLike | None = None, doc_ids: Iterable[int] | None = None) -> list[int]:
        """Remove the documents that are chosen."""
        if doc_ids is None and cond is not None:
            doc_ids = [document.doc_id for document in self.search(cond)]
        return super().remove(None, doc_ids)

    def _candidates(self, cond: QueryLike) -> Iterator[Document]:
        condition = condition_of(getattr(cond, "_hash", None))
        rows = self.rows.iterate() if condition is None else self.rows.candidates(condition)
        return map(_document, rows)


def _document(row: Row) -> Document:
    return Document(msgspec.json.decode(row.body), row.number)


class SqliteTinyDB(TinyDB):
    """A TinyDB whose tables are read and written row by row."""

    table_class = SqliteTable  # type: ignore[assignment]  # its options are keywords

    def tables(self) -> set[str]:
        """Return the names of the tables that hold documents."""
        return self._sqlite.table_names()

    def drop_table(self, name: str) -> None:
        """Remove a table's documents and forget the table."""
        self.table(name).truncate()
        self._tables.pop(name, None)

    @property
    def _sqlite(self) -> SqliteStorage:
        assert isinstance(self.storage, SqliteStorage)
        return self.storage
