"""One large cluster: a first start on all its Jobs, then thousands of Jobs in a minute.

FLEET_CRONJOBS (5,000), FLEET_JOBS (260,000), FLEET_BURST (5,000) and FLEET_SECONDS (60) choose other numbers.
"""

import asyncio
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path

import httpx
import yaml

from benchmarks.measured_process import MeasuredProcess, core_wait_ms, cpu_seconds, memory_mb

CRONJOBS = int(os.environ.get("FLEET_CRONJOBS", "5000"))
JOBS = int(os.environ.get("FLEET_JOBS", "260000"))
BURST = int(os.environ.get("FLEET_BURST", "5000"))
SECONDS = float(os.environ.get("FLEET_SECONDS", "60"))
LONGEST = 1800.0  # seconds that are waited for any step
LISTS = ("/v1/cronjobs?namespace=team-7", "/v1/executions?limit=50")
READ_PAUSE = 0.1  # seconds between two requests of a client
SETTINGS = """
[limits]
requests_per_second = 1000000
[clusters.fleet]
kubeconfig = "{kubeconfig}"
"""


def write_kubeconfig(file: Path, port: str) -> None:
    """Write the settings by which a server on loopback is reached."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "fleet",
        "contexts": [{"name": "fleet", "context": {"cluster": "fleet", "user": "fleet"}}],
        "clusters": [{"name": "fleet", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "fleet", "user": {}}],
    }
    file.write_text(yaml.safe_dump(config))


async def wait_until(condition: Callable[[], Awaitable[bool]]) -> float:
    """Ask ten times a second until it holds; return the seconds that it took."""
    began = time.monotonic()
    while not await condition():
        if time.monotonic() - began > LONGEST:
            raise TimeoutError(condition.__name__)
        await asyncio.sleep(READ_PAUSE)
    return time.monotonic() - began


class Reader:
    """A client that reads some lists without a pause longer than READ_PAUSE, and times each answer.

    `fair_milliseconds` are without the time for which the daemon's loop, or this client, waited for a core
    that another program had.
    """

    def __init__(self, http: httpx.AsyncClient, paths: Sequence[str], pid: int) -> None:
        self._http = http
        self._paths = paths
        self._pid = pid
        self.milliseconds: list[float] = []
        self.fair_milliseconds: list[float] = []

    async def read(self) -> None:
        """Read until it is cancelled."""
        while True:
            for path in self._paths:
                waited = self._core_wait_ms()
                began = time.perf_counter()
                (await self._http.get(path)).raise_for_status()
                taken = (time.perf_counter() - began) * 1000
                self.milliseconds.append(taken)
                self.fair_milliseconds.append(max(0.0, taken - (self._core_wait_ms() - waited)))
            await asyncio.sleep(READ_PAUSE)

    def _core_wait_ms(self) -> float:
        return core_wait_ms(self._pid) + core_wait_ms(os.getpid())

    def figures(self, name: str) -> dict[str, float]:
        """Return the median and the 99th percentiles, whose names begin with `name`."""
        times = sorted(self.milliseconds)
        fair = sorted(self.fair_milliseconds)
        return {
            f"{name}_median_ms": round(times[len(times) // 2], 1),
            f"{name}_p99_ms": round(times[len(times) * 99 // 100], 1),
            f"{name}_fair_p99_ms": round(fair[len(fair) * 99 // 100], 1),
        }


def open_socket(path: str) -> httpx.AsyncClient:
    """Return a client of the daemon's socket."""
    transport = httpx.AsyncHTTPTransport(uds=path, verify=False)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=600)


def count_runs(folder: Path) -> dict[str, int]:
    """Return how many runs the database holds, by status."""
    file = folder / "history" / "history.db"
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        return dict(
            connection.execute("SELECT status, documents FROM counts WHERE table_name = 'executions'")
        )


async def measure(folder: Path, server: "subprocess.Popen[bytes]") -> dict[str, float]:
    """Start a daemon on the server's cluster, wait for its history, then send the burst."""
    assert server.stdin is not None
    assert server.stdout is not None
    write_kubeconfig(folder / "kubeconfig", server.stdout.readline().decode().strip())
    (folder / "kronkeepd.toml").write_text(SETTINGS.format(kubeconfig=folder / "kubeconfig"))
    daemon = MeasuredProcess(folder / "kronkeepd.toml", folder)
    began = time.monotonic()
    try:
        await daemon.start()
        return await measure_fleet(daemon, server, began)
    finally:
        daemon.kill()


async def measure_fleet(
    daemon: MeasuredProcess, server: "subprocess.Popen[bytes]", began: float
) -> dict[str, float]:
    """Wait for the history of a daemon, which was started at `began` (monotonic), then send the burst."""
    assert server.stdin is not None
    assert server.stdout is not None
    async with open_socket(daemon.announcement["socket"]) as http:

        async def has_all_runs() -> bool:
            counts = await asyncio.to_thread(count_runs, daemon.state)
            return sum(counts.values()) >= JOBS

        reader = Reader(http, LISTS, daemon.pid)
        task = asyncio.create_task(reader.read(), name="reader of the start")
        await wait_until(has_all_runs)
        task.cancel()
        figures = {
            "fleet.cold_start_s": round(time.monotonic() - began, 1),
            "fleet.cold_start_cpu_s": round(cpu_seconds(daemon.pid), 1),
            "fleet.cold_start_peak_mb": round(memory_mb(daemon.pid, "VmHWM"), 1),
            "fleet.rss_mb": round(memory_mb(daemon.pid), 1),
            **reader.figures("fleet.cold_start_api"),
        }
        print(figures, file=sys.stderr, flush=True)
        reader = Reader(http, LISTS, daemon.pid)
        task = asyncio.create_task(reader.read(), name="reader")
        cpu = cpu_seconds(daemon.pid)
        began = time.monotonic()
        server.stdin.write(f"burst {BURST} {SECONDS}\n".encode())
        server.stdin.flush()
        await asyncio.to_thread(server.stdout.readline)
        sent = time.monotonic() - began

        async def has_ended_runs() -> bool:
            counts = await asyncio.to_thread(count_runs, daemon.state)
            return counts.get("succeeded", 0) >= JOBS + BURST

        lag = await wait_until(has_ended_runs)
        task.cancel()
        figures |= {
            "fleet.burst_sent_s": round(sent, 1),
            "fleet.burst_lag_s": round(lag, 1),
            "fleet.burst_cpu_s": round(cpu_seconds(daemon.pid) - cpu, 1),
            **reader.figures("fleet.burst_api"),
            "fleet.burst_lost": JOBS + BURST - sum(count_runs(daemon.state).values()),
            "fleet.burst_rss_mb": round(memory_mb(daemon.pid), 1),
        }
    return figures | await daemon.stop("fleet")


def run() -> dict[str, float]:
    """Return seconds, megabytes and milliseconds of each step."""
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.fleet_server", str(CRONJOBS), str(JOBS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            return asyncio.run(measure(Path(folder), server))
        finally:
            server.kill()
            server.wait()
