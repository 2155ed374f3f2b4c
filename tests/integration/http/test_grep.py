"""Search in kept logs over the socket and on the command line."""

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from tests.command_line import run_kronkeep
from tests.daemon_process import Daemon
from tests.filled_daemon import start_on_filled_history
from tests.records import make_run

from kronkeep_common.clock import SystemClock
from kronkeep_common.models.log_search import LogHit, SearchEnd
from kronkeep_daemon.history import History
from kronkeep_daemon.history.kept_logs import CappedLog

RUNS = 30


async def fill(folder: Path) -> None:
    history = await History.open(folder, clock=SystemClock())
    for number in range(RUNS):
        run_id = f"run-{number:02}"
        capped = CappedLog()
        word = "disk quota exceeded" if number % 10 == 3 else "all is well"
        capped.add(f"begin {number}\nerror: {word}\nend\n".encode())
        namespace = "shop" if number % 2 else "web"
        run = make_run(id=run_id, namespace=namespace)
        kept = await history.logs.save(run, "pod-x.main", "pod-x", capped)
        log = type(kept)(container="main", pod="pod-x", bytes=kept.bytes, kept=kept.kept)
        history.executions.put(
            make_run(
                id=run_id,
                namespace=namespace,
                created_at=datetime.now(UTC) - timedelta(days=RUNS - number),
                logs=(log,),
            )
        )
    (folder / "logs" / "c_shop" / "run-07" / "pod-x.main.log.gz").write_bytes(b"no gzip")
    await history.close()


@pytest.fixture(scope="module")
def daemon(open_folder: Path) -> Iterator[Daemon]:
    with start_on_filled_history(open_folder, fill) as process:
        yield process


async def search(daemon: Daemon, text: str, *options: object) -> tuple[list[LogHit], SearchEnd]:
    async with daemon.client() as client:
        lines = [line async for line in client.runs.grep(text, *options)]  # type: ignore[arg-type]
    assert lines[-1].end is not None
    return [line.hit for line in lines[:-1] if line.hit is not None], lines[-1].end


async def test_hits_come_newest_first_and_the_end_says_what_was_read(daemon: Daemon) -> None:
    hits, end = await search(daemon, "disk quota", None, 1)
    assert [hit.execution_id for hit in hits] == ["run-23", "run-13", "run-03"]
    assert (hits[0].line, hits[0].before, hits[0].after) == (2, ("begin 23",), ("end",))
    assert (end.hits, end.limited) == (3, False), "a damaged log is passed over"
    assert end.logs + end.skipped in (RUNS, RUNS - 1)
    assert (await search(daemon, "el"))[1].logs == RUNS - 1, "no sieve tells of two letters"
    assert (await search(daemon, "no such words"))[0] == []


async def test_a_filter_bounds_what_is_read(daemon: Daemon) -> None:
    hits, end = await search(daemon, "disk quota", "ns:shop age:<9d")
    assert [hit.execution_id for hit in hits] == ["run-23"]
    assert end.logs + end.skipped == 4
    whole = await search(daemon, "disk quota", "ns:shop")
    assert await search(daemon, "disk quota", "ns:shop age:<999999999d") == whole
    hits, end = await search(daemon, "end", None, 0, False, 5)
    assert (len(hits), end.limited) == (5, True)


@pytest.mark.parametrize(
    "query", ["", "text=", "text=a%0Ab", "text=x&context=21", "text=x&limit=-1", "text=x&filter=age:old"]
)
async def test_bad_questions_are_refused(daemon: Daemon, query: str) -> None:
    transport = httpx.AsyncHTTPTransport(uds=daemon.announcement["socket"])
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        assert (await http.get(f"/v1/grep?{query}")).status_code in (400, 422)


def test_the_command_line_prints_hits_with_context_and_ends_as_grep_does(daemon: Daemon) -> None:
    def grep(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return run_kronkeep(daemon, "grep", *arguments)

    done = grep("disk quota", "--filter", "ns:shop age:<9d", "-C2")
    assert done.stdout.splitlines() == [
        "shop/j run-23 main-1-begin 23",
        "shop/j run-23 main:2:error: disk quota exceeded",
        "shop/j run-23 main-3-end",
        "shop/j run-23 main-4-",
        "--",
    ]
    assert done.returncode == 0
    assert grep("nothing like this").returncode == 1
    (hit,) = json.loads(grep("disk quota", "--filter", "ns:shop age:<9d", "-o", "json").stdout)
    assert (hit["line"], hit["container"]) == (2, "main")
    none = grep("nothing like this", "-o", "json")
    assert (none.returncode, json.loads(none.stdout)) == (1, [])
    assert grep("DISK QUOTA", "-i", "--limit", "1").stderr == "kronkeep: ended after 1 hit.\n"
