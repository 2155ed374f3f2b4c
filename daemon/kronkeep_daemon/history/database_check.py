"""The check of a whole database: SQLite's own, the schema, every checksum, every column, every count."""

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, islice
from typing import Any

import msgspec

from kronkeep_common.errors import DamagedHistory
from kronkeep_daemon.history import schema
from kronkeep_daemon.history.change_log import read_changes
from kronkeep_daemon.history.rows import COLUMNS, checksum, row_of

MOST_FAULTS = 100
PAGE = 1000  # rows
Columns = tuple[Any, ...]


def check_whole(connection: sqlite3.Connection) -> list[str]:
    """Return what is wrong, at most MOST_FAULTS sentences; an empty list where nothing is."""
    try:
        connection.execute("BEGIN")  # one state of the database, whatever is written meanwhile
        return list(islice(_find_faults(connection), MOST_FAULTS))
    except (sqlite3.DatabaseError, UnicodeDecodeError) as fault:
        return [str(fault)]
    finally:
        if connection.in_transaction:
            with suppress(sqlite3.DatabaseError):
                connection.execute("ROLLBACK")


def _find_faults(connection: sqlite3.Connection) -> Iterator[str]:
    for (line,) in connection.execute(f"PRAGMA integrity_check({MOST_FAULTS})"):
        if line != "ok":
            yield " ".join(str(line).split())
    names = _tables(connection)
    yield from _check_schema(connection, names)
    for name in names:
        yield from check_rows(connection, name)
        yield from _check_counts(connection, name)
    yield from _check_changes(connection)


def _tables(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    names = [str(name) for (name,) in rows]
    return [name for name in names if name not in schema.OWN_TABLES and not name.startswith("sqlite_")]


def _check_schema(connection: sqlite3.Connection, names: list[str]) -> Iterator[str]:
    expected = {*schema.CREATE_OWN_TABLES, *chain.from_iterable(map(schema.create_table, names))}
    rows = connection.execute(
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
    )
    present = {str(sql) for (sql,) in rows}
    if present != expected:
        different = min(expected ^ present)
        yield f"its schema is not that of format {schema.FORMAT}: {different[:60]}"


def check_rows(connection: sqlite3.Connection, table: str) -> Iterator[str]:
    """Yield what is wrong with the rows of one table."""
    columns = ", ".join(COLUMNS)
    rows = connection.execute(
        f"SELECT number, CAST(body AS BLOB), checksum, {columns} FROM {schema.quote(table)} ORDER BY number"
    )
    for number, body, expected, *values in rows:
        if fault := find_row_fault(table, (number, body, expected, *values)):
            yield fault


def find_row_fault(table: str, row: Columns) -> str | None:
    """Return what is wrong with a row: number, JSON, checksum and the other columns."""
    number, body, expected, *values = row
    if not isinstance(body, bytes) or checksum(table, number, body) != expected:
        return f"{table}, document {number}: its checksum is another"
    try:
        right = row_of(number, body)[1:-1]
    except msgspec.DecodeError:
        return f"{table}, document {number}: it is no JSON"
    return None if right == tuple(values) else f"{table}, document {number}: its columns are others"


def _check_counts(connection: sqlite3.Connection, table: str) -> Iterator[str]:
    counted = connection.execute(
        f"SELECT coalesce(status, ''), count(*) FROM {schema.quote(table)} GROUP BY 1"
    ).fetchall()
    kept = connection.execute(
        "SELECT status, documents FROM counts WHERE table_name = ? AND documents <> 0", (table,)
    ).fetchall()
    if set(counted) != set(kept):  # no order: a flipped bit may make another type of a text
        yield f"{table}: it has other numbers of documents than are counted"


def _check_changes(connection: sqlite3.Connection) -> Iterator[str]:
    last: int | None = None
    while True:
        try:
            changes = read_changes(connection, last or 0, PAGE)
        except DamagedHistory as fault:
            yield fault.message
            return
        if not changes:
            return
        numbers = [change.seq for change in changes]
        first = numbers[0] if last is None else last + 1
        if numbers != list(range(first, first + len(numbers))):
            yield f"a change after {first} is missing"
            return
        last = numbers[-1]
