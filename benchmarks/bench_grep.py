"""Search of a rare word in kept logs: GREP_MB of text (else 400) in logs of 200 KB, the newest run first.

`seconds_10_gb` is what 10 GB take at the measured speed, in wall time and in CPU time; nothing is left out by
a sieve, so the first hit of a word that only the oldest log has comes last.
"""

import asyncio
import os
import random
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from kronkeep_common.clock import SystemClock
from kronkeep_common.models import CronJobExecution
from kronkeep_common.states import ExecutionStatus, Trigger
from kronkeep_daemon.cronjobs.log_search_service import LogSearch
from kronkeep_daemon.history import History
from kronkeep_daemon.history.kept_logs import CappedLog
from kronkeep_daemon.history.log_search import LogQuestion

MEGABYTES = int(os.environ.get("GREP_MB", "400"))
LOG_BYTES = 200_000
TARGET = 10e9
WORDS = [
    f"{word}-{number}"
    for word in ("copied", "table", "shard", "in", "ms", "ok", "row")
    for number in range(300)
]


def build_log(number: int) -> bytes:
    """Return the text of one log, with times and words as a program writes them."""
    chance = random.Random(number)
    lines: list[str] = []
    size = 0
    while size < LOG_BYTES:
        line = (
            f"2026-01-15T10:{number % 60:02}:00.{len(lines):06}Z "
            + " ".join(chance.choices(WORDS, k=9))
            + "\n"
        )
        lines.append(line)
        size += len(line)
    return "".join(lines).encode()


async def fill(history: History, count: int) -> None:
    """Keep so many logs; the middle one alone has the word."""
    for number in range(count):
        capped = CappedLog()
        capped.add(build_log(number) + (b"disk quota exceeded\n" if number == count // 2 else b""))
        run = CronJobExecution(
            id=f"r{number}",
            cluster="c",
            namespace="n",
            cronjob="j",
            cronjob_id="u",
            status=ExecutionStatus.SUCCEEDED,
            trigger=Trigger.SCHEDULED,
            created_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number),
        )
        kept = await history.logs.save(run, "p.main", "p", capped)
        log = msgspec.structs.replace(kept, container="main")
        history.executions.put(msgspec.structs.replace(run, logs=(log,)))
    await history.commit()


async def measure(folder: Path) -> dict[str, float]:
    """Return the figures of one search."""
    history = await History.open(folder, clock=SystemClock())
    await fill(history, MEGABYTES * 1_000_000 // LOG_BYTES)
    began, cpu = time.perf_counter(), time.process_time()
    hits = read = 0
    first = 0.0
    async for line in LogSearch(history, LogQuestion("disk quota")).run(bool, {}):
        if line.hit is not None:
            hits += 1
            first = time.perf_counter() - began
        elif line.end is not None:
            read = line.end.bytes
    assert hits == 1
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
    await history.close()
    return {
        "grep_mb_a_second": round(read / seconds / 1e6),
        "grep_seconds_10_gb": round(TARGET * seconds / read, 1),
        "grep_cpu_seconds_10_gb": round(TARGET * cpu_seconds / read, 1),
        "grep_first_hit_in_the_middle_seconds_10_gb": round(TARGET * first / read, 1),
    }


def run() -> dict[str, float]:
    """Return the figures."""
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as name:
        return asyncio.run(measure(Path(name)))
