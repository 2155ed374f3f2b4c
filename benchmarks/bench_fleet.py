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
from tests.daemon_process import Daemon

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


def memory_mb(pid: int, field: str = "VmRSS") -> float:
    """Return the resident memory of a process, or its highest (`VmHWM`)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    kilobytes = next(line.split()[1] for line in lines if line.startswith(f"{field}:"))
    return int(kilobytes) / 1000


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
    """A client that reads some lists without a pause longer than READ_PAUSE, and times each answer."""

    def __init__(self, http: httpx.AsyncClient, paths: Sequence[str]) -> None:
        self._http = http
        self._paths = paths
        self.milliseconds: list[float] = []

    async def read(self) -> None:
        """Read until it is cancelled."""
        while True:
            for path in self._paths:
                began = time.perf_counter()
                (await self._http.get(path)).raise_for_status()
                self.milliseconds.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(READ_PAUSE)


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
    daemon = Daemon(folder / "s")
    daemon.embedded = False
    daemon.environment = {"PYTHONUNBUFFERED": "1"}  # a process of its own, forked from no other
    daemon.arguments = ("--config", str(folder / "kronkeepd.toml"))
    began = time.monotonic()
    await daemon.start()
    async with open_socket(daemon.announcement["socket"]) as http:

        async def has_all_runs() -> bool:
            counts = await asyncio.to_thread(count_runs, daemon.state)
            return sum(counts.values()) >= JOBS

        await wait_until(has_all_runs)
        figures = {
            "fleet.cold_start_s": round(time.monotonic() - began, 1),
            "fleet.cold_start_cpu_s": round(cpu_seconds(daemon.pid), 1),
            "fleet.cold_start_peak_mb": round(memory_mb(daemon.pid, "VmHWM"), 1),
            "fleet.rss_mb": round(memory_mb(daemon.pid), 1),
        }
        print(figures, file=sys.stderr, flush=True)
        reader = Reader(http, LISTS)
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
        times = sorted(reader.milliseconds)
        figures |= {
            "fleet.burst_sent_s": round(sent, 1),
            "fleet.burst_lag_s": round(lag, 1),
            "fleet.burst_cpu_s": round(cpu_seconds(daemon.pid) - cpu, 1),
            "fleet.burst_api_median_ms": round(times[len(times) // 2], 1),
            "fleet.burst_api_p99_ms": round(times[len(times) * 99 // 100], 1),
            "fleet.burst_lost": JOBS + BURST - sum(count_runs(daemon.state).values()),
            "fleet.burst_rss_mb": round(memory_mb(daemon.pid), 1),
        }
    await daemon.stop()
    return figures


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
