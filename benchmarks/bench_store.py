"""The history beside plain sqlite3 calls with the same schema, and stock TinyDB (JSONStorage), in one folder.

Each figure is measured in turn in one run, at each number of documents of about 700 bytes, and medians are
compared. Plain SQLite has the same tables and indexes, WAL and synchronous=FULL, and puts the same
rows, in the thread that asks. Names end in the number of documents; `to_sqlite` is our time divided by
SQLite's (below 1: we are faster), `stock_to_ours` stock TinyDB's by ours, up to 10,000 documents.
"""

import asyncio
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from tinydb import TinyDB, where

from benchmarks import loop_pauses
from kronkeep_common.clock import SystemClock
from kronkeep_daemon.garbage import set_modules_aside
from kronkeep_daemon.history import History, schema
from kronkeep_daemon.history.rows import checksum, row_of
from kronkeep_daemon.history.writer import SWITCH_SECONDS

SIZES = tuple(int(size) for size in os.environ.get("STORE_SIZES", "10000,100000,1000000").split(","))
STOCK_SIZE = 10_000
PUT = 20_000  # of the documents before the measurement: changes and weeks of figures are there by them
ROUNDS = 100
MANY = 200
PAGE = 50
CRONJOBS = 1000
START = datetime(2026, 1, 1, tzinfo=UTC)
Document = dict[str, Any]
Operation = Callable[[Any, int], Awaitable[None]]
Position = tuple[str, int]


def build_document(number: int, status: str = "succeeded") -> Document:
    """Return a run as it is stored, about 700 bytes."""
    created_at = START + timedelta(seconds=number, microseconds=123_456)
    cronjob = number % CRONJOBS
    timestamp = created_at.isoformat().replace("+00:00", "Z")
    return {
        "id": f"{number * 2654435761 % 2**32:08x}-1f2e-4d3c-9a8b-{number:012x}",
        "cluster": "prod",
        "namespace": f"team-{cronjob % 10}",
        "cronjob": f"nightly-{cronjob}",
        "cronjob_id": f"{cronjob:08x}-1f2e-4d3c-9a8b-0123456789ab",
        "status": "failed" if number % 17 == 0 else status,
        "trigger": "scheduled",
        "created_at": timestamp,
        "backup_id": f"{number:08x}-aaaa-4d3c-9a8b-{number:012x}",
        "message": "x" * 300,
    }


COUNT = (
    "INSERT INTO counts VALUES(?, ?, ?)"
    " ON CONFLICT(table_name, status) DO UPDATE SET documents = documents + excluded.documents"
)
QUERIED = {"cronjob_id": build_document(7)["cronjob_id"]}
FAILED = {"status": "failed"}


class HistoryStore:
    """kronkeep's history with its table of runs, which are put as `Records` puts them."""

    def __init__(self, history: History) -> None:
        self.table = history.table("executions")
        self.history = history

    async def put(self, documents: list[Document]) -> None:
        rows = self.table.rows
        for document in documents:
            body = msgspec.json.encode(document)
            old = rows.by_id(document["id"])
            self.table.put_row(row_of(old.number if old else rows.last_number + 1, body), old)
        await self.history.commit()

    def page(self, equal: dict[str, str], before: Position | None) -> list[Document]:
        rows = self.table.rows.newest(equal, limit=PAGE, before=before)
        return [msgspec.json.decode(row.body) for row in rows]

    def close(self) -> None:
        """Do nothing: the caller closes the history."""


class SqliteStore:
    """The same rows by plain calls of sqlite3."""

    def __init__(self, path: Path) -> None:
        self.database = sqlite3.connect(path, isolation_level=None)
        for pragma in (
            "auto_vacuum=INCREMENTAL",
            "journal_mode=WAL",
            "synchronous=FULL",
            "cache_size=-16384",
        ):
            self.database.execute(f"PRAGMA {pragma}").fetchall()
        for statement in (*schema.CREATE_OWN_TABLES, *schema.create_table("executions")):
            self.database.execute(statement)
        self.number = 0
        self.sequence = 0

    async def put(self, documents: list[Document]) -> None:
        self.database.execute("BEGIN")
        for document in documents:
            body = json.dumps(document)
            stored = self.database.execute(
                "SELECT number, status FROM executions WHERE id = ?", (document["id"],)
            )
            number, status = next(stored, (self.number + 1, None))
            self.number = max(self.number, number)
            row = row_of(number, body.encode())
            if status != row.status:
                self.database.execute(COUNT, ("executions", row.status, 1))
                if status is not None:
                    self.database.execute(COUNT, ("executions", status, -1))
            values = (*row[:-1], checksum("executions", number, row.body), body)
            self.database.execute(schema.put_row("executions"), values)
            self.sequence += 1
            change = (self.sequence, "executions", document["id"], 0, 0, body)
            self.database.execute("INSERT INTO changes VALUES(?, ?, ?, ?, ?, ?)", change)
            self.database.execute("DELETE FROM changes WHERE sequence <= ?", (self.sequence - 20_000,))
        self.database.execute("COMMIT")

    def page(self, equal: dict[str, str], before: Position | None) -> list[Document]:
        terms = [f"{field} = ?" for field in equal]
        terms += ["(created_at, number) < (?, ?)"] if before else []
        rows = self.database.execute(
            f"SELECT body FROM executions WHERE {' AND '.join(terms) or '1'}"  # noqa: S608
            " ORDER BY created_at DESC, number DESC LIMIT ?",
            (*equal.values(), *(before or ()), PAGE),
        ).fetchall()
        return [json.loads(body) for (body,) in rows]

    def close(self) -> None:
        self.database.close()


class StockStore:
    """TinyDB with its own storage, which makes no write durable."""

    def __init__(self, path: Path) -> None:
        self.database = TinyDB(path)

    async def put(self, documents: list[Document]) -> None:
        if len(documents) == 1 and documents[0]["status"] == "cancelled":
            self.database.update(documents[0], where("id") == documents[0]["id"])
        else:
            self.database.insert_multiple(documents)

    def page(self, equal: dict[str, str], before: Position | None) -> list[Document]:
        ((field, value),) = equal.items() if equal else (("trigger", "scheduled"),)
        documents = sorted(self.database.search(where(field) == value), key=_time, reverse=True)
        return [document for document in documents if before is None or _time(document) < before[0]][:PAGE]

    def close(self) -> None:
        self.database.close()


def _time(document: Document) -> str:
    return str(document["created_at"])


def list_operations(size: int) -> dict[str, tuple[int, Operation]]:
    """Return by name how often an operation is measured, and the operation on a store in a round."""

    async def insert(store: Any, number: int) -> None:
        await store.put([build_document(size + number, "new")])

    async def update(store: Any, number: int) -> None:
        await store.put([build_document(number * (size // ROUNDS), "cancelled") | {"status": "cancelled"}])

    async def insert_many(store: Any, number: int) -> None:
        first = size + 1000 + number * MANY
        await store.put([build_document(first + offset) for offset in range(MANY)])

    async def newest_of_cronjob(store: Any, _: int) -> None:
        assert len(store.page(QUERIED, None)) >= min(PAGE, size // CRONJOBS)

    async def newest_of_status(store: Any, _: int) -> None:
        assert len(store.page(FAILED, None)) == PAGE

    async def page_inside(store: Any, number: int) -> None:
        assert len(store.page({}, (build_document(size // 2 + number * 97)["created_at"][:-1], 0))) == PAGE

    return {
        "insert": (ROUNDS, insert),
        "update": (ROUNDS, update),
        "many": (20, insert_many),
        "newest_of_cronjob": (ROUNDS, newest_of_cronjob),
        "newest_of_status": (ROUNDS, newest_of_status),
        "page_inside": (ROUNDS, page_inside),
    }


async def time_operation(operation: Operation, store: Any, number: int) -> float:
    """Return the seconds that one operation takes."""
    start = time.perf_counter()
    await operation(store, number)
    return time.perf_counter() - start


async def compare(size: int, stores: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return the median seconds of each operation and store.

    Ours and SQLite are measured in turn, each first in every other round. Stock TinyDB is measured
    afterwards: the next sync of the file system, whoever calls it, also writes what stock TinyDB has left
    unsynced.
    """
    medians: dict[str, dict[str, float]] = {}
    for name, (rounds, operation) in list_operations(size).items():
        seconds: dict[str, list[float]] = {"ours": [], "sqlite": []}
        for number in range(rounds):
            for store in ("ours", "sqlite") if number % 2 else ("sqlite", "ours"):
                seconds[store].append(await time_operation(operation, stores[store], number))
        medians[name] = {store: statistics.median(times) for store, times in seconds.items()}
    for name, (_, operation) in list_operations(size).items():
        if "stock" in stores:
            times = [await time_operation(operation, stores["stock"], number) for number in range(3)]
            medians[name]["stock"] = statistics.median(times)
    return medians


OPEN = """
import asyncio, sys, time
from pathlib import Path
from kronkeep_common.clock import SystemClock
from kronkeep_daemon.history import History
def memory(): return int(open("/proc/self/statm").read().split()[1]) * 4096
async def measure():
    before, began = memory(), time.perf_counter()
    history = await History.open(Path(sys.argv[1]), clock=SystemClock())
    opened = time.perf_counter() - began
    for number in range(1000):
        history.executions.count()
        for row in history.table("executions").rows.newest({"status": "failed"}, limit=50): row.body
        history.table("executions").put_document(None, {"id": f"{time.time_ns()}", "created_at": "2030"})
        if number % 10 == 9:
            await history.commit()
    print(opened, (memory() - before) / 1e6, memory() / 1e6)
    await history.close()
asyncio.run(measure())
"""


def measure_opening(folder: Path) -> tuple[float, float, float]:
    """Return the best seconds of opening, and after 1,000 pages and writes the MB more, and in all."""
    results: list[list[float]] = []
    for _ in range(3):
        command = [sys.executable, "-c", OPEN, str(folder)]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        results.append([float(word) for word in out.split()])
    return min(r[0] for r in results), max(r[1] for r in results), max(r[2] for r in results)


async def _fill(store: Any, first: int, count: int) -> None:
    step = 2000 if not isinstance(store, StockStore) else count
    for start in range(first, count, step):
        await store.put([build_document(number) for number in range(start, min(count, start + step))])


def _fill_by_sql(path: Path, first: int, end: int) -> None:
    """Add documents to a database with the table of runs, much faster than they are put."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA cache_size=-400000")  # the index of ids is filled in no order
        indexes = database.execute(
            "SELECT name, sql FROM sqlite_master WHERE tbl_name = 'executions' AND sql LIKE 'CREATE INDEX%'"
        ).fetchall()
        database.execute("BEGIN")
        for name, _ in indexes:
            database.execute(f"DROP INDEX {schema.quote_name(name)}")
        database.executemany(schema.put_row("executions"), map(_values_of, range(first, end)))
        for _, sql in indexes:
            database.execute(sql)
        database.execute("DELETE FROM counts WHERE table_name = 'executions'")
        database.execute(
            "INSERT INTO counts SELECT 'executions', status, count(*) FROM executions GROUP BY status"
        )
        database.execute("COMMIT")


def _values_of(number: int) -> tuple[object, ...]:
    row = row_of(number + 1, msgspec.json.encode(build_document(number)))
    return (*row[:-1], checksum("executions", row.number, row.body), row.body.decode())


async def _open_stores(folder: Path, size: int) -> tuple[History, dict[str, Any]]:
    """Return the history and all stores with so many documents, the last PUT of them put one by one."""
    history = await History.open(folder / "ours", clock=SystemClock())
    plain = SqliteStore(folder / "s.db")
    first = max(1, size - PUT)
    for store in (HistoryStore(history), plain):
        await _fill(store, 0, 1)
    if first > 1:
        await history.close()
        for path in (folder / "ours" / "history.db", folder / "s.db"):
            _fill_by_sql(path, 1, first)
        history = await History.open(folder / "ours", clock=SystemClock())
        plain.number = first
    stores: dict[str, Any] = {"ours": HistoryStore(history), "sqlite": plain}
    for store in stores.values():
        await _fill(store, first, size)
    if size <= STOCK_SIZE:
        stores["stock"] = StockStore(folder / "t.json")
        await _fill(stores["stock"], 0, size)
    return history, stores


async def measure_size(size: int, folder: Path) -> dict[str, float]:
    """Return every figure at one number of documents."""
    print(f"  {size} documents", file=sys.stderr, flush=True)
    history, stores = await _open_stores(folder, size)
    medians = await compare(size, stores)
    pauses = await loop_pauses.measure_pauses(history, size, build_document)
    await history.close()
    for store in stores.values():
        store.close()
    seconds, more, total = measure_opening(folder / "ours")
    figures = {"open_seconds": round(seconds, 3), "more_mb": round(more, 1), "total_mb": round(total, 1)}
    figures["bytes_to_document"] = round((folder / "ours" / "history.db").stat().st_size / size / 700, 2)
    for name, times in medians.items():
        figures[f"{name}_ms"] = round(1000 * times["ours"], 3)
        figures[f"{name}_to_sqlite"] = round(times["ours"] / times["sqlite"], 2)
        if "stock" in times:
            figures[f"stock_to_ours_{name}"] = round(times["stock"] / times["ours"], 1)
    return {f"store_{name}_{size}": figure for name, figure in (figures | pauses).items()}


def run(sizes: Iterable[int] = SIZES) -> dict[str, float]:
    """Return all figures of all sizes."""
    figures: dict[str, float] = {}
    sys.setswitchinterval(SWITCH_SECONDS)  # as kronkeepd does, and the modules kept from the collector
    set_modules_aside()
    for size in sizes:
        with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as name:
            figures |= asyncio.run(measure_size(size, Path(name)))
    return figures
