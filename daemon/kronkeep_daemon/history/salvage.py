"""Salvage: the readable part of a damaged history, written to a new folder; the damaged one is not changed.

Rows are read in pages by number. Where a page cannot be read, its rows are read one by one, and the numbers
after the last readable one are passed over until a row can be read again. A row whose checksum is wrong is
left out.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from kronkeep_common.errors import DamagedHistory, InvalidRequest
from kronkeep_daemon.history import history_folder, schema
from kronkeep_daemon.history.database import Database, RowChange, connect, read_tables
from kronkeep_daemon.history.rows import checksum, row_of

PAGE = 500  # rows
LAST_NUMBER = 2**63 - 1
Stored = tuple[int, object, object]  # number, JSON, checksum


class UnreadableRows(NamedTuple):
    """The numbers of a table, from the first to the last, that cannot be read."""

    table: str
    first: int
    last: int


def salvage(source: Path, target: Path) -> tuple[int, list[UnreadableRows]]:
    """Return (documents written, what is lost).

    Raise StateInUse, InvalidRequest where the target exists, DamagedHistory where nothing can be read.
    """
    if target.exists():
        raise InvalidRequest(f"{target} exists already; a salvage needs a new folder.", field="target")
    lock = history_folder.lock(source)
    lost: list[UnreadableRows] = []
    count = 0
    try:
        with closing(connect(source / history_folder.DATABASE)) as connection:
            tables = sorted(read_tables(connection))
            database = Database(target)
            database.counts_figures = False  # they are copied as well
            for table in tables:
                count += _copy_table(connection, table, database, lost)
            database.close()
    except sqlite3.DatabaseError as fault:
        raise DamagedHistory(f"Nothing of the history can be read: {fault}.", file=str(source)) from fault
    finally:
        os.close(lock)
    if (source / "logs").is_dir():
        shutil.copytree(source / "logs", target / "logs")
    return count, lost


def _copy_table(
    connection: sqlite3.Connection, table: str, database: Database, lost: list[UnreadableRows]
) -> int:
    count = 0
    for rows in _read_pages(connection, table, lost):
        batch = []
        for number, body, expected in rows:
            if not isinstance(body, bytes) or checksum(table, number, body) != expected:
                lost.append(UnreadableRows(table, number, number))
                continue
            row = row_of(number, body)
            batch.append(RowChange(table=table, number=number, id=row.id or str(number), row=row))
        if batch:
            database.write(batch)
        count += len(batch)
    return count


def _read_pages(
    connection: sqlite3.Connection, table: str, lost: list[UnreadableRows]
) -> Iterator[list[Stored]]:
    """Yield the rows of a table in pages; note the numbers between which rows cannot be read."""
    start = -LAST_NUMBER
    size = PAGE
    while True:
        rows = _read(connection, table, start, size)
        if rows == []:
            return
        if rows is not None:
            yield rows
            start = rows[-1][0] + 1
            size = PAGE if len(rows) > 1 or size == PAGE else size
        elif size > 1:
            size = 1
        else:
            readable = _find_readable(connection, table, start)
            lost.append(UnreadableRows(table, start, (readable or LAST_NUMBER) - 1))
            if readable is None:
                return
            start = readable
            size = PAGE


def _read(connection: sqlite3.Connection, table: str, start: int, size: int) -> list[Stored] | None:
    """Return rows from a number on; None where they cannot be read."""
    sql = f"SELECT number, CAST(body AS BLOB), checksum FROM {schema.quote(table)}"
    try:
        return connection.execute(
            f"{sql} WHERE number >= ? ORDER BY number LIMIT ?", (start, size)
        ).fetchall()
    except sqlite3.DatabaseError:
        return None


def _find_readable(connection: sqlite3.Connection, table: str, start: int) -> int | None:
    """Return the first number after `start` from which a row can be read; None where there is none."""
    step = 1
    while _read(connection, table, start + step, 1) is None:
        step *= 2
        if start + step > LAST_NUMBER:
            return None
    low = start + step // 2
    high = start + step
    while low + 1 < high:
        middle = (low + high) // 2
        if _read(connection, table, middle, 1) is None:
            low = middle
        else:
            high = middle
    return high
