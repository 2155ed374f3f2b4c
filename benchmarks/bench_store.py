"""One durable insert, a commit of 200, and the newest 50 of a CronJob, against SQLite and stock TinyDB."""

import asyncio
import sqlite3
import tempfile
import time
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import msgspec
from tinydb import TinyDB

from kronkeep_common.clock import SystemClock
from kronkeep_daemon.history import History

COUNT, STOCK_COUNT, ROUNDS = 100_000, 10_000, 50
START = datetime(2026, 1, 1, tzinfo=UTC)


def document(number: int) -> dict[str, object]:
    """About 700 bytes."""
    at = (START + timedelta(seconds=number)).isoformat()
    return {"id": f"u{number}", "cronjob_id": f"c{number % 100}", "created_at": at, "text": "x" * 600}


async def _ours(folder: Path) -> dict[str, float]:
    history = await History.open(folder, clock=SystemClock())
    table = history.table("executions")
    for number in range(COUNT):
        table.put_document(None, document(number))
    await history.commit()
    began = time.perf_counter()
    for number in range(ROUNDS):
        table.put_document(None, document(COUNT + number))
        await history.commit()
    insert = (time.perf_counter() - began) / ROUNDS
    began = time.perf_counter()
    for number in range(200):
        table.put_document(None, document(2 * COUNT + number))
    await history.commit()
    many = time.perf_counter() - began
    began = time.perf_counter()
    for _ in range(ROUNDS):
        for row in islice(table.documents.newest({"cronjob_id": "c7"}), 50):
            msgspec.json.decode(row[2])
    newest = (time.perf_counter() - began) / ROUNDS
    await history.close()
    began = time.perf_counter()
    again = await History.open(folder, clock=SystemClock())
    opened = time.perf_counter() - began
    await again.close()
    return {"insert": insert, "many": many, "newest": newest, "open": opened}


def _sqlite(folder: Path) -> dict[str, float]:
    import json

    base = sqlite3.connect(folder / "s.db", isolation_level=None)
    base.execute("pragma journal_mode=wal")
    base.execute("pragma synchronous=full")
    base.execute("create table e(id text primary key, c text, at text, body text)")
    base.execute("create index i on e(c, at)")

    def put(number: int) -> None:
        doc = document(number)
        values = (doc["id"], doc["cronjob_id"], doc["created_at"], json.dumps(doc))
        base.execute("insert into e values(?,?,?,?)", values)

    base.execute("begin")
    for number in range(COUNT):
        put(number)
    base.execute("commit")
    began = time.perf_counter()
    for number in range(ROUNDS):
        put(COUNT + number)
    insert = (time.perf_counter() - began) / ROUNDS
    began = time.perf_counter()
    base.execute("begin")
    for number in range(200):
        put(2 * COUNT + number)
    base.execute("commit")
    many = time.perf_counter() - began
    began = time.perf_counter()
    for _ in range(ROUNDS):
        for (body,) in base.execute("select body from e where c='c7' order by at desc limit 50").fetchall():
            json.loads(body)
    newest = (time.perf_counter() - began) / ROUNDS
    base.close()
    return {"insert": insert, "many": many, "newest": newest}


def _stock(folder: Path) -> float:
    base = TinyDB(folder / "t.json")
    base.insert_multiple(document(number) for number in range(STOCK_COUNT))
    began = time.perf_counter()
    for number in range(3):
        base.insert(document(STOCK_COUNT + number))
    cost = (time.perf_counter() - began) / 3
    base.close()
    return cost


def run() -> dict[str, float]:
    """Ratios to SQLite (below 1: we are faster) and to stock TinyDB at a tenth of the documents."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        ours, theirs, stock = asyncio.run(_ours(folder / "h")), _sqlite(folder), _stock(folder)
    return {
        "store_insert_to_sqlite_100k": round(ours["insert"] / theirs["insert"], 2),
        "store_commit_of_200_to_sqlite_100k": round(ours["many"] / theirs["many"], 2),
        "store_newest_50_to_sqlite_100k": round(ours["newest"] / theirs["newest"], 2),
        "store_stock_10k_insert_to_ours_100k": round(stock / ours["insert"], 0),
        "store_open_100k_seconds": round(ours["open"], 2),
    }
