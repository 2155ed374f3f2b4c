"""The history beside SQLite (WAL, synchronous=FULL) and stock TinyDB (JSONStorage), on one folder.

Each figure is asked of all three in turn within one run, at each number of documents of about 700 bytes, and
medians are compared. What stock TinyDB needs seconds for is done once. Names end in the number of documents;
`to_sqlite` is our time by SQLite's (below 1: we are faster), `stock_to_ours` stock TinyDB's time by ours.
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
Doc = dict[str, Any]


def document(number: int, status: str = "succeeded") -> Doc:
    """A run as it is kept, about 700 bytes."""
    at = START + timedelta(seconds=number, microseconds=123_456)
    cronjob = number % CRONJOBS
    stamp = at.isoformat().replace("+00:00", "Z")
    return {
        "id": f"{number:08x}-1f2e-4d3c-9a8b-{number:012x}",
        "cluster": "prod",
        "namespace": f"team-{cronjob % 10}",
        "cronjob": f"nightly-{cronjob}",
        "cronjob_id": f"{cronjob:08x}-1f2e-4d3c-9a8b-0123456789ab",
        "status": "failed" if number % 17 == 0 else status,
        "trigger": "scheduled",
        "created_at": stamp,
        "backup_id": f"{number:08x}-aaaa-4d3c-9a8b-{number:012x}",
        "message": "x" * 300,
    }


WANTED = document(7)["cronjob_id"]


class Ours:
    """The history."""

    def __init__(self, history: History) -> None:
        self.table = history.table("executions")
        self.history = history

    async def fill(self, count: int) -> None:
        for number in range(count):
            self.table.put_document(None, document(number))
            if number % 1000 == 999:
                await self.history.commit()
        await self.history.commit()

    async def put(self, docs: list[Doc]) -> None:
        for doc in docs:
            rows = self.table.documents.named(doc["id"])
            self.table.put_document(rows[0][1] if rows else None, doc)
        await self.history.commit()

    async def newest(self) -> list[Doc]:
        rows = islice(self.table.documents.newest({"cronjob_id": WANTED}), PAGE)
        return [msgspec.json.decode(row[2]) for row in rows]


class Sqlite:
    """The same documents as text, with a key and an index."""

    def __init__(self, path: Path) -> None:
        self.base = sqlite3.connect(path, isolation_level=None)
        self.base.execute("pragma journal_mode=wal")
        self.base.execute("pragma synchronous=full")
        self.base.execute("create table if not exists e(id text primary key, c text, at text, body text)")
        self.base.execute("create index if not exists i on e(c, at)")

    async def fill(self, count: int) -> None:
        await self.put([document(number) for number in range(count)])

    async def put(self, docs: list[Doc]) -> None:
        self.base.execute("begin")
        rows = ((doc["id"], doc["cronjob_id"], doc["created_at"], json.dumps(doc)) for doc in docs)
        self.base.executemany("insert or replace into e values(?,?,?,?)", rows)
        self.base.execute("commit")

    async def newest(self) -> list[Doc]:
        found = self.base.execute(
            "select body from e where c=? order by at desc limit ?", (WANTED, PAGE)
        ).fetchall()
        return [json.loads(body) for (body,) in found]


class Stock:
    """TinyDB as it comes; no write of it is durable."""

    def __init__(self, path: Path) -> None:
        self.base = TinyDB(path)

    async def fill(self, count: int) -> None:
        self.base.insert_multiple(document(number) for number in range(count))

    async def put(self, docs: list[Doc]) -> None:
        if len(docs) == 1 and docs[0]["status"] == "changed":
            self.base.update(docs[0], where("id") == docs[0]["id"])
        else:
            self.base.insert_multiple(docs)

    async def newest(self) -> list[Doc]:
        found = self.base.search(where("cronjob_id") == WANTED)
        return sorted(found, key=lambda doc: str(doc["created_at"]), reverse=True)[:PAGE]


def works(size: int) -> dict[str, tuple[int, Callable[[Any, int], Any]]]:
    """What is asked: (how often, what to do in round number)."""
    return {
        "insert": (ROUNDS, lambda it, n: it.put([document(size + n, "new")])),
        "update": (ROUNDS, lambda it, n: it.put([document(n * (size // ROUNDS), "changed") | CHANGED])),
        "many": (
            5,
            lambda it, n: it.put([document(size + 1000 + n * MANY + i) for i in range(MANY)]),
        ),
        "newest": (ROUNDS, lambda it, _: it.newest()),
    }


CHANGED = {"status": "changed"}


async def timed(what: Callable[[Any, int], Any], it: Any, number: int) -> float:
    """Seconds that one piece of work takes."""
    began = time.perf_counter()
    await what(it, number)
    return time.perf_counter() - began


async def beside(size: int, stores: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Median seconds of each work and store.

    Ours and SQLite in turn, each first in every other round; stock afterwards, since the next sync of a
    file system, whoever asks for it, also pays for what stock left unsynced.
    """
    found: dict[str, dict[str, float]] = {}
    for name, (rounds, what) in works(size).items():
        seconds: dict[str, list[float]] = {store: [] for store in stores}
        for number in range(rounds):
            for store in ("ours", "sqlite") if number % 2 else ("sqlite", "ours"):
                seconds[store].append(await timed(what, stores[store], number))
        found[name] = {store: statistics.median(some) for store, some in seconds.items() if some}
    for name, (rounds, what) in works(size).items():
        some = [await timed(what, stores["stock"], n) for n in range(max(1, min(rounds, 30_000 // size)))]
        found[name]["stock"] = statistics.median(some)
    return found


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


def opening(kind: str, path: Path, rounds: int = 3) -> tuple[float, float]:
    """(seconds, MB of memory) of opening in a process of its own; the best of some."""
    answers: list[list[float]] = []
    for _ in range(rounds):
        words = [sys.executable, "-c", MEASURE + OPEN[kind], str(path)]
        out = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        answers.append([float(word) for word in out.split()])
    return min(answer[0] for answer in answers), min(answer[1] for answer in answers)


async def bytes_a_change(ours: Ours, size: int, folder: Path) -> float:
    """Bytes written for each byte of changed document, from the end of one compaction to that of a later."""
    snapshots = set[str]()
    changes = 0
    before = 0
    length = 0
    while len(snapshots) < 3:
        docs = [document((changes + place) % size) | {"exit_code": changes} for place in range(20)]
        await ours.put(docs)
        changes += len(docs)
        length += sum(len(msgspec.json.encode(doc)) for doc in docs)
        new = _snapshots(folder) - snapshots
        if new and not snapshots:
            before = _written()
            length = 0
        snapshots |= new
    return (_written() - before) / length


def _snapshots(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("snapshot-*.jsonl")}


def _written() -> int:
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("wchar")).split()[1])


async def one_size(size: int, folder: Path) -> dict[str, float]:
    """Every figure at one number of documents."""
    print(f"  {size} documents", file=sys.stderr, flush=True)
    ours = Ours(await History.open(folder / "ours", clock=SystemClock()))
    stores: dict[str, Any] = {
        "ours": ours,
        "sqlite": Sqlite(folder / "s.db"),
        "stock": Stock(folder / "t.json"),
    }
    for it in stores.values():
        await it.fill(size)
    found = await beside(size, stores)
    ours_bytes = await bytes_a_change(ours, size, folder / "ours") if size <= 100_000 else None
    held = await loop_pauses.figures(ours.history, size, document) if size >= 100_000 else {}
    await ours.history.close()
    stores["sqlite"].base.close()
    stores["stock"].base.close()
    opened = {
        kind: opening(kind, folder / name, 1 if kind == "stock" else 3)
        for kind, name in (("ours", "ours"), ("sqlite", "s.db"), ("stock", "t.json"))
    }
    figures: dict[str, float] = {}
    for name, seconds in found.items():
        figures[f"{name}_to_sqlite"] = round(seconds["ours"] / seconds["sqlite"], 2)
        figures[f"stock_to_ours_{name}"] = round(seconds["stock"] / seconds["ours"], 1)
    figures["open_seconds"] = round(opened["ours"][0], 2)
    figures["open_mb"] = round(opened["ours"][1], 1)
    figures["stock_to_ours_open"] = round(opened["stock"][0] / opened["ours"][0], 1)
    if ours_bytes is not None:
        figures["bytes_to_document"] = round(ours_bytes, 2)
    return {f"store_{name}_{size}": figure for name, figure in (figures | held).items()}


def run(sizes: Iterable[int] = SIZES) -> dict[str, float]:
    """All figures of all sizes."""
    figures: dict[str, float] = {}
    for size in sizes:
        with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as name:
            figures |= asyncio.run(one_size(size, Path(name)))
    return figures
