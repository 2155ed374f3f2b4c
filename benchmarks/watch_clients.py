"""One client of the watch benchmark in a process of its own.

    python -m benchmarks.watch_clients NAME PORT EVENTS LISTED     prints its figures as JSON

CPU is user and system time of the process, from before the first request until after the last event
(kronkeep: until every record is durable). Memory is the peak above the process with everything imported.
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


class ResourceMeter:
    """What the process has used since this was created."""

    def __init__(self) -> None:
        self._cpu = time.process_time()
        self._wall = time.perf_counter()
        self._memory = _peak_mb()

    def read(self, events: int) -> dict[str, float]:
        """Return events per second, CPU microseconds per event, and MB of peak memory."""
        cpu = time.process_time() - self._cpu
        wall = time.perf_counter() - self._wall
        return {
            "per_second": events / wall,
            "cpu_us": cpu / max(events, 1) * 1e6,
            "cpu_s": cpu,
            "peak_mb": _peak_mb() - self._memory,
        }


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def write_kubeconfig(port: int) -> Path:
    """Write a kubeconfig of the server; return its path."""
    path = Path(tempfile.mkdtemp()) / "kubeconfig"
    path.write_text(KUBECONFIG.format(port=port))
    return path


def kronkeep(port: int, events: int, listed: int) -> dict[str, float]:
    """Measure kronkeep's run recorder, from the network to durable records.

    Modules are kept from the garbage collector, and threads take turns, as in kronkeepd.
    """
    from kronkeep_common.clock import SystemClock
    from kronkeep_common.states import ExecutionStatus
    from kronkeep_daemon.cronjobs.run_recorder import RunRecorder
    from kronkeep_daemon.events import Bus, ExecutionChanged
    from kronkeep_daemon.garbage import set_modules_aside
    from kronkeep_daemon.history import History
    from kronkeep_daemon.history.writer import SWITCH_SECONDS
    from kronkeep_daemon.kube.client import Cluster
    from kronkeep_daemon.supervisor import Supervisor

    def store_nothing(record_id: str, job: object) -> None:
        """Other clients store no logs of Jobs either."""

    async def work(folder: Path) -> dict[str, float]:
        clock = SystemClock()
        cluster = await Cluster.connect(kubeconfig=write_kubeconfig(port))
        history = await History.open(folder, clock=clock)
        bus = Bus()
        recorder = RunRecorder(cluster=cluster, history=history, bus=bus, clock=clock)
        recorder.log_collector.collect_artifacts = store_nothing  # type: ignore[method-assign]
        supervisor = Supervisor(clock)
        expected = listed or events // 5
        durable: set[str] = set()
        has_all = asyncio.Event()

        def note_end(change: ExecutionChanged) -> None:
            if change.new.status is ExecutionStatus.SUCCEEDED:
                durable.add(change.new.id)
                if len(durable) == expected:
                    has_all.set()

        bus.subscribe(ExecutionChanged, note_end)
        set_modules_aside()
        sys.setswitchinterval(SWITCH_SECONDS)
        meter = ResourceMeter()
        recorder.start(supervisor)
        await has_all.wait()
        assert history.executions.count()["succeeded"] == expected
        figures = meter.read(listed or events)
        await supervisor.close()
        await cluster.close()
        await history.close()
        return figures

    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        return asyncio.run(work(Path(name)))


def kubernetes_watch(port: int, events: int, listed: int) -> dict[str, float]:
    """Measure the kubernetes package's own Watch with its models."""
    from kubernetes import client, watch
    from kubernetes import config as kube_config

    kube_config.load_kube_config(str(write_kubeconfig(port)))
    api = client.BatchV1Api()
    meter = ResourceMeter()
    if listed:
        jobs = api.list_job_for_all_namespaces()
        return meter.read(len(jobs.items))
    stream = watch.Watch().stream(api.list_job_for_all_namespaces, resource_version="1000")
    return meter.read(sum(1 for _ in islice(stream, events)))


def lightkube(port: int, events: int, listed: int) -> dict[str, float]:
    """Measure the watch of lightkube."""
    from lightkube import Client, KubeConfig
    from lightkube.resources.batch_v1 import Job

    client = Client(config=KubeConfig.from_file(write_kubeconfig(port)))
    meter = ResourceMeter()
    if listed:
        return meter.read(len(list(client.list(Job, namespace="*"))))
    stream = client.watch(Job, namespace="*", resource_version="1000")
    return meter.read(sum(1 for _ in islice(stream, events)))


def kr8s(port: int, events: int, _: int) -> dict[str, float]:
    """Measure the watch of kr8s."""
    import kr8s.asyncio

    async def work() -> dict[str, float]:
        api = await kr8s.asyncio.api(kubeconfig=str(write_kubeconfig(port)))
        meter = ResourceMeter()
        count = 0
        async for _ in api.watch("jobs", namespace=kr8s.ALL):
            count += 1
            if count == events:
                break
        return meter.read(events)

    return asyncio.run(work())


def kopf(port: int, events: int, _: int) -> dict[str, float]:
    """Measure the event handlers of kopf."""
    import logging

    import kopf as framework

    logging.disable(logging.CRITICAL)
    stop = asyncio.Event()
    seen = 0
    meter = ResourceMeter()

    @framework.on.login()
    def login(**_: Any) -> Any:
        return framework.ConnectionInfo(server=f"http://127.0.0.1:{port}")

    @framework.on.startup()
    def start(settings: Any, **_: Any) -> None:
        settings.posting.enabled = False

    @framework.on.event("batch", "v1", "jobs")
    async def event(**_: Any) -> None:
        nonlocal seen
        seen += 1

    async def work() -> dict[str, float]:
        running = asyncio.create_task(framework.operator(standalone=True, clusterwide=True, stop_flag=stop))
        last = 0
        quiet_turns = 0
        while quiet_turns < 40:  # it may merge events of one object; the end is two seconds without one
            await asyncio.sleep(0.05)
            quiet_turns = quiet_turns + 1 if seen == last and last else 0
            last = seen
        figures = meter.read(events)
        stop.set()
        await asyncio.wait([running], timeout=5)
        return figures

    return asyncio.run(work())


CLIENTS = {
    "kronkeep": kronkeep,
    "typed": kubernetes_watch,
    "lightkube": lightkube,
    "kr8s": kr8s,
    "kopf": kopf,
}


if __name__ == "__main__":
    name, *numbers = sys.argv[1:]
    print(json.dumps(CLIENTS[name](*map(int, numbers))), flush=True)
    os._exit(0)
