"""Typed records over a table: newest first, pages, counts."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from kronkeep_daemon.history.table import JournalTable


class HasId(Protocol):
    """What every record has."""

    @property
    def id(self) -> str:
        """Its identity, unique within its table."""
        ...


T = TypeVar("T", bound=HasId)


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Some records and the cursor of those that follow (None after the last)."""

    items: list[T]
    next_cursor: str | None


class Records(Generic[T]):
    """The records of one table; changes are buffered until History.commit."""

    def __init__(self, table: JournalTable, kind: type[T]) -> None:
        self._table = table
        self._decoder = msgspec.json.Decoder(kind)

    def get(self, record_id: str) -> T | None:
        """The record, or None."""
        places = self._table.documents.places({"id": record_id})
        return self._decode(places[0][1]) if places else None

    def put(self, record: T) -> None:
        """Adds the record or replaces the one of the same id."""
        doc: dict[str, Any] = msgspec.to_builtins(record)
        places = self._table.documents.places({"id": record.id})
        self._table.put_document(places[0][1] if places else None, doc)

    def remove(self, record_id: str) -> None:
        """Removes the record, if it is there."""
        places = self._table.documents.places({"id": record_id})
        if places:
            self._table.remove(doc_ids=[places[0][1]])

    def all(self) -> Iterator[T]:
        """Every record, oldest first."""
        for _, doc_id in list(self._table.documents.order):
            yield self._decode(doc_id)

    def newest(
        self,
        *,
        limit: int = 50,
        cursor: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        **equal: str | None,
    ) -> Page[T]:
        """A page, newest first; `equal` names indexed fields; times are of creation, `until` exclusive."""
        wanted = {field: str(value) for field, value in equal.items() if value is not None}
        places = self._table.documents.places(wanted)
        first = _stamp(since) if since else ""
        last = _read_cursor(cursor) if cursor else ((_stamp(until), -1) if until else None)
        items: list[T] = []
        previous = ("", 0)
        for place in reversed(places):
            if last is not None and place >= last:
                continue
            if place[0] < first:
                break
            if len(items) == limit:
                return Page(items, _cursor(previous))
            items.append(self._decode(place[1]))
            previous = place
        return Page(items, None)

    def cursor_of(self, record: T) -> str | None:
        """The cursor that asks for what follows the record."""
        places = self._table.documents.places({"id": record.id})
        return _cursor(places[0]) if places else None

    def count(self, **equal: str | None) -> dict[str, int]:
        """How many records there are in each status."""
        wanted = {field: str(value) for field, value in equal.items() if value is not None}
        if not wanted:
            return self._table.documents.values("status")
        counts: dict[str, int] = {}
        for status in self._table.documents.values("status"):
            found = len(self._table.documents.places(wanted | {"status": status}))
            if found:
                counts[status] = found
        return counts

    def _decode(self, doc_id: int) -> T:
        return self._decoder.decode(self._table.documents.bodies[doc_id])


def _stamp(moment: datetime) -> str:
    text: str = msgspec.to_builtins(moment.astimezone(UTC))
    return text


def _cursor(place: tuple[str, int]) -> str:
    return f"{place[0]}~{place[1]}"


def _read_cursor(cursor: str) -> tuple[str, int]:
    stamp, _, number = cursor.rpartition("~")
    return stamp, int(number) if number.isdigit() else 0
