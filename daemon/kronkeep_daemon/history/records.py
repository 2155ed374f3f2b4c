"""Typed records over a table: newest first, in pages, and counted."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import Generic, NamedTuple, Protocol, TypeVar

import msgspec

from kronkeep_common.errors import InvalidRequest
from kronkeep_daemon.history.rows import LATEST, Row, row_of, sort_time
from kronkeep_daemon.history.sqlite_table import SqliteTable
from kronkeep_daemon.history.table_rows import Position


class HasId(Protocol):
    """A record with an id."""

    @property
    def id(self) -> str:
        """The id, unique within its table."""
        ...


T = TypeVar("T", bound=HasId)
_POSITION = attrgetter("position")
_CURSOR = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,15})?~[0-9]{1,18}")  # a time and a number


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Some records, and the cursor of those after them (None after the last)."""

    items: list[T]
    next_cursor: str | None


class RowPage(NamedTuple):
    """The rows of some records, and the cursor of those after them (None after the last)."""

    rows: list[Row]
    next_cursor: str | None


class Records(Generic[T]):
    """The records of one table; changes are buffered until History.commit."""

    def __init__(self, table: SqliteTable, kind: type[T]) -> None:
        self._table = table
        self._rows = table.rows
        self._decoder = msgspec.json.Decoder(kind)

    def get(self, record_id: str) -> T | None:
        """Return the record, or None."""
        row = self._rows.by_id(record_id)
        return self.decode(row) if row is not None else None

    def read_ahead(self, record_ids: Sequence[str]) -> None:
        """Read these records at once, for calls that follow and ask for them one by one."""
        self._rows.read_ahead(record_ids)

    def put(self, record: T) -> None:
        """Add the record, or replace the one with the same id."""
        body = self._encode(record)
        old = self._rows.by_id(record.id)
        if old is None:
            self._table.put_row(row_of(self.next_number(), body), None)
        elif old.body != body:
            self._table.put_row(row_of(old.number, body), old)

    def add(self, record: T) -> None:
        """Add a record whose id was just looked for and not found, without a second look."""
        self._table.put_row(row_of(self.next_number(), self._encode(record)), None)

    def next_number(self) -> int:
        """Return the number that the next new record gets; numbers only grow."""
        return self._rows.last_number + 1

    def remove(self, record_id: str) -> None:
        """Remove the record, if it exists."""
        row = self._rows.by_id(record_id)
        if row is not None:
            self._table.remove_row(row)

    def retract(self, record_id: str) -> None:
        """Remove the record, if it exists, of something that was not so: nothing counts it any more."""
        row = self._rows.by_id(record_id)
        if row is not None:
            self._table.remove_row(row, retracts=True)

    def remove_all(self, record_ids: Sequence[str]) -> list[Row]:
        """Remove those of these records that there are, and return their rows without JSON."""
        heads = self._rows.heads(record_ids)
        for row in heads:
            self._table.remove_row(row)
        return heads

    def oldest_heads(self, limit: int, *, before: datetime) -> Iterator[list[Row]]:
        """Yield the records of the database from before a time as rows without JSON, oldest first.

        limit: of a page; each is read when it is asked for.
        """
        last = _sort_time(before)
        page = self._rows.oldest_heads(limit=limit, before=last)
        while page:
            yield page
            page = self._rows.oldest_heads(limit=limit, before=last, after=page[-1].position)

    def all(self) -> Iterator[T]:
        """Yield every record, oldest first."""
        return map(self.decode, sorted(self._rows.iterate(), key=_POSITION))

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
        equal: values of shared fields; None is no condition.
        """
        page = self.newest_rows(equal, limit=limit, cursor=cursor, since=since, until=until)
        return Page([self.decode(row) for row in page.rows], page.next_cursor)

    def newest_rows(
        self,
        equal: Mapping[str, str | None],
        *,
        limit: int,
        cursor: str | None,
        since: datetime | None,
        until: datetime | None = None,
    ) -> RowPage:
        """Do what `newest` does, without decoding the records."""
        before = _read_cursor(cursor) if cursor else ((_sort_time(until), -1) if until else None)
        rows = self._rows.newest(
            _without_none(equal), limit=limit + 1, before=before, since=_sort_time(since) if since else ""
        )
        more = len(rows) > limit
        return RowPage(rows[:limit], _cursor(rows[limit - 1]) if more else None)

    def pages(
        self,
        limit: int,
        *,
        cursor: str | None = None,
        until: datetime | None = None,
        **equal: str | None,
    ) -> Iterator[list[T]]:
        """Yield such records in pages of at most `limit`, newest first; each is read when it is asked for.

        cursor: that of the first page.
        """
        while True:
            page = self.newest(limit=limit, cursor=cursor, since=None, until=until, **equal)
            yield page.items
            cursor = page.next_cursor
            if cursor is None:
                return

    def recent(self, limit: int, **equal: str) -> tuple[T | None, list[str]]:
        """Return the newest record, and the statuses of the newest `limit`, newest first, which need no
        decoding.
        """
        rows = self._rows.newest(equal, limit=1)
        statuses = self._rows.newest_statuses(equal, limit) if rows else []
        return (self.decode(rows[0]) if rows else None), statuses

    def cursor_of(self, record: T) -> str | None:
        """Return the cursor of the page after the record."""
        row = self._rows.by_id(record.id)
        return _cursor(row) if row is not None else None

    def count(self, **equal: str | None) -> dict[str, int]:
        """Return how many records there are in each status."""
        return self._rows.count("status", _without_none(equal))

    def values(self, field: str, **equal: str) -> dict[str, int]:
        """Count the records by their value of a shared field, of those with the values in `equal`."""
        return self._rows.count(field, equal)

    def distinct(self, field: str) -> Iterator[str]:
        """Yield the values of an indexed field, in order."""
        return self._rows.distinct(field)

    def cursor_of_nth(self, number: int, **equal: str) -> str | None:
        """Return the cursor of the records after the n-th newest; None where there are fewer."""
        position = self._rows.position_of_nth(equal, number)
        return f"{position[0]}~{position[1]}" if position else None

    def numbers_of_oldest(self, *, limit: int, before: datetime | None = None) -> list[int]:
        """Return at most `limit` numbers of the oldest records, those that were created before a time."""
        return self._rows.oldest_numbers(limit=limit, before=_sort_time(before) if before else LATEST)

    def __contains__(self, record_id: str) -> bool:
        return self._rows.by_id(record_id) is not None

    def ids_with_prefix(self, prefix: str, limit: int) -> list[str]:
        """Return at most `limit` ids that begin so."""
        return self._rows.ids_with_prefix(prefix, limit)

    def version_of(self, cronjob_id: str) -> tuple[int, int]:
        """Return a value that differs after each change of a CronJob's records."""
        return self._rows.version_of(cronjob_id)

    def __len__(self) -> int:
        return len(self._rows)

    def _encode(self, record: T) -> bytes:
        return msgspec.json.encode(record)

    def decode(self, row: Row) -> T:
        """Return the record of a row."""
        return self._decoder.decode(row.body)


def _without_none(equal: Mapping[str, str | None]) -> dict[str, str]:
    return {field: str(value) for field, value in equal.items() if value is not None}


def _sort_time(moment: datetime) -> str:
    text: str = msgspec.to_builtins(moment.astimezone(UTC))
    return sort_time(text)


def _cursor(row: Row) -> str:
    return f"{row.created_at}~{row.number}"


def _read_cursor(cursor: str) -> Position:
    """Return the position of a cursor; raise InvalidRequest for one that no page has returned.

    Such a one would be an empty last page, and a script believe that there is nothing.
    """
    if _CURSOR.fullmatch(cursor) is None:
        raise InvalidRequest("This cursor is not one that a page has returned.", field="cursor")
    stamp, _, number = cursor.rpartition("~")
    return stamp, int(number)
