"""TinyDB's Table over rows in memory.

TinyDB's own methods work on `_read_table` and `_update_table`, which its documentation names as extension
points; both get a mapping that decodes a document when it is read and records what is changed. A condition on
indexed fields reads only the rows that can meet it and then asks TinyDB's own query, so an index may return
too many rows, never too few.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any

import msgspec
from tinydb.queries import QueryInstance, QueryLike
from tinydb.storages import Storage
from tinydb.table import Document, Table

from kronkeep_daemon.history.documents import BODY, INDEXED, LATEST, NUMBER, SORT, Documents, Row

Doc = dict[str, Any]
SECOND = len("2026-01-01T00:00:00")  # rows are sorted without what may follow it differently


class DocumentMapping(MutableMapping[int, Doc]):
    """The documents in the form that TinyDB's updaters expect; it records what they change."""

    def __init__(self, documents: Documents) -> None:
        self._rows = documents.rows
        self._read: dict[int, Doc] = {}
        self._removed: set[int] = set()

    def __getitem__(self, number: int) -> Doc:
        if number not in self._read:
            if number in self._removed:
                raise KeyError(number)
            self._read[number] = msgspec.json.decode(self._rows[number][BODY])
        return self._read[number]

    def __setitem__(self, number: int, doc: Doc) -> None:
        self._removed.discard(number)
        self._read[number] = dict(doc)

    def __delitem__(self, number: int) -> None:
        if number not in self:
            raise KeyError(number)
        self._read.pop(number, None)
        self._removed.add(number)

    def __iter__(self) -> Iterator[int]:
        yield from (number for number in self._rows if number not in self._removed)
        yield from (number for number in self._read if number not in self._rows)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, number: object) -> bool:
        return number not in self._removed and (number in self._read or number in self._rows)

    def clear(self) -> None:
        """Remove every document at once."""
        self._read.clear()
        self._removed.update(self._rows)

    def changes(self) -> list[tuple[int, bytes | None]]:
        """Return (number, JSON or None when removed) of each document that was removed or read."""
        removed = [(number, None) for number in self._removed if number in self._rows]
        return [*removed, *((number, msgspec.json.encode(doc)) for number, doc in self._read.items())]


class JournalTable(Table):
    """A TinyDB table whose changes go to the journal; the rest of the API is TinyDB's own."""

    default_query_cache_capacity = 0

    def __init__(self, storage: Storage, name: str, cache_size: int = 0, persist_empty: bool = False) -> None:
        super().__init__(storage, name, cache_size=cache_size, persist_empty=persist_empty)
        self.documents: Documents = storage.documents(name)  # type: ignore[attr-defined]
        self._change: Callable[[str, int, bytes | None], None] = storage.change  # type: ignore[attr-defined]

    def _read_table(self) -> Mapping[int, Mapping[str, Any]]:  # type: ignore[override]
        return DocumentMapping(self.documents)

    def _update_table(self, updater: Callable[[dict[int, Mapping[str, Any]]], None]) -> None:
        view = DocumentMapping(self.documents)
        updater(view)  # type: ignore[arg-type]
        for number, body in view.changes():
            self._change(self.name, number, body)

    def put_document(self, number: int | None, doc: Doc) -> int:
        """Add a document, or replace the one of that number, without reading the others."""
        return self.put_body(number, msgspec.json.encode(doc))

    def put_body(self, number: int | None, body: bytes) -> int:
        """Do what `put_document` does, with a document that is JSON already."""
        number = self._get_next_id() if number is None else number
        self._change(self.name, number, body)
        return number

    def _get_next_id(self) -> int:
        self.documents.last_number += 1
        return self.documents.last_number

    def truncate(self) -> None:
        """Remove every document and restart the numbers, as TinyDB does."""
        super().truncate()
        self.documents.last_number = 0

    def newest(self, limit: int) -> list[Doc]:
        """Return at most `limit` documents, newest first by `created_at`."""
        rows = self.documents.order[: -limit - 1 : -1]
        return [msgspec.json.decode(row[BODY]) for row in rows]

    def __len__(self) -> int:
        return len(self.documents.rows)

    def __iter__(self) -> Iterator[Document]:
        return map(_document, list(self.documents.rows.values()))

    def search(self, cond: QueryLike) -> list[Document]:
        """Return the documents that meet the condition."""
        return [doc for doc in self._candidates(cond) if cond(doc)]

    def get(  # type: ignore[override]
        self, cond: QueryLike | None = None, doc_id: int | None = None, doc_ids: list[int] | None = None
    ) -> Document | list[Document] | None:
        """Return one document by number or condition (None: there is none), or several by their numbers."""
        rows = self.documents.rows
        if doc_id is not None:
            return _document(rows[doc_id]) if doc_id in rows else None
        if doc_ids is not None:
            return [_document(rows[number]) for number in rows.keys() & set(doc_ids)]
        if cond is None:
            raise RuntimeError("You have to pass either cond or doc_id or doc_ids")
        return next((doc for doc in self._candidates(cond) if cond(doc)), None)

    def update(  # type: ignore[override]
        self,
        fields: Mapping[str, Any] | Callable[[Mapping[str, Any]], None],
        cond: QueryLike | None = None,
        doc_ids: Iterable[int] | None = None,
    ) -> list[int]:
        """Update the documents that are chosen; a condition on an indexed field reads only those."""
        if doc_ids is None and cond is not None:
            doc_ids = [doc.doc_id for doc in self.search(cond)]
        return super().update(fields, None, doc_ids)

    def remove(self, cond: QueryLike | None = None, doc_ids: Iterable[int] | None = None) -> list[int]:
        """Remove the documents that are chosen."""
        if doc_ids is None and cond is not None:
            doc_ids = [doc.doc_id for doc in self.search(cond)]
        return super().remove(None, doc_ids)

    def _candidates(self, cond: QueryLike) -> Iterator[Document]:
        rows = candidate_rows(self.documents, cond._hash) if isinstance(cond, QueryInstance) else None
        if rows is None:
            return iter(self)
        return map(_document, sorted(rows, key=lambda row: row[NUMBER]))


def _document(row: Row) -> Document:
    return Document(msgspec.json.decode(row[BODY]), row[NUMBER])


def candidate_rows(documents: Documents, condition: Any) -> list[Row] | None:
    """Return rows that include all that meet a TinyDB query, or None where no index helps.

    `condition` is the query's hash, a tuple of operator, path and value. Among terms joined by `&`, every
    `==` on an indexed field and every comparison of the time narrows the rows; `one_of` and `|` do where all
    sides can.
    """
    terms = list(_conjuncts(condition))
    lists = [rows for term in terms if (rows := _alternatives(documents, term)) is not None]
    equal: dict[str, str] = {}
    low = ""
    high = LATEST
    for term in terms:
        match term:
            case ("==", (str(field),), str(value)) if field in INDEXED and value:
                if equal.setdefault(field, value) != value:
                    return []
            case (">" | ">=", (field,), str(value)) if field == SORT:
                low = max(low, value[:SECOND])
            case ("<" | "<=", (field,), str(value)) if field == SORT and value:
                high = min(high, value[:SECOND] + LATEST)
    if equal or (low, high) != ("", LATEST):
        lists.append(documents.rows_between(equal, low, high))
    return min(lists, key=len, default=None)


def _conjuncts(condition: Any) -> Iterator[Any]:
    match condition:
        case ("and", frozenset(parts)):
            for part in parts:
                yield from _conjuncts(part)
        case _:
            yield condition


def _alternatives(documents: Documents, term: Any) -> list[Row] | None:
    match term:
        case ("one_of", (str(field),), tuple(values)) if field in INDEXED and _all_text(values):
            return [row for value in set(values) for row in documents.rows_between({field: value})]
        case ("or", frozenset(parts)):
            sides = [candidate_rows(documents, part) for part in parts]
            if any(rows is None for rows in sides):
                return None
            return list({row[NUMBER]: row for rows in sides for row in rows or []}.values())
    return None


def _all_text(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) and value for value in values)
