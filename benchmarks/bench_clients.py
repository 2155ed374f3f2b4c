"""SOCKET_CLIENTS clients (200) on the socket at once, each with an event stream and requests of its own."""

import asyncio
import os
import tempfile
import time
from pathlib import Path

import httpx
from tests.daemon_process import Daemon

from benchmarks.bench_api import read_events
from kronkeep_common.models import CronJobCreate

CLIENTS = int(os.environ.get("SOCKET_CLIENTS", "200"))
REQUESTS = 3  # of each client
PAUSE = 5.0  # seconds between two of them
CHANGES = 5
SETTINGS = f"""
[limits]
requests_per_second = 1000000
connections = {2 * CLIENTS + 50}
connections_per_uid = {2 * CLIENTS + 10}
streams_per_uid = {CLIENTS}
"""


def _resident_mb(pid: int) -> float:
    text = Path(f"/proc/{pid}/statm").read_text()
    return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


async def _ask(socket: str, offset: float, durations: list[float]) -> None:
    transport = httpx.AsyncHTTPTransport(uds=socket, verify=False)  # no TLS, and none is prepared
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as http:
        await asyncio.sleep(offset)
        for _ in range(REQUESTS):
            began = time.perf_counter()
            (await http.get("/v1/executions?limit=50")).raise_for_status()
            durations.append(time.perf_counter() - began)
            await asyncio.sleep(PAUSE)


async def _measure_changes(daemon: Daemon, times: "asyncio.Queue[float]") -> float:
    """Return the longest time in milliseconds from a change's first reader to its last."""
    longest = 0.0
    async with daemon.client() as client:
        for _ in range(CHANGES):
            await client.cronjobs.trigger("default", "bench")
            received = [await times.get() for _ in range(CLIENTS)]
            longest = max(longest, received[-1] - received[0])
            await asyncio.sleep(1)
            while not times.empty():
                times.get_nowait()
    return longest * 1000


async def _measure(folder: Path) -> dict[str, float]:
    daemon = Daemon(folder / "s")
    config = folder / "kronkeepd.toml"
    config.write_text(SETTINGS)
    daemon.arguments = ("--config", str(config))
    await daemon.start()
    async with daemon.client() as client:
        spec = CronJobCreate(name="bench", image="busybox", command=("true",), schedule="0 2 29 2 *")
        await client.cronjobs.create(spec)
        await client.cronjobs.trigger("default", "bench")
    before = _resident_mb(daemon.pid)
    socket = daemon.announcement["socket"]
    times = asyncio.Queue[float]()
    ready = asyncio.Semaphore(0)
    began = time.perf_counter()
    streams = [asyncio.create_task(read_events(socket, times, ready)) for _ in range(CLIENTS)]
    for _ in streams:
        await ready.acquire()
    connected = time.perf_counter() - began
    durations: list[float] = []
    await asyncio.gather(*(_ask(socket, PAUSE * n / CLIENTS, durations) for n in range(CLIENTS)))
    memory = _resident_mb(daemon.pid) - before
    spread = await _measure_changes(daemon, times)
    for stream in streams:
        stream.cancel()
    await asyncio.wait(streams)
    await daemon.stop()
    durations.sort()
    return {
        "clients.connected_ms": round(connected * 1000),
        "clients.request_p50_ms": round(durations[len(durations) // 2] * 1000, 1),
        "clients.request_p99_ms": round(durations[int(len(durations) * 0.99)] * 1000, 1),
        "clients.change_first_to_last_ms": round(spread, 1),
        "clients.memory_mb": round(memory, 1),
    }


def run() -> dict[str, float]:
    """Return how long requests and changes take with all clients there, and their memory in the daemon."""
    with tempfile.TemporaryDirectory() as name:
        return asyncio.run(_measure(Path(name)))
