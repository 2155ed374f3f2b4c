"""The agent of one node: it registers the Node, reports it ready, and runs the pods that are bound to it.

Implemented: registration; a status every 10 seconds; pods that are bound, deleted with their grace period, or
lost with the processes of an earlier agent (they become Failed, their containers ContainerStatusUnknown).

Not implemented: Leases of nodes, pressure conditions, evictions, static pods, and moving running containers
to a new agent: when the agent ends, its containers end too.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from kronkeep_common.clock import Clock, SystemClock
from kronkeep_common.errors import KronkeepError
from kronkeep_daemon.embedded.agent import sandbox
from kronkeep_daemon.embedded.agent.container_process import LogWriter
from kronkeep_daemon.embedded.agent.image_folder import ImageFolder, open_images
from kronkeep_daemon.embedded.agent.log_pusher import LogPusher
from kronkeep_daemon.embedded.agent.log_server import LogServer
from kronkeep_daemon.embedded.agent.pod import PodRunner
from kronkeep_daemon.embedded.agent.pod_binder import PodBinder
from kronkeep_daemon.embedded.agent.pod_status import status_of_lost_pod
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import AlreadyExists, NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.kube.timestamps import format_timestamp
from kronkeep_daemon.kube.watch import ListWatch, WholeList
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
HEARTBEAT_SECONDS = 10.0
DEFAULT_GRACE_SECONDS = 30.0
EMBEDDED_VERSION = "+kronkeep"  # a part of the version of an embedded API server


class NodeAgent:
    """One node, which runs the pods that are bound to it.

    `folder` holds claims, the other volumes of pods while they run, and images unless `make images` has built
    them. Logs are stored in `logs` and served on `address`; without it they are pushed to the API server,
    which must be an embedded one. With `machine_tools` a container whose image is not here sees this
    machine's own programs instead of failing. Each container waits `start_delay` seconds before it starts.
    """

    def __init__(
        self,
        *,
        cluster: Cluster,
        name: str,
        folder: Path,
        clock: Clock,
        supervisor: Supervisor,
        logs: LogServer | None = None,
        address: str = "127.0.0.1",
        machine_tools: bool = False,
        start_delay: float = 0.0,
    ) -> None:
        self._start_delay = start_delay
        self._machine_tools = machine_tools
        self._logs = logs
        self._address = address
        self._cluster = cluster
        self._name = name
        self._folder = folder
        self._images = ImageFolder(None)
        self._clock = clock
        self._supervisor = supervisor
        self._runners: dict[str, PodRunner] = {}
        self._ended: set[str] = set()
        self._deleting: set[str] = set()

    async def start(self) -> None:
        """Register the node and start its tasks; raises ToolMissing without bubblewrap or images."""
        sandbox.find_bubblewrap()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._images = await asyncio.to_thread(
            open_images, self._folder / "images", machine_tools=self._machine_tools
        )
        await self._register()
        watch = ListWatch(
            self._cluster,
            paths.pods(),
            receiver=WholeList(self._sync),
            on_event=self._event,
            clock=self._clock,
            kind=JsonObject,
            params={"fieldSelector": f"spec.nodeName={self._name}"},
        )
        self._supervisor.start(f"node {self._name} heartbeat", self._report_ready_forever, death="restart")
        self._supervisor.start(f"node {self._name} watch", watch.run, death="restart")

    async def _register(self) -> None:
        labels = {"kubernetes.io/hostname": self._name}
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": self._name, "labels": labels}}
        try:
            await self._cluster.create(paths.nodes(), node)
        except AlreadyExists:
            log.info("node %s is registered already", self._name)
        await self._report_ready()

    async def _report_ready(self) -> None:
        now = format_timestamp(self._clock.now())
        ready = {"type": "Ready", "status": "True", "reason": "AgentReady", "lastHeartbeatTime": now}
        capacity = {
            "cpu": str(os.cpu_count() or 1),
            "memory": "8Gi",
            "pods": "110",
            "ephemeral-storage": "64Gi",
        }
        status: JsonObject = {
            "conditions": [ready],
            "nodeInfo": {"kubeletVersion": "v1.36.2+kronkeep"},
            "capacity": capacity,
            "allocatable": capacity,
        }
        if self._logs is not None:
            types = ("InternalIP", "Hostname")
            status["addresses"] = [{"type": kind, "address": self._address} for kind in types]
            status["daemonEndpoints"] = {"kubeletEndpoint": {"Port": self._logs.port}}
        await self._cluster.patch(f"{paths.nodes(self._name)}/status", {"status": status})

    async def _report_ready_forever(self) -> None:
        while True:
            await self._clock.sleep(HEARTBEAT_SECONDS)
            await self._report_ready()

    def _sync(self, pods: list[JsonObject]) -> None:
        """Take the full list of the node's pods."""
        present = {pod["metadata"]["uid"] for pod in pods}
        for uid in self._runners.keys() - present:
            self._kill_pod(uid)
        for pod in pods:
            self._event("ADDED", pod)

    def _event(self, event_type: str, pod: JsonObject) -> None:
        """Take one event of the watch on the node's pods."""
        uid = pod["metadata"]["uid"]
        if self._logs is not None:
            self._logs.update_pod(event_type, pod)
        if event_type == "DELETED":
            self._kill_pod(uid)
            self._ended.discard(uid)
        elif pod["metadata"].get("deletionTimestamp"):
            self._begin_deletion(pod)
        elif (runner := self._runners.get(uid)) is not None:
            runner.update(pod)
        elif uid not in self._ended:
            # The status writes of a runner come back as events; `_ended` keeps the last one from starting the
            # pod again.
            self._start_pod(pod)

    def _start_pod(self, pod: JsonObject) -> None:
        """Run a new pod; one that an earlier agent has started has lost its processes and fails."""
        uid = pod["metadata"]["uid"]
        status = pod.get("status") or {}
        if status.get("phase") in ("Succeeded", "Failed"):
            return
        # No runner has this pod, so its start time comes from an agent that has ended.
        if status.get("startTime"):
            self._start_task(f"pod {uid} lost", partial(self._fail_lost_pod, pod))
            self._ended.add(uid)
            return
        runner = PodRunner(
            cluster=self._cluster,
            pod=pod,
            folder=self._folder,
            images=self._images,
            clock=self._clock,
            open_log=self._open_log,
            start_delay=self._start_delay,
        )
        self._runners[uid] = runner
        self._start_task(f"pod {uid}", partial(self._run_pod, uid, runner))

    def _open_log(self, pod: JsonObject, container: str, instance: int) -> LogWriter:
        if self._logs is not None:
            return self._logs.open_writer(pod, container, instance)
        return LogPusher(self._cluster, pod, container=container, instance=instance)

    async def _run_pod(self, uid: str, runner: PodRunner) -> None:
        try:
            await runner.run()
        finally:
            self._runners.pop(uid, None)
            self._ended.add(uid)

    async def _fail_lost_pod(self, pod: JsonObject) -> None:
        meta = pod["metadata"]
        status = status_of_lost_pod(pod["status"], self._clock.now())
        path = f"{paths.pods(meta['namespace'], meta['name'])}/status"
        await self._cluster.patch(path, {"status": status})

    def _begin_deletion(self, pod: JsonObject) -> None:
        uid = pod["metadata"]["uid"]
        if uid not in self._deleting:
            self._deleting.add(uid)
            self._start_task(f"pod {uid} deletion", partial(self._delete_pod, pod))

    async def _delete_pod(self, pod: JsonObject) -> None:
        """End the pod's processes within its grace period, then remove it from the API server."""
        meta = pod["metadata"]
        uid = meta["uid"]
        grace_seconds = float(meta.get("deletionGracePeriodSeconds", DEFAULT_GRACE_SECONDS))
        try:
            if (runner := self._runners.get(uid)) is not None:
                await runner.terminate(grace_seconds)
                while uid in self._runners:
                    await self._clock.sleep(0.05)
            await self._cluster.delete(paths.pods(meta["namespace"], meta["name"]), uid=uid, grace_seconds=0)
        except NotFoundInCluster:
            log.debug("pod %s has been deleted already", meta["name"])
        finally:
            self._deleting.discard(uid)

    def _kill_pod(self, uid: str) -> None:
        """End the processes of a pod that the API server no longer has, without a grace period."""
        runner = self._runners.get(uid)
        if runner is not None and uid not in self._deleting:
            self._start_task(f"pod {uid} end", partial(runner.terminate, 0.0))

    def _start_task(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        if not self._supervisor.running(name):
            self._supervisor.start(name, work, death="quiet")


async def run_agent(
    kubeconfig: Path,
    name: str,
    folder: Path,
    *,
    address: str = "127.0.0.1",
    place: bool = False,
    machine_tools: bool = False,
    start_delay: float = 0.0,
) -> None:
    """Run the agent of the node `name` until cancelled; raises ClusterUnreachable, ToolMissing.

    With `place` pods that no scheduler has bound to a node are bound to this one. Logs are served on
    `address` as by a kubelet; an embedded API server does not fetch logs, so they are pushed to it. With
    `machine_tools` containers of images that are not here see this machine's own programs. Each container
    waits `start_delay` seconds before it starts.
    """
    clock = SystemClock()
    supervisor = Supervisor(clock)
    cluster = await Cluster.connect(kubeconfig=kubeconfig)
    logs: LogServer | None = None
    try:
        if EMBEDDED_VERSION not in str((await cluster.get("/version")).get("gitVersion")):
            logs = LogServer(folder, address, cluster.ca_file)
            await logs.start()
        agent = NodeAgent(
            cluster=cluster,
            name=name,
            folder=folder,
            clock=clock,
            supervisor=supervisor,
            logs=logs,
            address=address,
            machine_tools=machine_tools,
            start_delay=start_delay,
        )
        await agent.start()
        if place:
            _start_binder(cluster=cluster, node=name, clock=clock, supervisor=supervisor)
        await asyncio.Event().wait()
    except KronkeepError:
        log.error("node %s cannot run", name)
        raise
    finally:
        await supervisor.close()
        if logs is not None:
            await logs.close()
        await cluster.close()


def _start_binder(*, cluster: Cluster, node: str, clock: Clock, supervisor: Supervisor) -> None:
    binder = PodBinder(cluster, node)
    watch = ListWatch(
        cluster,
        paths.pods(),
        receiver=WholeList(binder.sync),
        on_event=binder.event,
        clock=clock,
        kind=JsonObject,
        params={"fieldSelector": "spec.nodeName="},
    )
    supervisor.start(f"node {node} unbound pods", watch.run, death="restart")
    supervisor.start(f"node {node} binding", binder.run, death="restart")
