"""The process that writes a month of a table as a Parquet file: an order on standard input, JSON as answer.

The file appears under its name whole or not at all, and one that is there is never written again. It is a
process of its own since pyarrow takes 50 MB, and decoding a month of millions of runs minutes of CPU.
"""

import hashlib
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from kronkeep_common.errors import DamagedHistory
from kronkeep_daemon.history import durable, schema
from kronkeep_daemon.history.database import connect
from kronkeep_daemon.history.rows import checksum, sort_time

if TYPE_CHECKING:
    from pyarrow import Schema

WRITTEN = 0
FAILED = 1
DRIVER_MISSING = 3
FOREIGN_FILE = 4
ROWS = 5_000  # of a row group: 8 MB of documents
HISTORY_ID = b"kronkeep.history_id"
_READ = (
    "SELECT number, created_at, CAST(body AS BLOB), checksum FROM {table}"
    " WHERE (created_at, number) > (?, ?) AND created_at < ? ORDER BY created_at, number LIMIT ?"
)
_UNFINISHED = "SELECT 1 FROM {table} WHERE status IN ({marks}) AND created_at >= ? AND created_at < ? LIMIT 1"


class MonthOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What to write.

    begin, end: the month's first moment and that after its last, as rows are sorted by time.
    unfinished: statuses of records that a month waits for.
    """

    database: str
    history_id: str
    table: str
    begin: datetime
    end: datetime
    target: str
    unfinished: tuple[str, ...] = ()


class WrittenMonth(msgspec.Struct, frozen=True, kw_only=True):
    """How many records the file has, and its SHA-256; without records there is no file.

    is_open: nothing was written, since records of the month have not ended.
    """

    rows: int = 0
    sha256: str = ""
    is_open: bool = False


class ParquetRow(msgspec.Struct, frozen=True, kw_only=True):
    """The columns of a record; the whole document is in `body` beside them."""

    id: str | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    cluster: str | None = None
    namespace: str | None = None
    cronjob: str | None = None
    cronjob_id: str | None = None
    cronjob_execution_id: str | None = None
    policy_id: str | None = None
    storage_id: str | None = None
    status: str | None = None
    reason: str | None = None
    message: str | None = None
    duration_seconds: float | None = None


class ForeignFile(Exception):
    """A file is there that this history has not written."""


def write_month(order: MonthOrder) -> WrittenMonth:
    """Write the month, unless its file is there.

    Raises ForeignFile, DamagedHistory, OSError, SyncFailed, sqlite3.Error.
    """
    from pyarrow import parquet

    target = Path(order.target)
    if target.exists():
        metadata = parquet.read_metadata(target)
        if (metadata.metadata or {}).get(HISTORY_ID) != order.history_id.encode():
            raise ForeignFile(f"{target} is there, and not of this history.")
        return WrittenMonth(rows=metadata.num_rows, sha256=hash_file(target))
    with closing(connect(Path(order.database))) as connection:
        connection.execute("BEGIN")  # one state for the question and all pages
        if not _has_table(connection, order.table):
            return WrittenMonth()
        if order.unfinished and _has_unfinished(connection, order):
            return WrittenMonth(is_open=True)
        return _write(order, connection, target)


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file; raise OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _has_table(connection: sqlite3.Connection, table: str) -> bool:
    return bool(connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone())


def _has_unfinished(connection: sqlite3.Connection, order: MonthOrder) -> bool:
    marks = ", ".join("?" * len(order.unfinished))
    sql = _UNFINISHED.format(table=schema.quote(order.table), marks=marks)
    values = (*order.unfinished, _time(order.begin), _time(order.end))
    return connection.execute(sql, values).fetchone() is not None


def _time(moment: datetime) -> str:
    return sort_time(msgspec.json.encode(moment).decode().strip('"'))


def _write(order: MonthOrder, connection: sqlite3.Connection, target: Path) -> WrittenMonth:
    from pyarrow import Table, parquet

    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.tmp")
    columns = _make_schema(order.history_id)
    count = 0
    try:
        with parquet.ParquetWriter(temporary, columns, compression="zstd") as writer:
            for records in _read_pages(order, connection):
                writer.write_table(Table.from_pylist(records, schema=columns))
                count += len(records)
        if not count:
            return WrittenMonth()
        handle = os.open(temporary, os.O_RDONLY)
        try:
            durable.sync(handle)
        finally:
            os.close(handle)
        digest = hash_file(temporary)
        temporary.rename(target)
        durable.sync_folder(target.parent)
    finally:
        temporary.unlink(missing_ok=True)
    return WrittenMonth(rows=count, sha256=digest)


def _make_schema(history_id: str) -> "Schema":
    import pyarrow

    moment = pyarrow.timestamp("us", tz="UTC")
    kinds = {"created_at": moment, "started_at": moment, "ended_at": moment}
    kinds["duration_seconds"] = pyarrow.float64()
    names = (*ParquetRow.__struct_fields__, "body")
    fields = [pyarrow.field(name, kinds.get(name, pyarrow.string())) for name in names]
    return pyarrow.schema(fields, metadata={HISTORY_ID: history_id.encode()})


def _read_pages(order: MonthOrder, connection: sqlite3.Connection) -> Iterator[list[dict[str, Any]]]:
    decoder = msgspec.json.Decoder(ParquetRow)
    sql = _READ.format(table=schema.quote(order.table))
    place: tuple[str, int] = (_time(order.begin), -1)
    while rows := connection.execute(sql, (*place, _time(order.end), ROWS)).fetchall():
        records = []
        for number, _, body, expected in rows:
            if checksum(order.table, number, body) != expected:
                raise DamagedHistory(f"The history is damaged: {order.table}, document {number}.")
            records.append(msgspec.structs.asdict(decoder.decode(body)) | {"body": body.decode()})
        yield records
        place = (rows[-1][1], rows[-1][0])


def main() -> int:
    """Read the order, carry it out, print the answer or what failed, and return the exit code."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=MonthOrder)
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        return DRIVER_MISSING
    try:
        written = write_month(order)
    except ForeignFile as fault:
        sys.stderr.write(str(fault))
        return FOREIGN_FILE
    except (OSError, durable.SyncFailed, sqlite3.Error, DamagedHistory) as fault:
        sys.stderr.write(str(fault))
        return FAILED
    sys.stdout.buffer.write(msgspec.json.encode(written))
    return WRITTEN


if __name__ == "__main__":
    sys.exit(main())
