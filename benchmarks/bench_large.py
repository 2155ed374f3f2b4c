"""The history with very many runs (LARGE_RUNS, else 10,000,000): opening, memory, figures, pauses.

The rows are made and written by SQL as the history would have written them, which takes some minutes and
12 GB, and a thousand of them are compared with the documents that they stand for. Then a new process opens
the folder and lives with it for LARGE_SECONDS: pages, writes, counts, figures. LARGE_FOLDER keeps the rows.
"""

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec

from benchmarks.bench_store import CRONJOBS, build_document
from kronkeep_daemon.history import history_folder, schema
from kronkeep_daemon.history.database import Database
from kronkeep_daemon.history.figures import (
    TABLE,
    DayFigures,
    FigureChanges,
    FigureOwner,
    add_days,
    new_week,
)
from kronkeep_daemon.history.rows import Row, checksum, row_of

RUNS = int(os.environ.get("LARGE_RUNS", "10000000"))
SECONDS = float(os.environ.get("LARGE_SECONDS", "60"))
DAYS = 120
BATCH = 500_000

LIVE = """
import asyncio, json, sys, time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from kronkeep_common.clock import SystemClock
from kronkeep_daemon.history import History
from kronkeep_daemon.history.figure_reader import FigureQuestion, read_figures
from kronkeep_daemon.history.writer import SWITCH_SECONDS
from benchmarks.bench_large import build_run
from benchmarks.loop_pauses import PauseCounts, count_pauses
def memory(): return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6
async def live(folder, runs, seconds):
    began = time.perf_counter()
    history = await History.open(folder, clock=SystemClock())
    opened = time.perf_counter() - began
    pauses, pages = PauseCounts(), PauseCounts()
    ticker = asyncio.create_task(count_pauses(pauses))
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
    rows, number, largest = history.table("executions").rows, runs, 0.0
    while time.monotonic() < end:
        for equal in ({"status": "failed"}, {"cronjob_id": build_run(number * 7, runs)["cronjob_id"]}, {}):
            start = time.perf_counter()
            page = rows.newest(equal, limit=50)
            pages.add(time.perf_counter() - start)
            await asyncio.sleep(0)
        history.executions.count()
        for _ in range(5):
            document = build_run(number, runs) | {"id": f"new-{time.time_ns()}"}
            history.table("executions").put_document(None, document)
            number += 1
        await history.commit()
        largest = max(largest, memory())
    ticker.cancel()
    print(json.dumps({
        "open_seconds": opened, "rss_mb": memory(), "figures_ms": 1000 * sorted(times)[2],
        "figures_cpu_ms": 1000 * sorted(cpu_times)[2],
        "largest_rss_mb": largest, "writes": number - runs, "seconds": seconds,
        "page_ms": pages.quantile(0.5), "page_p99_ms": pages.quantile(0.99),
        "held_p99_ms": pauses.quantile(0.99), "held_longest_ms": pauses.quantile(1),
    }))
    await history.close()
sys.setswitchinterval(SWITCH_SECONDS)
asyncio.run(live(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
"""


def build_run(number: int, runs: int) -> dict[str, object]:
    """Return a run of the last DAYS days as it is stored."""
    age = timedelta(days=DAYS) * (1 - number / runs)
    created_at = datetime.now(UTC).replace(microsecond=number % 1_000_000) - age
    times = {"created_at": created_at.isoformat().replace("+00:00", "Z"), "duration_seconds": 12.5}
    return build_document(number) | times


# What build_document says, in SQL; a row is written with its indexes' columns, its checksum and its JSON.
GENERATED = """
WITH RECURSIVE numbers(number) AS (
  SELECT :first UNION ALL SELECT number + 1 FROM numbers WHERE number < :last
), places AS (
  SELECT number, number % :cronjobs AS place,
    printf('%08x-1f2e-4d3c-9a8b-%012x', number * 2654435761 % 4294967296, number) AS id,
    iif(number % 17 = 0, 'failed', 'succeeded') AS status,
    strftime('%Y-%m-%dT%H:%M:%S', :start + :seconds * number / :runs, 'unixepoch')
      || printf('.%06d', number % 1000000) AS created_at
  FROM numbers
), texts AS (
  SELECT *, printf('nightly-%d', place) AS cronjob, printf('team-%d', place % 10) AS namespace,
    printf('%08x-1f2e-4d3c-9a8b-0123456789ab', place) AS cronjob_id
  FROM places
), bodies AS (
  SELECT *, printf('{"id":"%s","cluster":"prod","namespace":"%s","cronjob":"%s","cronjob_id":"%s",'
    || '"status":"%s","trigger":"scheduled","created_at":"%sZ","backup_id":"%08x-aaaa-4d3c-9a8b-%012x",'
    || '"message":"%s","duration_seconds":12.5}',
    id, namespace, cronjob, cronjob_id, status, created_at, number, number, :message) AS body
  FROM texts
)
INSERT INTO executions
  (number, id, created_at, cronjob_id, cronjob, namespace, status, cluster, checksum, body)
SELECT number, id, created_at, cronjob_id, cronjob, namespace, status, 'prod',
  row_checksum(number, body), body
FROM bodies
"""
COUNTED = """
SELECT namespace, cronjob, cronjob_id, substr(created_at, 1, 10), status, count(*)
FROM executions GROUP BY 1, 2, 3, 4, 5
"""


def _row_checksum(number: int, body: str) -> int:
    return checksum("executions", number, body.encode())


def _value_of(table: str, row: Row) -> tuple[object, ...]:
    return (*row[:-1], checksum(table, row.number, row.body), row.body.decode())


def _insert_runs(connection: sqlite3.Connection, runs: int) -> None:
    connection.create_function("row_checksum", 2, _row_checksum, deterministic=True)
    start = datetime.now(UTC) - timedelta(days=DAYS)
    for first in range(1, runs + 1, BATCH):
        values = {
            "first": first,
            "last": min(first + BATCH - 1, runs),
            "cronjobs": CRONJOBS,
            "start": int(start.timestamp()),
            "seconds": DAYS * 86400,
            "runs": runs,
            "message": build_document(0)["message"],
        }
        connection.execute("BEGIN")
        connection.execute(GENERATED, values)
        connection.execute("COMMIT")
        print(f"  {values['last']} runs", file=sys.stderr, flush=True)


def _check_runs(connection: sqlite3.Connection, runs: int) -> None:
    """Compare some rows with the documents that they stand for."""
    for number in range(1, runs + 1, max(1, runs // 1000)):
        values = connection.execute("SELECT * FROM executions WHERE number = ?", (number,)).fetchone()
        row = row_of(number, values[-1].encode())
        assert values == _value_of("executions", row), number
        document = msgspec.json.decode(row.body)
        assert build_document(number) | {"created_at": "", "duration_seconds": 12.5} == document | {
            "created_at": ""
        }


def _insert_figures(connection: sqlite3.Connection) -> None:
    changes = FigureChanges()
    for namespace, cronjob, cronjob_id, day, status, count in connection.execute(COUNTED):
        figures = DayFigures(runs=count, failed=count * (status == "failed"), milliseconds=12_500 * count)
        changes.add(
            FigureOwner(
                cluster="prod",
                namespace=namespace,
                cronjob=cronjob,
                cronjob_id=cronjob_id,
                storage_id="",
                day=date.fromisoformat(day),
            ),
            figures,
        )
    for number, (share, days) in enumerate(changes.rows().values(), 1):
        week = new_week(share)
        add_days(week, days)
        row = row_of(number, msgspec.json.encode(week))
        connection.execute(schema.put_row(TABLE), _value_of(TABLE, row))


def fill(folder: Path, runs: int = RUNS) -> None:
    """Create the history of a folder with so many runs and their figures, without its own speed limits."""
    Database(folder).close()
    connection = sqlite3.connect(folder / history_folder.DATABASE, isolation_level=None)
    connection.execute("PRAGMA journal_mode=OFF").fetchall()
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("PRAGMA cache_size=-1000000")
    statements = schema.create_table("executions")
    connection.execute(statements[0])
    _insert_runs(connection, runs)
    _check_runs(connection, runs)
    for statement in statements[1:]:
        connection.execute(statement)
        print(f"  {statement[:70]}", file=sys.stderr, flush=True)
    connection.execute(
        "INSERT INTO counts SELECT 'executions', coalesce(status, ''), count(*) FROM executions GROUP BY 2"
    )
    for statement in schema.create_table(TABLE):
        connection.execute(statement)
    connection.execute("BEGIN")
    _insert_figures(connection)
    connection.execute("COMMIT")
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
