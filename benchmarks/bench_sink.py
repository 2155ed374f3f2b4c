"""A PostgreSQL sink (Debian's server on a socket of its own): SINK_CHANGES changes that waited, shipped."""

import asyncio
import os
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.integration.sinks.shipped_history import open_history, shipper_of, wait_until_live
from tests.postgres_server import PostgresServer
from tests.records import make_run

from kronkeep_common.states import ExecutionStatus
from kronkeep_daemon.history import History

CHANGES = int(os.environ.get("SINK_CHANGES", "1000000"))
BATCH = 1000
START = datetime.now(UTC) - timedelta(days=80)
MESSAGE = "The container ended with exit code 1: disk quota exceeded while writing the dump. " * 4


def _resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


async def _write_changes(history: History, first: int, count: int) -> None:
    for start in range(first, first + count, BATCH):
        for number in range(start, min(start + BATCH, first + count)):
            history.executions.put(
                make_run(
                    id=f"{number:08d}-0000-4000-8000-000000000000",
                    namespace=f"team-{number % 50}",
                    cronjob=f"dump-{number % 5000}",
                    cronjob_id=f"{number % 5000:08d}-0000-4000-8000-000000000001",
                    status=ExecutionStatus.FAILED if number % 20 == 0 else ExecutionStatus.SUCCEEDED,
                    created_at=START + timedelta(seconds=number),
                    message=MESSAGE,
                )
            )
        await history.commit()


async def _watch_memory(peak: list[float]) -> None:
    while True:
        peak.append(max(peak[-1], _resident_mb()))
        del peak[:-1]
        await asyncio.sleep(0.05)


async def _watch_blocks(longest: list[float]) -> None:
    """Note the longest CPU time of the event loop's thread between two callbacks a millisecond apart."""
    while True:
        last = time.thread_time()
        await asyncio.sleep(0.001)
        longest[0] = max(longest[0], time.thread_time() - last)


async def _measure(folder: Path, server: PostgresServer) -> dict[str, float]:
    history = await open_history(folder / "h")
    async with shipper_of(history, server.url) as shipper:
        await wait_until_live(shipper, history)
    history.hold_changes(0, 2**34)
    await _write_changes(history, 0, CHANGES)
    before = _resident_mb()
    peak = [before]
    longest = [0.0]
    watches = [asyncio.create_task(_watch_memory(peak)), asyncio.create_task(_watch_blocks(longest))]
    start = time.perf_counter()
    async with shipper_of(history, server.url) as shipper:
        while shipper.state.place != history.seq:
            assert shipper.state.fault is None, shipper.state.fault
            await asyncio.sleep(0.05)
        seconds = time.perf_counter() - start
    for watch in watches:
        watch.cancel()
    shipped = server.query("SELECT count(*), count(DISTINCT id) FROM kronkeep.runs")
    assert shipped == [(CHANGES, CHANGES)], shipped
    start = time.perf_counter()
    server.query("SELECT * FROM kronkeep.failures_of_90_days")
    await history.close()
    return {
        "sink.changes": float(CHANGES),
        "sink.changes_per_second": CHANGES / seconds,
        "sink.memory_mb": peak[0] - before,
        "sink.longest_block_ms": longest[0] * 1000,
        "sink.failures_of_90_days_ms": (time.perf_counter() - start) * 1000,
    }


def run() -> dict[str, float]:
    """Return changes a second, the memory that shipping took, and the longest block of the event loop."""
    server = PostgresServer("fsync = on")
    server.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            figures = asyncio.run(_measure(Path(folder), server))
    finally:
        server.close()
    for name, value in figures.items():
        print(f"{name}: {value:.1f}", file=sys.stderr)
    return figures
