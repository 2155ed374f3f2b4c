"""Typed records over a table: newest first, in pages, and counted."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Generic, Protocol, TypeVar

import msgspec

from kronkeep_daemon.history.documents import (
    BODY,
    FAMILY,
    FIELD_INDEX,
    NUMBER,
    TIME,
    Position,
    Row,
    sort_time,
)
from kronkeep_daemon.history.table import JournalTable


class HasId(Protocol):
    """A record with an id."""

    @property
    def id(self) -> str:
        """The id, unique within its table."""
        ...


T = TypeVar("T", bound=HasId)


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Some records, and the cursor of those after them (None after the last)."""

    items: list[T]
    next_cursor: str | None


class Records(Generic[T]):
    """The records of one table; changes are buffered until History.commit."""

    def __init__(self, table: JournalTable, kind: type[T]) -> None:
        self._table = table
        self._decoder = msgspec.json.Decoder(kind)

    def get(self, record_id: str) -> T | None:
        """Return the record, or None."""
        rows = self._table.documents.with_id(record_id)
        return self._decode(rows[0]) if rows else None

    def put(self, record: T) -> None:
        """Add the record, or replace the one with the same id."""
        rows = self._table.documents.with_id(record.id)
        self._table.put_body(rows[0][NUMBER] if rows else None, msgspec.json.encode(record))

    def next_number(self) -> int:
        """Return the number that the next new record gets; numbers only grow."""
        return self._table.documents.last_number + 1

    def remove(self, record_id: str) -> None:
        """Remove the record, if it exists."""
        rows = self._table.documents.with_id(record_id)
        if rows:
            self._table.remove(doc_ids=[rows[0][NUMBER]])

    def all(self) -> Iterator[T]:
        """Yield every record, oldest first."""
        return map(self._decode, list(self._table.documents.order))

    def newest(
        self,
        *,
        limit: int = 50,
        cursor: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        **equal: str | None,
    ) -> Page[T]:
        """Return a page of records, newest first.

        since: the earliest time of creation.
        until: the time before which they were created.
        equal: values of indexed fields; None is no condition.
        """
        before = _read_cursor(cursor) if cursor else ((_sort_time(until), -1) if until else None)
        newest_rows = self._table.documents.newest(
            _without_none(equal), before=before, since=_sort_time(since) if since else ""
        )
        rows = list(islice(newest_rows, limit + 1))
        more = len(rows) > limit
        return Page([self._decode(row) for row in rows[:limit]], _cursor(rows[limit - 1]) if more else None)

    def recent(self, limit: int, **equal: str) -> tuple[T | None, list[str]]:
        """Return the newest record, and the statuses of the newest `limit`, newest first, which need no
        decoding.
        """
        rows = list(islice(self._table.documents.newest(equal), limit))
        statuses = [row[FAMILY][FIELD_INDEX["status"]] for row in rows]
        return (self._decode(rows[0]) if rows else None), statuses

    def cursor_of(self, record: T) -> str | None:
        """Return the cursor of the page after the record."""
        rows = self._table.documents.with_id(record.id)
        return _cursor(rows[0]) if rows else None

    def count(self, **equal: str | None) -> dict[str, int]:
        """Return how many records there are in each status."""
        return self._table.documents.count("status", _without_none(equal))

    def values(self, field: str, **equal: str) -> dict[str, int]:
        """Count the records by their value of an indexed field, of those with the values in `equal`."""
        return self._table.documents.count(field, equal)

    def __contains__(self, record_id: str) -> bool:
        return bool(self._table.documents.with_id(record_id))

    def ids_with_prefix(self, prefix: str, limit: int) -> list[str]:
        """Return at most `limit` ids that begin so."""
        return list(islice(self._table.documents.ids_with_prefix(prefix), limit))

    def _decode(self, row: Row) -> T:
        return self._decoder.decode(row[BODY])


def _without_none(equal: dict[str, str | None]) -> dict[str, str]:
    return {field: str(value) for field, value in equal.items() if value is not None}


def _sort_time(moment: datetime) -> str:
    text: str = msgspec.to_builtins(moment.astimezone(UTC))
    return sort_time(text)


def _cursor(row: Row) -> str:
    return f"{row[TIME]}~{row[NUMBER]}"


def _read_cursor(cursor: str) -> Position:
    stamp, _, number = cursor.rpartition("~")
    return stamp, int(number) if number.isdecimal() and len(number) < 19 else 0
