"""The documents of one table in memory, and their indexes.

A document is one plain tuple, its row: (time, number, JSON, value of each indexed field); a change makes a
new one. Rows are shared by everything that lists them, cost the garbage collector nothing (tuples of atoms
are not tracked), and a shallow copy of all of them is a consistent picture, taken in a millisecond at
100,000. Every list is sorted by (time, number), so a page begins at a bisection and newest first is
backwards. A value that one document has, as ids are, is kept as the row itself, without a list.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterator, Mapping
from sys import intern
from typing import Any

import msgspec

Row = tuple[Any, ...]
Place = tuple[str, int]
TIME, NUMBER, BODY = 0, 1, 2
SORT = "created_at"
UNIQUE = ("id", "backup_id")
SHARED = ("cronjob_id", "cronjob", "namespace", "status", "policy_id", "storage_id", "cluster")
INDEXED = UNIQUE + SHARED
COLUMN = {field: BODY + 1 + place for place, field in enumerate(INDEXED)}
_Keys = msgspec.defstruct("_Keys", [(field, str, "") for field in (SORT, *INDEXED)], gc=False)
_KEYS = msgspec.json.Decoder(_Keys)
_FIRST_SHARED = 1 + len(UNIQUE)


def sort_time(text: str) -> str:
    """A time as rows are sorted by it: without its Z, so that a whole second comes before its fractions."""
    return text[:-1] if text.endswith("Z") else text


def row_of(number: int, body: bytes) -> Row:
    """The row of a document; fields that are no text are not indexed."""
    try:
        keys = msgspec.structs.astuple(_KEYS.decode(body))
    except msgspec.ValidationError:
        doc = msgspec.json.decode(body)
        found = (doc.get(field, "") for field in (SORT, *INDEXED))
        keys = tuple(value if isinstance(value, str) else "" for value in found)
    shared = map(intern, keys[_FIRST_SHARED:])
    return (sort_time(keys[0]), number, body, *keys[1:_FIRST_SHARED], *shared)


class Documents:
    """The rows of one table by number, in order of time, and by each value of an indexed field."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self.order: list[Row] = []
        self.last_number = 0
        self._indexes: list[dict[str, Row | list[Row]]] = [{} for _ in INDEXED]

    def put(self, row: Row) -> None:
        """Adds a document or replaces the one of that number."""
        old = self.rows.get(row[NUMBER])
        if old is not None:
            self._forget(old)
        self.rows[row[NUMBER]] = row
        self._enter(row)
        self.last_number = max(self.last_number, row[NUMBER])

    def remove(self, number: int) -> None:
        """Removes a document, if it is there."""
        old = self.rows.pop(number, None)
        if old is not None:
            self._forget(old)

    def fill(self, rows: dict[int, Row]) -> None:
        """Takes rows all at once, in place of what is there."""
        self.__init__()  # type: ignore[misc]
        self.rows = rows
        self.last_number = max(rows, default=0)
        for row in sorted(rows.values()):
            self._enter(row)

    def _enter(self, row: Row) -> None:
        _insert(self.order, row)
        for index, value in zip(self._indexes, row[BODY + 1 :], strict=True):
            if value:
                found = index.get(value)
                if found is None:
                    index[value] = row
                elif isinstance(found, list):
                    _insert(found, row)
                else:
                    index[value] = [found, row] if found < row else [row, found]

    def _forget(self, row: Row) -> None:
        del self.order[bisect_left(self.order, row)]
        for index, value in zip(self._indexes, row[BODY + 1 :], strict=True):
            if value:
                found = index[value]
                if not isinstance(found, list) or len(found) == 1:
                    del index[value]
                else:
                    del found[bisect_left(found, row)]

    def having(self, field: str, value: str) -> list[Row]:
        """The rows with that value in an indexed field, in order of time; not to be changed."""
        found = self._indexes[INDEXED.index(field)].get(value, [])
        return found if isinstance(found, list) else [found]

    def newest(
        self, equal: Mapping[str, str], *, before: Place | None = None, since: str = ""
    ) -> Iterator[Row]:
        """Rows with these values in indexed fields, newest first, older than `before`, from `since` on.

        The shortest list of a value is gone through; the other values are compared in the row.
        """
        rows, others = self._narrowest(equal)
        start = len(rows) if before is None else bisect_left(rows, before)
        for place in range(start - 1, -1, -1):
            row = rows[place]
            if row[TIME] < since:
                return
            if all(row[column] == value for column, value in others):
                yield row

    def between(self, low: str, high: str) -> list[Row]:
        """The rows whose time is from `low` to `high`, in order."""
        return self.order[bisect_left(self.order, (low,)) : bisect_left(self.order, (high,))]

    def count(self, field: str, equal: Mapping[str, str]) -> dict[str, int]:
        """How many rows with these values have each value of another indexed field."""
        if not equal:
            index = self._indexes[INDEXED.index(field)]
            return {value: len(found) if isinstance(found, list) else 1 for value, found in index.items()}
        rows, others = self._narrowest(equal)
        for column, value in others:
            rows = [row for row in rows if row[column] == value]
        column = COLUMN[field]
        return dict(Counter(row[column] for row in rows if row[column]))

    def _narrowest(self, equal: Mapping[str, str]) -> tuple[list[Row], list[tuple[int, str]]]:
        if not equal:
            return self.order, []
        lists = {field: self.having(field, value) for field, value in equal.items()}
        best = min(lists, key=lambda field: len(lists[field]))
        return lists[best], [(COLUMN[field], value) for field, value in equal.items() if field != best]


def _insert(rows: list[Row], row: Row) -> None:
    if rows and rows[-1] > row:
        insort(rows, row)
    else:
        rows.append(row)
