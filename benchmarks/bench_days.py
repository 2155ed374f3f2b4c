"""Months of a large cluster through the history: each run is put, changed when it ends, counted and expired.

DAYS_DAYS (90), DAYS_CRONJOBS (5,000), DAYS_RUNS (194,500 a day) and DAYS_KEEP (10 days that runs are kept)
choose other numbers. Each day is written at full speed with its own time, then expiry removes what is too
old.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import msgspec

from benchmarks.measured_process import memory_mb
from kronkeep_common.clock import SystemClock
from kronkeep_common.models import CronJobExecution
from kronkeep_common.states import ExecutionStatus, Trigger
from kronkeep_daemon.garbage import set_modules_aside
from kronkeep_daemon.history import History, expiry
from kronkeep_daemon.history.expiry import ExpiryRules
from kronkeep_daemon.history.figure_reader import FigureQuestion, read_figures
from kronkeep_daemon.history.writer import SWITCH_SECONDS

DAYS = int(os.environ.get("DAYS_DAYS", "90"))
CRONJOBS = int(os.environ.get("DAYS_CRONJOBS", "5000"))
RUNS = int(os.environ.get("DAYS_RUNS", "194500"))
KEPT = int(os.environ.get("DAYS_KEEP", "10"))
NAMESPACES = 200
BATCH = 200  # runs in one commit
START = datetime(2026, 1, 1, tzinfo=UTC)


def list_runs(day: int) -> Iterator[CronJobExecution]:
    """Yield the runs of a day as they begin."""
    for number in range(day * RUNS, (day + 1) * RUNS):
        cronjob = number % CRONJOBS
        created_at = START + timedelta(days=day, seconds=86400 * (number - day * RUNS) / RUNS)
        yield CronJobExecution(
            id=f"{number * 2654435761 % 2**32:08x}-1f2e-4d3c-9a8b-{number:012x}",
            cluster="prod",
            namespace=f"team-{cronjob % NAMESPACES}",
            cronjob=f"dump-{cronjob}",
            cronjob_id=f"{cronjob:08x}-1f2e-4d3c-9a8b-0123456789ab",
            status=ExecutionStatus.RUNNING,
            trigger=Trigger.SCHEDULED,
            created_at=created_at,
            scheduled_at=created_at,
        )


def end_of(number: int, run: CronJobExecution) -> CronJobExecution:
    """Return a run as it ended; each 17th has failed."""
    status = ExecutionStatus.FAILED if number % 17 == 0 else ExecutionStatus.SUCCEEDED
    ended_at = run.created_at + timedelta(seconds=12)
    return msgspec.structs.replace(run, status=status, ended_at=ended_at, duration_seconds=12.0)


async def write_day(history: History, day: int) -> None:
    """Write the runs of a day, each when it begins and when it has ended, as kronkeepd records Jobs."""
    runs = list_runs(day)
    while batch := list(islice(runs, BATCH)):
        await put_all(history, batch)
        await put_all(history, [end_of(number, run) for number, run in enumerate(batch)])


async def put_all(history: History, runs: list[CronJobExecution]) -> None:
    """Put some runs and commit them."""
    history.executions.read_ahead([run.id for run in runs])
    for run in runs:
        history.executions.put(run)
    await history.commit()


async def expire(history: History, now: datetime) -> int:
    """Remove what is older than is kept; return how many runs went."""
    removed = 0
    while True:
        plan = await expiry.plan(history, ExpiryRules(days=KEPT), now)
        removed += len(plan.executions)
        await expiry.remove(history, plan)
        if plan.is_whole:
            return removed


async def measure(folder: Path) -> dict[str, float]:
    """Return the seconds of days, of expiry and of questions, and what is used at the end."""
    history = await History.open(folder, clock=SystemClock())
    writes: list[float] = []
    expiries: list[float] = []
    removed = 0
    for day in range(DAYS):
        began = time.process_time()
        await write_day(history, day)
        writes.append(time.process_time() - began)
        began = time.process_time()
        removed += await expire(history, START + timedelta(days=day + 1))
        expiries.append(time.process_time() - began)
        print(f"  day {day + 1}: {len(history.executions)} runs", file=sys.stderr, flush=True)
    began = time.process_time()
    last = (START + timedelta(days=DAYS - 1)).date()
    question = FigureQuestion("namespace", last - timedelta(days=89), last, "total")
    figures = await read_figures(history, question)
    seconds = time.process_time() - began
    counted = sum(each.runs for each in figures)
    assert counted == min(DAYS, 90) * RUNS, f"{counted} runs are counted"
    assert len(history.executions) + removed == DAYS * RUNS
    size = history.size_bytes()
    await history.close()
    return {
        "days.write_day_cpu_s": round(sorted(writes)[len(writes) // 2], 1),
        "days.write_last_to_first_day": round(writes[-1] / writes[0], 2),
        "days.expire_day_cpu_s": round(max(expiries), 1),
        "days.figures_90_days_cpu_ms": round(1000 * seconds, 1),
        "days.runs_removed": removed,
        "days.database_mb": round(size / 1e6),
        "days.rss_mb": round(memory_mb(os.getpid()), 1),
    }


def run() -> dict[str, float]:
    """Return the figures of all days."""
    sys.setswitchinterval(SWITCH_SECONDS)  # as kronkeepd does
    set_modules_aside()
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as name:
        return asyncio.run(measure(Path(name)))
