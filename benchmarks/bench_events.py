"""The time from a Job's last event on the cluster's watch to the changed record in a connected client."""

import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.daemon_process import Daemon

from kronkeep_common.client import Client
from kronkeep_common.clock import SystemClock
from kronkeep_common.models import CronJobCreate
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.watch import ListWatch, WholeList

RUNS = 200
AT_ONCE = 10
RUNS_ALONE = 40  # one after the other, each when the one before has arrived


def _has_ended(job: dict[str, Any]) -> bool:
    conditions = (job.get("status") or {}).get("conditions") or []
    return any(c["type"] in ("Complete", "Failed") and c["status"] == "True" for c in conditions)


async def _record_cluster_times(cluster: Cluster, times: dict[str, float]) -> None:
    def event(_: str, job: dict[str, Any]) -> None:
        if _has_ended(job):
            times.setdefault(job["metadata"]["uid"], time.perf_counter())

    watch = ListWatch(
        cluster,
        paths.jobs(),
        receiver=WholeList(lambda _: None),
        on_event=event,
        clock=SystemClock(),
        kind=dict,
    )
    await watch.run()


async def _record_client_times(client: Client, times: dict[str, float]) -> None:
    async for event in client.events():
        if event.table == "executions" and event.record and event.record.get("ended_at"):
            times.setdefault(event.id, time.perf_counter())


async def _measure(folder: Path, runs: int, at_once: int) -> list[float]:
    daemon = Daemon(folder / "s")
    await daemon.start()
    cluster = await daemon.cluster()
    in_cluster = dict[str, float]()
    in_client = dict[str, float]()
    async with daemon.client() as client:
        tasks = [
            asyncio.create_task(_record_cluster_times(cluster, in_cluster)),
            asyncio.create_task(_record_client_times(client, in_client)),
        ]
        spec = CronJobCreate(name="bench", image="busybox", command=("true",), schedule="0 2 29 2 *")
        await client.cronjobs.create(spec)
        for started in range(at_once, runs + 1, at_once):
            await asyncio.gather(*(client.cronjobs.trigger("default", "bench") for _ in range(at_once)))
            while len(in_client) < started:
                await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    await cluster.close()
    await daemon.stop()
    return sorted(max(0.0, in_client[uid] - in_cluster[uid]) * 1000 for uid in in_client if uid in in_cluster)


def run() -> dict[str, float]:
    """Return the median, 99th percentile and largest of the delays in milliseconds.

    The embedded cluster ends ten Jobs that were started together in one turn, so that their events come
    together, too.
    """
    with tempfile.TemporaryDirectory() as name:
        alone = asyncio.run(_measure(Path(name), RUNS_ALONE, 1))
    with tempfile.TemporaryDirectory() as name:
        delays = asyncio.run(_measure(Path(name), RUNS, AT_ONCE))
    return {
        "events_alone_median_ms": round(statistics.median(alone), 1),
        "events_alone_largest_ms": round(alone[-1], 1),
        "events_runs": float(len(delays)),
        "events_median_ms": round(statistics.median(delays), 1),
        "events_p99_ms": round(delays[int(len(delays) * 0.99) - 1], 1),
        "events_largest_ms": round(delays[-1], 1),
    }
