"""TinyDB's Storage for the journal: it holds the tables' documents and queues what changes in them."""

from typing import Any

import msgspec
from tinydb.storages import Storage

from kronkeep_daemon.history.changes import Entry
from kronkeep_daemon.history.table import Documents


class JournalStorage(Storage):
    """`read` and `write` are TinyDB's whole-file interface; the tables use `documents` and `change`."""

    def __init__(self) -> None:
        self._tables: dict[str, Documents] = {}
        self._queued: list[Entry] = []
        self._removed_keys: dict[tuple[str, int], str] = {}

    def documents(self, table: str) -> Documents:
        """The documents of one table."""
        return self._tables.setdefault(table, Documents())

    def change(self, table: str, doc_id: int, body: bytes | None, doc: dict[str, Any]) -> None:
        """Makes one change in memory and queues it for the journal."""
        self._apply(table, doc_id, body, doc)
        self._queued.append(Entry(table, doc_id, body))

    def take(self) -> list[Entry]:
        """What is queued, which is then no longer."""
        queued, self._queued = self._queued, []
        return queued

    def load(self, batch: list[list[Any]]) -> list[tuple[Entry, str]]:
        """Makes the changes of one batch of the journal; each with the document's id."""
        loaded = []
        for table, doc_id, doc in batch:
            body = None if doc is None else msgspec.json.encode(doc)
            self._apply(table, doc_id, body, doc or {})
            entry = Entry(table, doc_id, body)
            loaded.append((entry, self.key(entry)))
        return loaded

    def key(self, entry: Entry) -> str:
        """The id of the document that was changed, or its number where it has none."""
        if entry.body is None:
            return self._removed_keys.pop((entry.table, entry.doc_id), str(entry.doc_id))
        return _id(entry.body) or str(entry.doc_id)

    def everything(self) -> list[Entry]:
        """Every document of every table."""
        return [
            Entry(name, doc_id, body)
            for name, documents in self._tables.items()
            for doc_id, body in documents.bodies.items()
        ]

    def _apply(self, table: str, doc_id: int, body: bytes | None, doc: dict[str, Any]) -> None:
        documents = self.documents(table)
        if body is not None:
            documents.put(doc_id, body, doc)
            return
        old = documents.bodies.get(doc_id)
        if old is not None:
            self._removed_keys[table, doc_id] = _id(old) or str(doc_id)
        documents.remove(doc_id)

    def read(self) -> dict[str, dict[str, Any]] | None:
        """Everything, as TinyDB's `tables()` and `drop_table()` want it."""
        return {
            name: {str(i): msgspec.json.decode(body) for i, body in documents.bodies.items()}
            for name, documents in self._tables.items()
            if documents.bodies
        }

    def write(self, data: dict[str, dict[str, Any]]) -> None:
        """Makes the tables hold exactly `data`; what differs is queued."""
        for name, documents in self._tables.items():
            wanted = {int(i): doc for i, doc in data.get(name, {}).items()}
            for doc_id in [i for i in documents.bodies if i not in wanted]:
                self.change(name, doc_id, None, {})
            for doc_id, doc in wanted.items():
                body = msgspec.json.encode(doc)
                if documents.bodies.get(doc_id) != body:
                    self.change(name, doc_id, body, doc)

    def close(self) -> None:
        """Nothing to close: the History owns the files."""


class _HasId(msgspec.Struct):
    id: str = ""


_ID = msgspec.json.Decoder(_HasId)


def _id(body: bytes) -> str:
    try:
        return _ID.decode(body).id
    except msgspec.ValidationError:
        return ""
