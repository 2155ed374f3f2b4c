"""The history beside SQLite (WAL, synchronous=FULL) and stock TinyDB (JSONStorage), in one folder.

Each figure is measured for all three in turn in one run, at each number of documents of about 700 bytes, and
medians are compared. What takes stock TinyDB seconds is done once. Names end in the number of documents;
`to_sqlite` is our time divided by SQLite's (below 1: we are faster), `stock_to_ours` stock TinyDB's by ours.
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
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from tinydb import TinyDB, where

from benchmarks import loop_pauses
from kronkeep_common.clock import SystemClock
from kronkeep_daemon.history import History

SIZES = tuple(int(size) for size in os.environ.get("STORE_SIZES", "1000,10000,100000,500000").split(","))
ROUNDS = 30
MANY = 200
PAGE = 50
CRONJOBS = 100
START = datetime(2026, 1, 1, tzinfo=UTC)
CHANGED = {"status": "changed"}
Document = dict[str, Any]
Operation = Callable[[Any, int], Any]


def build_document(number: int, status: str = "succeeded") -> Document:
    """Return a run as it is stored, about 700 bytes."""
    created_at = START + timedelta(seconds=number, microseconds=123_456)
    cronjob = number % CRONJOBS
    timestamp = created_at.isoformat().replace("+00:00", "Z")
    return {
        "id": f"{number:08x}-1f2e-4d3c-9a8b-{number:012x}",
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


QUERIED_CRONJOB = build_document(7)["cronjob_id"]


class HistoryStore:
    """kronkeep's history with its table of runs."""

    def __init__(self, history: History) -> None:
        self.table = history.table("executions")
        self.history = history

    async def fill(self, count: int) -> None:
        for number in range(count):
            self.table.put_document(None, build_document(number))
            if number % 1000 == 999:
                await self.history.commit()
        await self.history.commit()

    async def put(self, docs: list[Document]) -> None:
        for doc in docs:
            rows = self.table.documents.with_id(doc["id"])
            self.table.put_document(rows[0][1] if rows else None, doc)
        await self.history.commit()

    async def newest(self) -> list[Document]:
        rows = islice(self.table.documents.newest({"cronjob_id": QUERIED_CRONJOB}), PAGE)
        return [msgspec.json.decode(row[2]) for row in rows]


class SqliteStore:
    """The same documents as text in SQLite, with a key and an index."""

    def __init__(self, path: Path) -> None:
        self.database = sqlite3.connect(path, isolation_level=None)
        self.database.execute("pragma journal_mode=wal")
        self.database.execute("pragma synchronous=full")
        self.database.execute("create table if not exists e(id text primary key, c text, at text, body text)")
        self.database.execute("create index if not exists i on e(c, at)")

    async def fill(self, count: int) -> None:
        await self.put([build_document(number) for number in range(count)])

    async def put(self, docs: list[Document]) -> None:
        self.database.execute("begin")
        rows = ((doc["id"], doc["cronjob_id"], doc["created_at"], json.dumps(doc)) for doc in docs)
        self.database.executemany("insert or replace into e values(?,?,?,?)", rows)
        self.database.execute("commit")

    async def newest(self) -> list[Document]:
        rows = self.database.execute(
            "select body from e where c=? order by at desc limit ?", (QUERIED_CRONJOB, PAGE)
        ).fetchall()
        return [json.loads(body) for (body,) in rows]


class StockStore:
    """TinyDB with its own storage, which makes no write durable."""

    def __init__(self, path: Path) -> None:
        self.database = TinyDB(path)

    async def fill(self, count: int) -> None:
        self.database.insert_multiple(build_document(number) for number in range(count))

    async def put(self, docs: list[Document]) -> None:
        if len(docs) == 1 and docs[0]["status"] == "changed":
            self.database.update(docs[0], where("id") == docs[0]["id"])
        else:
            self.database.insert_multiple(docs)

    async def newest(self) -> list[Document]:
        documents = self.database.search(where("cronjob_id") == QUERIED_CRONJOB)
        return sorted(documents, key=lambda doc: str(doc["created_at"]), reverse=True)[:PAGE]


def list_operations(size: int) -> dict[str, tuple[int, Operation]]:
    """Return by name how often an operation is measured, and the operation on a store in a round."""

    async def insert(store: Any, number: int) -> None:
        await store.put([build_document(size + number, "new")])

    async def update(store: Any, number: int) -> None:
        await store.put([build_document(number * (size // ROUNDS), "changed") | CHANGED])

    async def insert_many(store: Any, number: int) -> None:
        first = size + 1000 + number * MANY
        await store.put([build_document(first + offset) for offset in range(MANY)])

    async def query_newest(store: Any, _: int) -> None:
        await store.newest()

    return {
        "insert": (ROUNDS, insert),
        "update": (ROUNDS, update),
        "many": (5, insert_many),
        "newest": (ROUNDS, query_newest),
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
        seconds: dict[str, list[float]] = {store: [] for store in stores}
        for number in range(rounds):
            for store in ("ours", "sqlite") if number % 2 else ("sqlite", "ours"):
                seconds[store].append(await time_operation(operation, stores[store], number))
        medians[name] = {store: statistics.median(times) for store, times in seconds.items() if times}
    for name, (rounds, operation) in list_operations(size).items():
        times = [
            await time_operation(operation, stores["stock"], n)
            for n in range(max(1, min(rounds, 30_000 // size)))
        ]
        medians[name]["stock"] = statistics.median(times)
    return medians


OPEN = {
    "ours": """
import asyncio
from pathlib import Path
from kronkeep_common.clock import SystemClock
from kronkeep_daemon.history import History
async def act():
    global kept
    kept = await History.open(Path(sys.argv[1]), clock=SystemClock())
asyncio.run(measure(act))
""",
    "sqlite": """
import asyncio, sqlite3
async def act():
    global kept
    kept = sqlite3.connect(sys.argv[1])
    kept.execute("select count(*) from e where c='x'").fetchall()
asyncio.run(measure(act))
""",
    "stock": """
import asyncio
from tinydb import TinyDB
async def act():
    global kept
    kept = TinyDB(sys.argv[1])
    len(kept)
asyncio.run(measure(act))
""",
}
MEASURE = """
import sys, time
def memory(): return int(open("/proc/self/statm").read().split()[1]) * 4096
async def measure(act):
    before, began = memory(), time.perf_counter()
    await act()
    print(time.perf_counter() - began, (memory() - before) / 1e6)
"""


def measure_opening(kind: str, path: Path, rounds: int = 3) -> tuple[float, float]:
    """Return the best seconds and MB of memory of opening a store in a process of its own."""
    results: list[list[float]] = []
    for _ in range(rounds):
        command = [sys.executable, "-c", MEASURE + OPEN[kind], str(path)]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        results.append([float(word) for word in out.split()])
    return min(result[0] for result in results), min(result[1] for result in results)


async def measure_written_bytes(ours: HistoryStore, size: int, folder: Path) -> float:
    """Return the bytes written per byte of changed document, between the ends of two compactions."""
    snapshots = set[str]()
    changes = 0
    before = 0
    length = 0
    while len(snapshots) < 3:
        docs = [build_document((changes + offset) % size) | {"exit_code": changes} for offset in range(20)]
        await ours.put(docs)
        changes += len(docs)
        length += sum(len(msgspec.json.encode(doc)) for doc in docs)
        new = _snapshots(folder) - snapshots
        if new and not snapshots:
            before = _bytes_written()
            length = 0
        snapshots |= new
    return (_bytes_written() - before) / length


def _snapshots(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("snapshot-*.jsonl")}


def _bytes_written() -> int:
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("wchar")).split()[1])


async def measure_size(size: int, folder: Path) -> dict[str, float]:
    """Return every figure at one number of documents."""
    print(f"  {size} documents", file=sys.stderr, flush=True)
    ours = HistoryStore(await History.open(folder / "ours", clock=SystemClock()))
    stores: dict[str, Any] = {
        "ours": ours,
        "sqlite": SqliteStore(folder / "s.db"),
        "stock": StockStore(folder / "t.json"),
    }
    for store in stores.values():
        await store.fill(size)
    medians = await compare(size, stores)
    ours_bytes = await measure_written_bytes(ours, size, folder / "ours") if size <= 100_000 else None
    pauses = await loop_pauses.measure_pauses(ours.history, size, build_document) if size >= 100_000 else {}
    await ours.history.close()
    stores["sqlite"].database.close()
    stores["stock"].database.close()
    opened = {
        kind: measure_opening(kind, folder / name, 1 if kind == "stock" else 3)
        for kind, name in (("ours", "ours"), ("sqlite", "s.db"), ("stock", "t.json"))
    }
    figures: dict[str, float] = {}
    for name, seconds in medians.items():
        figures[f"{name}_to_sqlite"] = round(seconds["ours"] / seconds["sqlite"], 2)
        figures[f"stock_to_ours_{name}"] = round(seconds["stock"] / seconds["ours"], 1)
    figures["open_seconds"] = round(opened["ours"][0], 2)
    figures["open_mb"] = round(opened["ours"][1], 1)
    figures["stock_to_ours_open"] = round(opened["stock"][0] / opened["ours"][0], 1)
    if ours_bytes is not None:
        figures["bytes_to_document"] = round(ours_bytes, 2)
    return {f"store_{name}_{size}": figure for name, figure in (figures | pauses).items()}


def run(sizes: Iterable[int] = SIZES) -> dict[str, float]:
    """Return all figures of all sizes."""
    figures: dict[str, float] = {}
    for size in sizes:
        with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as name:
            figures |= asyncio.run(measure_size(size, Path(name)))
    return figures
