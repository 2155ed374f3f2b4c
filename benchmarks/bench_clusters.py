"""One daemon on a hundred clusters of which five flap: nothing of the others is lost or late.

CLUSTERS (100), CLUSTERS_JOBS (30 of each cluster), CLUSTERS_SECONDS (60) and CLUSTERS_GROUPS (20; 1: all Jobs
start at one moment) choose other numbers. Two of the five are away when the daemon starts, so it has never
been connected with them.
"""

import asyncio
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import httpx

from benchmarks.bench_fleet import (
    LISTS,
    Reader,
    open_socket,
    wait_until,
    write_kubeconfig,
)
from benchmarks.measured_process import MeasuredProcess, cpu_seconds, memory_mb

CLUSTERS = int(os.environ.get("CLUSTERS", "100"))
JOBS = int(os.environ.get("CLUSTERS_JOBS", "30"))
SECONDS = float(os.environ.get("CLUSTERS_SECONDS", "60"))
LOOK_SECONDS = 0.2
# Cluster -> its fault, and how long it is away and back again in turn; 0: away all the time.
FLAPPING = {0: ("leave", 10.0), 1: ("refuse", 10.0), 2: ("hang", 0.0), 3: ("page", 15.0), 4: ("leave", 2.0)}
AWAY_AT_START = (3, 4)


class Server:
    """The process that plays the clusters."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.clusters_server", str(CLUSTERS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.port = self.read_line()

    def read_line(self) -> str:
        """Return the next line that the process writes."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().decode().strip()

    def tell(self, line: str) -> None:
        """Send a line to the process."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


def count_by_cluster(state: Path) -> dict[str, int]:
    """Return how many runs of each cluster have succeeded."""
    sql = "SELECT cluster, count(*) FROM executions WHERE status = 'succeeded' GROUP BY cluster"
    file = state / "history" / "history.db"
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        return dict(connection.execute(sql))


def count_missing(state: Path, numbers: Iterable[int]) -> int:
    """Return how many runs of these clusters have not been recorded as succeeded."""
    counts = count_by_cluster(state)
    return sum(JOBS - counts.get(f"cluster-{number}", 0) for number in numbers)


async def flap(server: Server, number: int) -> None:
    """Let a cluster be away and back in turn, until cancelled."""
    kind, seconds = FLAPPING[number]
    while True:
        server.tell(f"fault {number} {kind}")
        if not seconds:
            return
        await asyncio.sleep(seconds)
        server.tell(f"fault {number} none")
        await asyncio.sleep(seconds)


async def measure_notice(http: httpx.AsyncClient, began: float) -> dict[int, float]:
    """Return after how many seconds each cluster that was connected was seen to be away."""
    noticed: dict[int, float] = {}
    waited = [number for number in FLAPPING if number not in AWAY_AT_START]
    while len(noticed) < len(waited):
        watches = (await http.get("/readyz")).json()["watches"]
        stale = {
            watch["cluster"] for watch in watches if watch["status"] != "live" and watch.get("needed", True)
        }
        for number in waited:
            if f"cluster-{number}" in stale:
                noticed.setdefault(number, time.monotonic() - began)
        await asyncio.sleep(LOOK_SECONDS)
    return noticed


def write_settings(folder: Path, port: str) -> Path:
    """Write a kubeconfig for each cluster and the settings that name them."""
    lines = ["[limits]", "requests_per_second = 1000000"]
    for number in range(CLUSTERS):
        file = folder / f"kubeconfig-{number}"
        write_kubeconfig(file, f"{port}/{number}")
        lines += [f"[clusters.c{number}]", f'kubeconfig = "{file}"']
    settings = folder / "kronkeepd.toml"
    settings.write_text("\n".join(lines))
    return settings


async def measure_flapping(
    http: httpx.AsyncClient, server: Server, state: Path, pid: int
) -> dict[str, float]:
    """Run the Jobs while five clusters flap, then let them come back."""
    steady = [number for number in range(CLUSTERS) if number not in FLAPPING]
    reader = Reader(http, LISTS, pid)
    reading = asyncio.create_task(reader.read(), name="reader")
    cpu = cpu_seconds(pid)
    began = time.monotonic()
    server.tell(f"run {JOBS} {SECONDS}")
    flaps = [asyncio.create_task(flap(server, number), name=f"flap {number}") for number in FLAPPING]
    notice = asyncio.create_task(measure_notice(http, began), name="notice")
    await asyncio.to_thread(server.read_line)

    async def has_all_of_the_steady() -> bool:
        return await asyncio.to_thread(count_missing, state, steady) == 0

    lag = await wait_until(has_all_of_the_steady)
    noticed = await notice
    figures = {
        "clusters.steady_lag_s": round(lag, 1),
        "clusters.steady_lost": float(await asyncio.to_thread(count_missing, state, steady)),
        "clusters.noticed_closed_s": round(max(noticed[0], noticed[1]), 1),
        "clusters.noticed_hanging_s": round(noticed[2], 1),
        "clusters.cpu_s": round(cpu_seconds(pid) - cpu, 1),
    }
    reading.cancel()
    for task in flaps:
        task.cancel()
    for number in FLAPPING:
        server.tell(f"fault {number} none")

    async def has_all() -> bool:
        return await asyncio.to_thread(count_missing, state, range(CLUSTERS)) == 0

    back = await wait_until(has_all)
    return figures | {
        "clusters.back_s": round(back, 1),
        "clusters.lost": float(await asyncio.to_thread(count_missing, state, range(CLUSTERS))),
        **reader.figures("clusters.api"),
        "clusters.rss_mb": round(memory_mb(pid), 1),
    }


async def measure(folder: Path, server: Server) -> dict[str, float]:
    """Start the daemon, let the clusters flap, and return all figures."""
    settings = await asyncio.to_thread(write_settings, folder, server.port)
    for number in AWAY_AT_START:
        server.tell(f"fault {number} {FLAPPING[number][0]}")
    began = time.monotonic()
    daemon = MeasuredProcess(settings, folder)
    try:
        await daemon.start()
        figures = {"clusters.serves_after_s": round(time.monotonic() - began, 1)}
        async with open_socket(daemon.announcement["socket"]) as http:

            async def is_live() -> bool:
                watches = (await http.get("/readyz")).json()["watches"]
                stale = [watch for watch in watches if watch["status"] != "live"]
                return len(stale) <= len(AWAY_AT_START)

            await wait_until(is_live)
            figures["clusters.live_after_s"] = round(time.monotonic() - began, 1)
            figures["clusters.start_cpu_s"] = round(cpu_seconds(daemon.pid), 1)
            print(figures, file=sys.stderr, flush=True)
            figures |= await measure_flapping(http, server, daemon.state, daemon.pid)
        return figures | await daemon.stop("clusters")
    finally:
        daemon.kill()


def run() -> dict[str, float]:
    """Return seconds, megabytes, milliseconds and what was lost."""
    server = Server()
    try:
        with tempfile.TemporaryDirectory() as folder:
            return asyncio.run(measure(Path(folder), server))
    finally:
        server.close()
