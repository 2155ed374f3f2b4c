"""The socket: requests per second and p99 for one record and for a list of 50, and an event to 50 readers."""

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import httpx
from tests.daemon_process import Daemon

from kronkeep_common.models import CronJobCreate

REQUESTS = 300
READERS = 50
ROUNDS = 5
RUNS = 60
LONGEST_WAIT = 60.0  # seconds; a reader that was refused would be waited for without end
SETTINGS = """
[limits]
requests_per_second = 1000000
connections_per_uid = 128
streams_per_uid = 64
"""


class _UnlimitedDaemon(Daemon):
    """A daemon whose limits do not slow its benchmark down."""

    def __init__(self, state: Path) -> None:
        super().__init__(state)
        config = state.parent / "config"
        config.mkdir()
        (config / "kronkeepd.toml").write_text(SETTINGS)
        self.arguments = ("--config", str(config / "kronkeepd.toml"))


async def _measure_requests(http: httpx.AsyncClient, path: str) -> tuple[float, float]:
    """Return the requests per second of one connection, and p99 in milliseconds."""
    durations = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        (await http.get(path)).raise_for_status()
        durations.append(time.perf_counter() - began)
    durations.sort()
    return REQUESTS / sum(durations), durations[int(REQUESTS * 0.99)] * 1000


async def read_events(path: str, times: asyncio.Queue[float], ready: asyncio.Semaphore) -> None:
    """Read the events of the socket for ever, and note when each comes."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"GET /v1/events?table=executions HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.readuntil(b": kronkeep")
    ready.release()
    while True:
        await reader.readuntil(b"data: ")
        times.put_nowait(time.perf_counter())


async def _measure_fan_out(daemon: Daemon) -> float:
    """Return the milliseconds between the first and the last of 50 readers that get a change: the median."""
    times = asyncio.Queue[float]()
    ready = asyncio.Semaphore(0)
    spread = list[float]()
    tasks = [
        asyncio.create_task(read_events(daemon.announcement["socket"], times, ready)) for _ in range(READERS)
    ]
    for _ in tasks:
        await ready.acquire()
    async with daemon.client() as client:
        for _ in range(ROUNDS):
            await client.cronjobs.trigger("default", "bench")
            received = [await times.get() for _ in range(READERS)]
            spread.append(received[-1] - received[0])
            await asyncio.sleep(1)
            while not times.empty():
                times.get_nowait()
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return statistics.median(spread) * 1000


async def _measure(folder: Path) -> dict[str, float]:
    daemon = _UnlimitedDaemon(folder / "s")
    await daemon.start()
    async with daemon.client() as client:
        spec = CronJobCreate(name="bench", image="busybox", command=("true",), schedule="0 2 29 2 *")
        await client.cronjobs.create(spec)
        runs = [await client.cronjobs.trigger("default", "bench") for _ in range(RUNS)]
    transport = httpx.AsyncHTTPTransport(uds=daemon.announcement["socket"])
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as http:
        while (await http.get("/v1/executions?filter=status:succeeded&limit=60")).json()["items"][59:] == []:
            await asyncio.sleep(0.5)
        one, one_p99 = await _measure_requests(http, f"/v1/executions/{runs[0].id}")
        many, many_p99 = await _measure_requests(http, "/v1/executions?limit=50")
    async with asyncio.timeout(LONGEST_WAIT):
        spread = await _measure_fan_out(daemon)
    await daemon.stop()
    return {
        "api_one_per_second": round(one),
        "api_one_p99_ms": round(one_p99, 2),
        "api_list_of_50_per_second": round(many),
        "api_list_of_50_p99_ms": round(many_p99, 2),
        "api_fan_out_50_readers_ms": round(spread, 2),
    }


def run() -> dict[str, float]:
    """Return the figures of one connection after another, and of one change to all readers."""
    with tempfile.TemporaryDirectory() as name:
        return asyncio.run(_measure(Path(name)))
