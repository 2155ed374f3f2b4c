"""The history with very many runs (LARGE_RUNS, else 10,000,000): opening, memory, figures, pauses.

The rows are written by SQL as the history writes them, which takes about ten minutes and 20 GB; then a new
process opens the folder and lives with it for LARGE_SECONDS: pages, writes, counts, figures.
"""

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from benchmarks.bench_store import build_document
from kronkeep_daemon.history import history_folder, schema
from kronkeep_daemon.history.database import Database
from kronkeep_daemon.history.figures import TABLE, FigureChanges, add_days, new_week, shares_of
from kronkeep_daemon.history.rows import Row, checksum, row_of

RUNS = int(os.environ.get("LARGE_RUNS", "10000000"))
SECONDS = float(os.environ.get("LARGE_SECONDS", "60"))
DAYS = 120
BATCH = 50_000

LIVE = """
import asyncio, json, sys, time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from kronkeep_common.clock import SystemClock
from kronkeep_daemon.history import History
from kronkeep_daemon.history.figure_reader import FigureQuestion, read_figures
from benchmarks.bench_large import build_run
def memory(): return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6
pauses = []
async def tick():
    last = time.perf_counter()
    while True:
        await asyncio.sleep(0.001)
        now = time.perf_counter()
        pauses.append(now - last - 0.001)
        last = now
async def live(folder, runs, seconds):
    began = time.perf_counter()
    history = await History.open(folder, clock=SystemClock())
    opened = time.perf_counter() - began
    ticker = asyncio.create_task(tick())
    last = datetime.now(UTC).date()
    question = FigureQuestion("namespace", last - timedelta(days=89), last, "total")
    times, cpu_times = [], []
    for _ in range(5):
        start, cpu = time.perf_counter(), time.process_time()
        figures = await read_figures(history, question)
        times.append(time.perf_counter() - start)
        cpu_times.append(time.process_time() - cpu)
    assert len(figures) == 10 and sum(each.failed for each in figures)
    end = time.monotonic() + seconds
    rows, number, pages = history.table("executions").rows, runs, []
    while time.monotonic() < end:
        for equal in ({"status": "failed"}, {"cronjob_id": build_run(number * 7, runs)["cronjob_id"]}, {}):
            start = time.perf_counter()
            page = rows.newest(equal, limit=50)
            pages.append(time.perf_counter() - start)
            await asyncio.sleep(0)
        history.executions.count()
        for _ in range(5):
            history.table("executions").put_document(None, build_run(number, runs) | {"id": f"new-{number}"})
            number += 1
        await history.commit()
    ticker.cancel()
    ordered = sorted(pauses)
    print(json.dumps({
        "open_seconds": opened, "rss_mb": memory(), "figures_ms": 1000 * sorted(times)[2],
        "figures_cpu_ms": 1000 * sorted(cpu_times)[2],
        "writes": number - runs, "page_ms": 1000 * sorted(pages)[len(pages) // 2],
        "page_p99_ms": 1000 * sorted(pages)[len(pages) * 99 // 100],
        "pause_p99_ms": 1000 * ordered[len(ordered) * 99 // 100], "pause_longest_ms": 1000 * ordered[-1],
    }))
    await history.close()
asyncio.run(live(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
"""


def build_run(number: int, runs: int) -> dict[str, object]:
    """Return a run of the last DAYS days as it is stored."""
    age = timedelta(days=DAYS) * (1 - number / runs)
    created_at = datetime.now(UTC).replace(microsecond=number % 1_000_000) - age
    times = {"created_at": created_at.isoformat().replace("+00:00", "Z"), "duration_seconds": 12.5}
    return build_document(number) | times


def _rows(runs: int) -> Iterator[Row]:
    for number in range(1, runs + 1):
        yield row_of(number, msgspec.json.encode(build_run(number, runs)))


def _value_of(table: str, row: Row) -> tuple[object, ...]:
    return (*row[:-1], checksum(table, row.number, row.body), row.body.decode())


def fill(folder: Path, runs: int = RUNS) -> None:
    """Create the history of a folder with so many runs and their figures, without its own speed limits."""
    Database(folder).close()
    connection = sqlite3.connect(folder / history_folder.DATABASE, isolation_level=None)
    connection.execute("PRAGMA journal_mode=OFF").fetchall()
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("PRAGMA cache_size=-1000000")
    statements = schema.create_table("executions")
    connection.execute(statements[0])
    figures = FigureChanges()
    batch: list[tuple[object, ...]] = []
    columns = ", ".join("?" * 12)
    for row in _rows(runs):
        figures.add(shares_of("executions", row.body))
        batch.append(_value_of("executions", row))
        if len(batch) == BATCH or row.number == runs:
            connection.execute("BEGIN")
            connection.executemany(f"INSERT INTO executions VALUES({columns})", batch)
            connection.execute("COMMIT")
            batch = []
            print(f"  {row.number} runs", file=sys.stderr, flush=True)
    for statement in statements[1:]:
        connection.execute(statement)
    connection.execute(
        "INSERT INTO counts SELECT 'executions', coalesce(status, ''), count(*) FROM executions GROUP BY 2"
    )
    for statement in schema.create_table(TABLE):
        connection.execute(statement)
    for number, (share, days) in enumerate(figures.rows(), 1):
        row = row_of(number, msgspec.json.encode(add_days(new_week(share), days)))
        connection.execute(schema.put_row(TABLE), _value_of(TABLE, row))
    connection.close()


def run() -> dict[str, float]:
    """Return the figures of one large history."""
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as name:
        folder = Path(os.environ.get("LARGE_FOLDER", name))
        began = time.monotonic()
        if not (folder / history_folder.DATABASE).exists():
            fill(folder)
        filled = time.monotonic() - began
        command = [sys.executable, "-c", LIVE, str(folder), str(RUNS), str(SECONDS)]
        out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        figures: dict[str, float] = json.loads(out)
        figures["gigabytes"] = (folder / history_folder.DATABASE).stat().st_size / 1e9
        figures["fill_seconds"] = filled
    return {f"large_{figure}_{RUNS}": round(value, 3) for figure, value in figures.items()}
