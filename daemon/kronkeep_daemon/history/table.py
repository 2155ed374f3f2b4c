"""TinyDB's Table over documents kept as JSON bytes in memory, with indexes.

Documents in memory are the simpler of the two ways that were measured: at 100,000 of 700 bytes they cost less
than 100 MB and are read without touching the disk. TinyDB's own methods work on `_read_table` and
`_update_table`, which its documentation names as extension points; both get a mapping that decodes a
document when it is asked for and notes what was changed. Equality on an indexed field (also inside `&`) is
answered from the index.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any

import msgspec
from tinydb.queries import QueryInstance, QueryLike
from tinydb.storages import Storage
from tinydb.table import Document, Table

Doc = dict[str, Any]
INDEXED = (
    "id",
    "cronjob_id",
    "cronjob",
    "namespace",
    "status",
    "policy_id",
    "storage_id",
    "backup_id",
    "cluster",
)
SORT = "created_at"
Place = tuple[str, int]


class Documents:
    """The documents of one table and their indexes."""

    def __init__(self) -> None:
        self.bodies: dict[int, bytes] = {}
        self._keys: dict[int, tuple[str, ...]] = {}
        self._indexes: dict[tuple[int, str], list[Place]] = {}
        self.order: list[Place] = []
        self.last_id = 0

    def put(self, doc_id: int, body: bytes, doc: Mapping[str, Any]) -> None:
        """Adds or replaces a document."""
        self.remove(doc_id)
        keys = (str(doc.get(SORT, "")), *(str(doc.get(field, "")) for field in INDEXED))
        place = (keys[0], doc_id)
        self.bodies[doc_id] = body
        self._keys[doc_id] = keys
        _insert(self.order, place)
        for number, value in enumerate(keys[1:]):
            if value:
                _insert(self._indexes.setdefault((number, value), []), place)
        self.last_id = max(self.last_id, doc_id)

    def remove(self, doc_id: int) -> None:
        """Removes a document, if it is there."""
        keys = self._keys.pop(doc_id, None)
        if keys is None:
            return
        del self.bodies[doc_id]
        place = (keys[0], doc_id)
        del self.order[bisect_left(self.order, place)]
        for number, value in enumerate(keys[1:]):
            if value:
                places = self._indexes[number, value]
                del places[bisect_left(places, place)]
                if not places:
                    del self._indexes[number, value]

    def places(self, equal: Mapping[str, str]) -> list[Place]:
        """The places, in order of time, of the documents with these values in indexed fields."""
        lists = [self._indexes.get((INDEXED.index(field), value), []) for field, value in equal.items()]
        if not lists:
            return self.order
        lists.sort(key=len)
        if len(lists) == 1:
            return lists[0]
        others = [set(places) for places in lists[1:]]
        return [place for place in lists[0] if all(place in other for other in others)]

    def values(self, field: str) -> dict[str, int]:
        """How many documents have each value of an indexed field."""
        number = INDEXED.index(field)
        return {value: len(places) for (n, value), places in self._indexes.items() if n == number}


def _insert(places: list[Place], place: Place) -> None:
    if places and places[-1] > place:
        insort(places, place)
    else:
        places.append(place)


class View(MutableMapping[int, Doc]):
    """The documents as TinyDB's updaters see them; what they change is noted."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._read: dict[int, Doc] = {}
        self._removed: set[int] = set()

    def __getitem__(self, doc_id: int) -> Doc:
        if doc_id in self._removed:
            raise KeyError(doc_id)
        if doc_id not in self._read:
            self._read[doc_id] = msgspec.json.decode(self._documents.bodies[doc_id])
        return self._read[doc_id]

    def __setitem__(self, doc_id: int, doc: Doc) -> None:
        self._removed.discard(doc_id)
        self._read[doc_id] = dict(doc)

    def __delitem__(self, doc_id: int) -> None:
        if doc_id not in self:
            raise KeyError(doc_id)
        self._read.pop(doc_id, None)
        self._removed.add(doc_id)

    def __iter__(self) -> Iterator[int]:
        known = [i for i in self._documents.bodies if i not in self._removed]
        return iter(known + [i for i in self._read if i not in self._documents.bodies])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, doc_id: object) -> bool:
        if doc_id in self._removed:
            return False
        return doc_id in self._read or doc_id in self._documents.bodies

    def changes(self) -> Iterator[tuple[int, bytes | None, Doc]]:
        """(number, JSON or None when removed, document) of what is not as it was."""
        for doc_id in self._removed:
            if doc_id in self._documents.bodies:
                yield doc_id, None, {}
        for doc_id, doc in self._read.items():
            body = msgspec.json.encode(doc)
            if self._documents.bodies.get(doc_id) != body:
                yield doc_id, body, doc


class JournalTable(Table):
    """A TinyDB table whose changes go to the journal; the rest of the API is TinyDB's own."""

    default_query_cache_capacity = 0

    def __init__(self, storage: Storage, name: str, cache_size: int = 0, persist_empty: bool = False) -> None:
        super().__init__(storage, name, cache_size=cache_size, persist_empty=persist_empty)
        self.documents: Documents = storage.documents(name)  # type: ignore[attr-defined]

    def _read_table(self) -> Mapping[int, Mapping[str, Any]]:  # type: ignore[override]
        return View(self.documents)

    def _update_table(self, updater: Callable[[dict[int, Mapping[str, Any]]], None]) -> None:
        view = View(self.documents)
        updater(view)  # type: ignore[arg-type]
        for doc_id, body, doc in list(view.changes()):
            self._storage.change(  # type: ignore[attr-defined]
                self.name, doc_id, body, doc
            )

    def put_document(self, doc_id: int | None, doc: Doc) -> int:
        """Adds a document, or replaces the one of that number, without a look at the others."""
        if doc_id is None:
            doc_id = self._get_next_id()
        body = msgspec.json.encode(doc)
        if self.documents.bodies.get(doc_id) != body:
            self._storage.change(  # type: ignore[attr-defined]
                self.name, doc_id, body, doc
            )
        return doc_id

    def _get_next_id(self) -> int:
        self.documents.last_id += 1
        return self.documents.last_id

    def __len__(self) -> int:
        return len(self.documents.bodies)

    def __iter__(self) -> Iterator[Document]:
        for doc_id, body in list(self.documents.bodies.items()):
            yield Document(msgspec.json.decode(body), doc_id)

    def search(self, cond: QueryLike) -> list[Document]:
        """The documents that meet the condition, in the order of their numbers."""
        return [doc for doc in self._candidates(cond) if cond(doc)]

    def get(  # type: ignore[override]
        self, cond: QueryLike | None = None, doc_id: int | None = None, doc_ids: list[int] | None = None
    ) -> Document | list[Document] | None:
        """One document by number or condition, or several by their numbers; None where there is none."""
        if doc_id is not None:
            return self._document(doc_id)
        if doc_ids is not None:
            return [doc for doc in map(self._document, doc_ids) if doc is not None]
        if cond is None:
            raise RuntimeError("You have to pass either cond or doc_id or doc_ids")
        return next((doc for doc in self._candidates(cond) if cond(doc)), None)

    def _document(self, doc_id: int) -> Document | None:
        body = self.documents.bodies.get(doc_id)
        return None if body is None else Document(msgspec.json.decode(body), doc_id)

    def update(  # type: ignore[override]
        self,
        fields: Mapping[str, Any] | Callable[[Mapping[str, Any]], None],
        cond: QueryLike | None = None,
        doc_ids: Iterable[int] | None = None,
    ) -> list[int]:
        """Updates the documents chosen; a condition on an indexed field looks only at those."""
        if doc_ids is None and cond is not None:
            doc_ids = [doc.doc_id for doc in self.search(cond)]
            if not doc_ids:
                return []
        return super().update(fields, None if doc_ids is not None else cond, doc_ids)

    def remove(self, cond: QueryLike | None = None, doc_ids: Iterable[int] | None = None) -> list[int]:
        """Removes the documents chosen."""
        if doc_ids is None and cond is not None:
            doc_ids = [doc.doc_id for doc in self.search(cond)]
            if not doc_ids:
                return []
        return super().remove(None if doc_ids is not None else cond, doc_ids)

    def _candidates(self, cond: QueryLike) -> Iterator[Document]:
        equal = equalities(cond)
        if not equal:
            yield from self
            return
        for doc_id in sorted(doc_id for _, doc_id in self.documents.places(equal)):
            yield Document(msgspec.json.decode(self.documents.bodies[doc_id]), doc_id)


def equalities(cond: QueryLike) -> dict[str, str]:
    """The `field == text` parts of a query that an index can answer; all of them must hold."""
    return dict(_parts(cond._hash)) if isinstance(cond, QueryInstance) else {}


def _parts(hashed: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(hashed, tuple) or not hashed:
        return
    if hashed[0] == "and":
        for part in hashed[1]:
            yield from _parts(part)
    elif hashed[0] == "==" and len(hashed) == 3 and len(hashed[1]) == 1:
        field, value = hashed[1][0], hashed[2]
        if field in INDEXED and isinstance(value, str) and value:
            yield field, value
