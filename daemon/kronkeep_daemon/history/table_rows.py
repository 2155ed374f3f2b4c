"""The rows of one table as they are now: those of the database, with the pending changes laid over them.

Every read is short enough for the event loop: by number, by id, or a page of an index. Each row's checksum is
verified; raise DamagedHistory where it is wrong.
"""

import sqlite3
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from heapq import merge
from itertools import islice
from operator import attrgetter, itemgetter
from typing import Any

from kronkeep_common.errors import DamagedHistory
from kronkeep_daemon.history import schema
from kronkeep_daemon.history.database import Database
from kronkeep_daemon.history.database_faults import translate_fault
from kronkeep_daemon.history.pending_rows import PendingRows
from kronkeep_daemon.history.query_sql import SqlCondition
from kronkeep_daemon.history.rows import COLUMNS, LATEST, SORT, Row, checksum

Position = tuple[str, int]
PAGE = 500  # rows read at a time where all are read
_ROW = f"number, {', '.join(COLUMNS)}, CAST(body AS BLOB), checksum"
_HEAD = f"number, {', '.join(COLUMNS)}, x''"
_KEY = "number, created_at, status"
_POSITION = attrgetter("position")
_NUMBER = attrgetter("number")


class TableRows:
    """The rows of one table."""

    def __init__(self, database: Database, name: str) -> None:
        self.name = name
        self.pending = PendingRows()
        self._database = database
        self._versions: dict[str, int] = {}
        self._generation = 0
        self._ahead: dict[str, Row | None] = {}
        self._last_number: int = -1  # not read yet
        self._sql_name = schema.quote(name)

    def _select(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        if self.name not in self._database.tables:
            return []
        try:
            return self._database.reader.execute(sql, values).fetchall()
        except sqlite3.DatabaseError as fault:
            raise translate_fault(fault, self._database.folder) from fault

    @contextmanager
    def _one_snapshot(self) -> Iterator[None]:
        """Let all statements of the block see the database as it is at the first one.

        The writer's thread makes pending rows durable between any two of them; what is counted in two would
        be missing in both.
        """
        self._database.reader.execute("BEGIN")
        try:
            yield
        finally:
            self._database.reader.execute("COMMIT")

    def _rows(self, sql: str, values: Sequence[Any]) -> list[Row]:
        """Return the rows of the database that no pending change hides."""
        hidden = self.pending.rows
        rows = [self._verify(values) for values in self._select(sql, values)]
        return [row for row in rows if row.number not in hidden] if hidden else rows

    def _verify(self, values: tuple[Any, ...]) -> Row:
        row = Row._make(values[:-1])
        if not isinstance(row.body, bytes) or checksum(self.name, row.number, row.body) != values[-1]:
            raise DamagedHistory(
                f"The history is damaged: {self.name}, document {row.number}: its checksum is another.",
                file=str(self._database.path),
                table=self.name,
                number=row.number,
            )
        return row

    def version_of(self, cronjob_id: str) -> tuple[int, int]:
        """Return a value that differs after each change of a CronJob's rows."""
        return self._generation, self._versions.get(cronjob_id, 0)

    def mark_changed(self, *rows: Row | None) -> None:
        """Note that the rows' CronJobs have other rows now."""
        for row in rows:
            if row is not None and row.cronjob_id:
                self._versions[row.cronjob_id] = self._versions.get(row.cronjob_id, 0) + 1

    def mark_all_changed(self) -> None:
        """Note that any CronJob may have other rows now."""
        self._generation += 1
        self._versions.clear()

    def by_number(self, number: int) -> Row | None:
        """Return the row of that number, or None."""
        if number in self.pending.rows:
            return self.pending.rows[number]
        rows = self._rows(f"SELECT {_ROW} FROM {self._sql_name} WHERE number = ?", (number,))
        return rows[0] if rows else None

    def read_ahead(self, record_ids: Sequence[str]) -> None:
        """Read the rows of these ids at once, for calls of `by_id` that follow; one by one they take four
        times as long.
        """
        marks = ", ".join("?" * len(record_ids))
        stored = self._select(f"SELECT {_ROW} FROM {self._sql_name} WHERE id IN ({marks})", record_ids)
        self._ahead = dict.fromkeys(record_ids)
        for values in stored:
            row = self._verify(values)
            self._ahead[row.id or ""] = row

    def forget_ahead(self) -> None:
        """Forget what was read ahead: the database has other rows now."""
        self._ahead = {}

    def by_id(self, record_id: str) -> Row | None:
        """Return the row of that id, or None."""
        changed = self.pending.with_id(record_id)
        if changed is not None or not record_id:
            return changed
        if record_id in self._ahead:
            row = self._ahead[record_id]
            return row if row is not None and row.number not in self.pending.rows else None
        rows = self._rows(f"SELECT {_ROW} FROM {self._sql_name} WHERE id = ?", (record_id,))
        return rows[0] if rows else None

    def heads(self, record_ids: Sequence[str]) -> list[Row]:
        """Return the rows of these ids that there are, without their JSON, by number."""
        changed = [row for row in map(self.pending.with_id, record_ids) if row is not None]
        marks = ", ".join("?" * len(record_ids))
        stored = self._select(f"SELECT {_HEAD} FROM {self._sql_name} WHERE id IN ({marks})", record_ids)
        rows = [Row._make(values) for values in stored if values[0] not in self.pending.rows]
        return sorted([*rows, *changed], key=_NUMBER)

    def oldest_heads(self, *, limit: int, before: str, after: Position = ("", -1)) -> list[Row]:
        """Return at most `limit` rows of the database with a time before `before`, oldest first, those behind
        a position, without their JSON.

        Rows that a pending change hides are left out.
        """
        index = schema.index_name(self.name, (SORT,))
        stored = self._select(
            f"SELECT {_HEAD} FROM {self._sql_name} INDEXED BY {index} WHERE created_at < ?"
            f" AND (created_at, number) > (?, ?) ORDER BY created_at, number LIMIT ?",
            (before, *after, limit),
        )
        return [Row._make(values) for values in stored]

    def ids_with_prefix(self, prefix: str, limit: int) -> list[str]:
        """Return at most `limit` ids that begin so, in order."""
        stored = self._select(
            f"SELECT id, number FROM {self._sql_name} WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
            (prefix, prefix + LATEST, limit + len(self.pending.rows)),
        )
        ids = [record_id for record_id, number in stored if number not in self.pending.rows]
        ids += [row.id for row in self.pending.matching({}) if row.id and row.id.startswith(prefix)]
        return sorted(ids)[:limit]

    def newest(
        self, equal: Mapping[str, str], *, limit: int, before: Position | None = None, since: str = ""
    ) -> list[Row]:
        """Return at most `limit` rows with these values, newest first, older than `before`, not before
        `since`.
        """
        stored = (self._verify(values) for values in self._visible(_ROW, equal, limit, before, since))
        pending = self._pending_newest(equal, before, since)
        return list(islice(merge(stored, pending, key=_POSITION, reverse=True), limit))

    def _visible(
        self, columns: str, equal: Mapping[str, str], limit: int, before: Position | None, since: str
    ) -> Iterator[tuple[Any, ...]]:
        """Yield columns of the rows that no pending change hides, newest first; `limit` are read at a time.

        columns: _ROW or _KEY.
        """
        hidden = self.pending.rows
        while True:
            values = [*equal.values(), *(before or ()), *([since] if since else ())]
            sql = _newest_sql(self.name, tuple(equal), columns, before is not None, bool(since))
            page = self._select(sql, (*values, limit))
            yield from (row for row in page if row[0] not in hidden)
            if len(page) < limit:
                return
            last = page[-1]
            before = (last[1], last[0]) if columns == _KEY else (last[2], last[0])

    def _pending_newest(self, equal: Mapping[str, str], before: Position | None, since: str) -> list[Row]:
        if not self.pending:
            return []
        rows = [
            row
            for row in self.pending.matching(equal)
            if (before is None or row.position < before) and row.created_at >= since
        ]
        return sorted(rows, key=_POSITION, reverse=True)

    def newest_statuses(self, equal: Mapping[str, str], limit: int) -> list[str]:
        """Return the statuses of the newest rows with these values, newest first, from an index alone."""
        return [status or "" for _, _, status in self._newest_keys(equal, limit)]

    def position_of_nth(self, equal: Mapping[str, str], number: int) -> Position | None:
        """Return the position of the n-th newest row with these values; None where there are fewer."""
        keys = self._newest_keys(equal, number)
        return keys[-1][:2] if len(keys) == number else None

    def _newest_keys(self, equal: Mapping[str, str], limit: int) -> list[tuple[str, int, str | None]]:
        """Return time, number and status of the newest rows with these values, newest first."""
        pending = self._pending_newest(equal, None, "")
        stored = islice(self._visible(_KEY, equal, limit, None, ""), limit)
        keys = [(time, number, status) for number, time, status in stored]
        keys += [(row.created_at, row.number, row.status) for row in pending]
        if pending:
            keys.sort(key=itemgetter(0, 1), reverse=True)
        return keys[:limit]

    def distinct(self, field: str) -> Iterator[str]:
        """Yield the values of an indexed field, in order; each is one look into the index.

        A value whose last row was removed may still be yielded until that is durable.
        """
        index = schema.index_name(self.name, _choose_index((field,)))
        sql = f"SELECT min({field}) FROM {self._sql_name} INDEXED BY {index} WHERE {field} > ?"
        last = ""
        while True:
            values = [value for row in self._select(sql, (last,)) for value in row]
            values += [getattr(row, field) for row in self.pending.matching({})]
            later = [value for value in values if value is not None and value > last]
            if not later:
                return
            last = min(later)
            yield last

    def oldest_numbers(self, *, limit: int, before: str = LATEST) -> list[int]:
        """Return at most `limit` numbers of the oldest rows with a time before `before`, oldest first."""
        index = schema.index_name(self.name, (SORT,))
        stored = self._select(
            f"SELECT created_at, number FROM {self._sql_name} INDEXED BY {index}"
            f" WHERE created_at < ? ORDER BY created_at, number LIMIT ?",
            (before, limit + len(self.pending.rows)),
        )
        rows = [row for row in stored if row[1] not in self.pending.rows]
        rows += [row.position for row in self.pending.matching({}) if row.created_at < before]
        return [number for _, number in sorted(rows)[:limit]]

    def iterate(self) -> Iterator[Row]:
        """Yield every row by number; PAGE are read at a time.

        A row that is changed meanwhile is yielded once, as it is when its page is read.
        """
        last = -(2**63)
        sql = f"SELECT {_ROW} FROM {self._sql_name} WHERE number > ? ORDER BY number LIMIT ?"
        while True:
            stored = [self._verify(values) for values in self._select(sql, (last, PAGE))]
            is_end = len(stored) < PAGE
            bound = 2**63 if is_end else stored[-1].number
            yield from self._merge_pending(stored, range(last + 1, bound + 1))
            if is_end:
                return
            last = bound

    def candidates(self, condition: SqlCondition) -> Iterator[Row]:
        """Yield the rows that meet a condition, and all pending ones, by number; PAGE are read at a time."""
        stored = self._select(f"SELECT number FROM {self._sql_name} WHERE {condition.sql}", condition.values)
        numbers = sorted({number for (number,) in stored} | self.pending.rows.keys())
        for start in range(0, len(numbers), PAGE):
            yield from self._with_numbers(numbers[start : start + PAGE])

    def _with_numbers(self, numbers: Sequence[int]) -> Iterator[Row]:
        marks = ", ".join("?" * len(numbers))
        sql = f"SELECT {_ROW} FROM {self._sql_name} WHERE number IN ({marks}) ORDER BY number"
        stored = [self._verify(values) for values in self._select(sql, numbers)]
        return self._merge_pending(stored, set(numbers))

    def _merge_pending(self, stored: list[Row], numbers: Container[int]) -> Iterator[Row]:
        """Yield rows by number, with the pending ones of these numbers in their place."""
        rows = [row for row in stored if row.number not in self.pending.rows]
        rows += [row for row in self.pending.matching({}) if row.number in numbers]
        return iter(sorted(rows, key=_NUMBER))

    def numbers(self) -> list[int]:
        """Return every number, in order."""
        stored = {number for (number,) in self._select(f"SELECT number FROM {self._sql_name}")}
        changed = {number for number, row in self.pending.rows.items() if row is not None}
        return sorted(stored - self.pending.rows.keys() | changed)

    def count(self, field: str, equal: Mapping[str, str]) -> dict[str, int]:
        """Return how many rows with these values have each value of a shared field."""
        counted: Counter[str] = Counter()
        hidden: list[Row] = []
        if self.name in self._database.tables:  # which may be made at any moment, too
            with self._one_snapshot():
                counted.update(self._count_stored(field, equal))
                hidden = list(self._hidden_rows())
        for row in hidden:
            if all(getattr(row, name) == value for name, value in equal.items()):
                counted[getattr(row, field) or ""] -= 1
        for row in self.pending.matching(equal):
            counted[getattr(row, field) or ""] += 1
        return {value: number for value, number in counted.items() if value and number}

    def _count_stored(self, field: str, equal: Mapping[str, str]) -> dict[str, int]:
        if field == "status" and not equal:
            return dict(
                self._select("SELECT status, documents FROM counts WHERE table_name = ?", (self.name,))
            )
        index = _choose_index(tuple(equal))
        source = (
            f"{self._sql_name} INDEXED BY {schema.index_name(self.name, index)}" if equal else self._sql_name
        )
        where = " AND ".join(f"{name} = ?" for name in equal) or "1"
        sql = f"SELECT coalesce({field}, ''), count(*) FROM {source} WHERE {where} GROUP BY 1"
        return dict(self._select(sql, tuple(equal.values())))

    def _hidden_rows(self) -> Iterator[Row]:
        """Yield the rows of the database that pending changes hide, without their JSON."""
        numbers = list(self.pending.rows)
        for start in range(0, len(numbers), PAGE):
            page = numbers[start : start + PAGE]
            sql = f"SELECT {_HEAD} FROM {self._sql_name}"
            yield from map(
                Row._make, self._select(f"{sql} WHERE number IN ({', '.join('?' * len(page))})", page)
            )

    def __len__(self) -> int:
        sql = "SELECT coalesce(sum(documents), 0) FROM counts WHERE table_name = ?"
        if self.name not in self._database.tables:
            return sum(1 for _ in self.pending.matching({}))
        with self._one_snapshot():
            stored = sum(int(number) for (number,) in self._select(sql, (self.name,)))
            hidden = sum(1 for _ in self._hidden_rows())
        return stored - hidden + sum(1 for _ in self.pending.matching({}))

    @property
    def last_number(self) -> int:
        """The greatest number that was ever given; numbers only grow, until the table is truncated."""
        if self._last_number < 0:
            self.read_last_number()
        return self._last_number

    def read_last_number(self) -> None:
        """Read the greatest number from the database, after a change that it did not take."""
        stored = self._select("SELECT seq FROM sqlite_sequence WHERE name = ?", (self.name,))
        self._last_number = max([int(number) for (number,) in stored], default=0)
        self._last_number = max([self._last_number, *self.pending.rows])

    def use_number(self, number: int) -> None:
        """Take note that a number is used."""
        if number > self.last_number:
            self._last_number = number

    def restart_numbers(self, last: int = 0) -> None:
        """Continue with the number after `last`."""
        self._last_number = last


@lru_cache(maxsize=1000)
def _newest_sql(table: str, equal: tuple[str, ...], columns: str, before: bool, since: bool) -> str:
    terms = [f"{field} = ?" for field in equal]
    terms += ["(created_at, number) < (?, ?)"] if before else []
    terms += ["created_at >= ?"] if since else []
    return (
        f"SELECT {columns} FROM {schema.quote(table)}"
        f" INDEXED BY {schema.index_name(table, _choose_index(equal))}"
        f" WHERE {' AND '.join(terms) or '1'} ORDER BY created_at DESC, number DESC LIMIT ?"
    )


@lru_cache(maxsize=1000)
def _choose_index(equal: tuple[str, ...]) -> tuple[str, ...]:
    """Return the index with the most values that are given before the time; the first of several."""

    def rank(columns: tuple[str, ...]) -> int:
        prefix = columns[: columns.index(SORT)]
        return len(prefix) if set(prefix) <= set(equal) else -1

    best: tuple[str, ...] = max(schema.INDEXES, key=rank)
    return best
