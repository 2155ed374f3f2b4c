"""One reader of the watch benchmark in a process of its own.

    python -m benchmarks.watch_clients NAME PORT EVENTS LISTED     prints its figures as JSON

CPU is the process's own, user and system, from before the first request to after the last event (kronkeep:
until every record is durable); memory is what the peak lies above the process with everything imported.
"""

import asyncio
import json
import os
import resource
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: b
contexts: [{{name: b, context: {{cluster: b, user: b}}}}]
clusters: [{{name: b, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
users: [{{name: b, user: {{token: x}}}}]
"""


class Meter:
    """What was spent since it was made."""

    def __init__(self) -> None:
        self._cpu, self._wall, self._memory = time.process_time(), time.perf_counter(), _peak()

    def read(self, events: int) -> dict[str, float]:
        """Events a second, microseconds of CPU an event, and MB of peak memory."""
        cpu = time.process_time() - self._cpu
        wall = time.perf_counter() - self._wall
        return {
            "per_second": events / wall,
            "cpu_us": cpu / max(events, 1) * 1e6,
            "cpu_s": cpu,
            "peak_mb": _peak() - self._memory,
        }


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def config(port: int) -> Path:
    """A kubeconfig that leads to the server."""
    path = Path(tempfile.mkdtemp()) / "kubeconfig"
    path.write_text(KUBECONFIG.format(port=port))
    return path


def kronkeep(port: int, events: int, listed: int) -> dict[str, float]:
    """Kronkeep's recorder: from the wire to records that are durable."""
    from kronkeep_common.clock import SystemClock
    from kronkeep_daemon.cronjobs.run_recorder import RunRecorder
    from kronkeep_daemon.events import Bus
    from kronkeep_daemon.history import History
    from kronkeep_daemon.kube.client import Cluster
    from kronkeep_daemon.supervisor import Supervisor

    async def work(folder: Path) -> dict[str, float]:
        clock = SystemClock()
        cluster = await Cluster.connect(kubeconfig=config(port))
        history = await History.open(folder, clock=clock)
        recorder = RunRecorder(cluster=cluster, history=history, bus=Bus(), clock=clock)
        recorder.log_collector.collect_artifacts = lambda *_: None  # type: ignore[method-assign]  # papers are no part of a watch
        supervisor = Supervisor(clock)
        meter = Meter()
        recorder.start(supervisor)
        wanted = listed or events // 5
        while history.executions.count().get("succeeded", 0) < wanted:
            await asyncio.sleep(0.01)
        await history.commit()
        found = meter.read(listed or events)
        await supervisor.close()
        await cluster.close()
        await history.close()
        return found

    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        return asyncio.run(work(Path(name)))


def typed(port: int, events: int, listed: int) -> dict[str, float]:
    """The kubernetes package's own Watch with its models."""
    from kubernetes import client, watch
    from kubernetes import config as kube_config

    kube_config.load_kube_config(str(config(port)))
    api = client.BatchV1Api()
    meter = Meter()
    if listed:
        kept = api.list_job_for_all_namespaces()
        return meter.read(len(kept.items))
    stream = watch.Watch().stream(api.list_job_for_all_namespaces, resource_version="1000")
    return meter.read(sum(1 for _ in islice(stream, events)))


def lightkube(port: int, events: int, listed: int) -> dict[str, float]:
    """lightkube's watch."""
    from lightkube import Client, KubeConfig
    from lightkube.resources.batch_v1 import Job

    client = Client(config=KubeConfig.from_file(config(port)))
    meter = Meter()
    if listed:
        return meter.read(len(list(client.list(Job, namespace="*"))))
    stream = client.watch(Job, namespace="*", resource_version="1000")
    return meter.read(sum(1 for _ in islice(stream, events)))


def kr8s(port: int, events: int, _: int) -> dict[str, float]:
    """kr8s' watch."""
    import kr8s.asyncio

    async def work() -> dict[str, float]:
        api = await kr8s.asyncio.api(kubeconfig=str(config(port)))
        meter = Meter()
        count = 0
        async for _ in api.watch("jobs", namespace=kr8s.ALL):
            count += 1
            if count == events:
                break
        return meter.read(events)

    return asyncio.run(work())


def kopf(port: int, events: int, _: int) -> dict[str, float]:
    """kopf's on.event."""
    import logging

    import kopf as framework

    logging.disable(logging.CRITICAL)
    stop = asyncio.Event()
    seen = [0]
    meter = Meter()

    @framework.on.login()
    def login(**_: Any) -> Any:
        return framework.ConnectionInfo(server=f"http://127.0.0.1:{port}")

    @framework.on.startup()
    def start(settings: Any, **_: Any) -> None:
        settings.posting.enabled = False

    @framework.on.event("batch", "v1", "jobs")
    async def event(**_: Any) -> None:
        seen[0] += 1

    async def work() -> dict[str, float]:
        running = asyncio.create_task(framework.operator(standalone=True, clusterwide=True, stop_flag=stop))
        last = 0
        still = 0
        while still < 40:  # it may merge events of one object; the end is two seconds without one
            await asyncio.sleep(0.05)
            still = still + 1 if seen[0] == last and last else 0
            last = seen[0]
        found = meter.read(events)
        stop.set()
        await asyncio.wait([running], timeout=5)
        return found

    return asyncio.run(work())


READERS = {"kronkeep": kronkeep, "typed": typed, "lightkube": lightkube, "kr8s": kr8s, "kopf": kopf}


if __name__ == "__main__":
    name, *numbers = sys.argv[1:]
    print(json.dumps(READERS[name](*map(int, numbers))), flush=True)
    os._exit(0)
