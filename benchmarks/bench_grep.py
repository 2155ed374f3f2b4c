"""Search of a rare word in GREP_LOGS kept logs (else 50,000) of 200 KB, 10 GB of text, the newest run first.

There are a hundred different texts; the logs are links to their files, so that the disk is small, but each
has its run and its row of the sieve, as a daemon makes them. The log in the middle alone has the word. A
search without a sieve is measured on the newest PLAIN logs, and its time for all is a product.
"""

import asyncio
import os
import random
import tempfile
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kronkeep_common.clock import SystemClock
from kronkeep_common.models import CronJobExecution, KeptLog
from kronkeep_common.models.log_search import SearchEnd
from kronkeep_common.states import ExecutionStatus, Trigger
from kronkeep_daemon.cronjobs.log_search_service import LogSearch
from kronkeep_daemon.history import History
from kronkeep_daemon.history.kept_logs import CappedLog
from kronkeep_daemon.history.log_search import LogQuestion
from kronkeep_daemon.history.log_sieve import stamp_of
from kronkeep_daemon.history.trigram_bits import build_bits

LOGS = int(os.environ.get("GREP_LOGS", "50000"))
PLAIN = 2000
TEXTS = 100
LOG_BYTES = 200_000
BATCH = 500  # runs in one commit
QUESTION = LogQuestion("disk quota")
START = datetime(2026, 1, 1, tzinfo=UTC)
VERBS = (
    "copied",
    "connecting to",
    "retry of",
    "flushed",
    "uploaded",
    "checksum of",
    "scanned",
    "GET",
    "POST",
)
OBJECTS = (
    "table orders",
    "shard",
    "customers",
    "invoice",
    "bucket",
    "/var/lib/app/data",
    "s3://backup/daily",
)


def build_log(number: int) -> bytes:
    """Return the text of one log, with times, ids, counts and words as a program writes them."""
    chance = random.Random(number)
    lines: list[str] = []
    size = 0
    while size < LOG_BYTES:
        line = (
            f"2026-01-15T10:{len(lines) // 60 % 60:02}:{len(lines) % 60:02}."
            f"{chance.randrange(10**6):06}Z INFO "
            f"worker-{chance.randrange(16)} {chance.choice(VERBS)} {chance.choice(OBJECTS)} "
            f"id={uuid.UUID(int=chance.getrandbits(128))} rows={chance.randrange(10**5)} "
            f"took={100 * chance.random():.2f}ms from 10.{chance.randrange(256)}.{chance.randrange(256)}.7\n"
        )
        lines.append(line)
        size += len(line)
    return "".join(lines).encode()


def run_of(number: int) -> CronJobExecution:
    """Return a run with one kept log."""
    return CronJobExecution(
        id=f"r{number}",
        cluster="c",
        namespace="n",
        cronjob="j",
        cronjob_id="u",
        status=ExecutionStatus.SUCCEEDED,
        trigger=Trigger.SCHEDULED,
        created_at=START + timedelta(minutes=number),
        logs=(KeptLog(container="main", pod="p", bytes=LOG_BYTES, kept=LOG_BYTES),),
    )


async def fill(history: History) -> dict[str, float]:
    """Keep the first texts as a daemon does, and link the other logs to them; return the cost of one log."""
    texts = [build_log(number) for number in range(TEXTS)]
    began = time.process_time()
    for number, text in enumerate(texts):
        await save(history, number, text)
    cost = 1000 * (time.process_time() - began) / TEXTS
    filters = [build_bits(text, LOG_BYTES) for text in texts]
    for number in range(TEXTS, LOGS):
        if number == LOGS // 2:
            await save(history, number, texts[0] + b"disk quota exceeded\n")
            continue
        source = history.logs.folder / "c_n" / f"r{number % TEXTS}" / "p.main.log.gz"
        folder = history.logs.folder / "c_n" / f"r{number}"
        folder.mkdir()
        (folder / source.name).hardlink_to(source)
        history.logs.sieve.put(f"c_n/r{number}", filters[number % TEXTS], stamp_of(folder))
        history.executions.put(run_of(number))
        if number % BATCH == 0:
            await history.commit()
    await history.commit()
    return {"grep_save_cpu_ms": cost}


async def save(history: History, number: int, text: bytes) -> None:
    """Keep a log and its run."""
    capped = CappedLog()
    capped.add(text)
    await history.logs.save(run_of(number), "p.main", "p", capped)
    history.executions.put(run_of(number))


async def search(history: History, since: datetime | None = None) -> tuple[float, SearchEnd]:
    """Return the seconds until the first hit, and the end."""
    began = time.perf_counter()
    first = 0.0
    async for line in LogSearch(history, QUESTION).run(bool, {}, since):
        if line.hit is not None:
            first = time.perf_counter() - began
        elif line.end is not None:
            return first, line.end
    raise AssertionError("the search has no end")


async def measure(folder: Path) -> dict[str, float]:
    """Return the figures of searches with the sieve and without."""
    history = await History.open(folder, clock=SystemClock())
    figures = await fill(history)
    began = time.perf_counter()
    first, end = await search(history)
    figures["grep_first_hit_in_the_middle_seconds"] = first
    figures["grep_all_seconds"] = time.perf_counter() - began
    figures["grep_logs_read"] = end.logs
    assert end.hits == 1, end
    figures["grep_sieve_bytes_a_log"] = history.logs.sieve.size_bytes() / LOGS
    history.logs.sieve.forget()
    began, cpu = time.perf_counter(), time.process_time()
    _, end = await search(history, START + timedelta(minutes=LOGS - PLAIN))
    share = LOGS / end.logs
    figures["grep_all_without_sieve_seconds"] = share * (time.perf_counter() - began)
    figures["grep_all_without_sieve_cpu_seconds"] = share * (time.process_time() - cpu)
    await history.close()
    return {name: round(value, 2) for name, value in figures.items()}


def run() -> dict[str, float]:
    """Return the figures."""
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as name:
        return asyncio.run(measure(Path(name)))
