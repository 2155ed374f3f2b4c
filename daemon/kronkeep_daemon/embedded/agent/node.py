"""The node: registers itself, says every ten seconds that it is well, runs the pods bound to it."""

import asyncio
import logging
import os
from pathlib import Path
from typing import Any

from kronkeep_common.clock import Clock, SystemClock
from kronkeep_common.errors import KronkeepError
from kronkeep_daemon.embedded.agent import sandbox
from kronkeep_daemon.embedded.agent.log_pusher import LogPush
from kronkeep_daemon.embedded.agent.log_server import LogServer, Sink
from kronkeep_daemon.embedded.agent.pod import PodRunner, stamp
from kronkeep_daemon.embedded.agent.pod_binder import Placer
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import AlreadyExists, NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.kube.watch import ListWatch
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
HEARTBEAT_SECONDS = 10.0
GRACE_SECONDS = 30.0
OURS = "+kronkeep"  # in the version of an embedded API server


class NodeAgent:
    """Runs the pods of one node; `folder` holds claims and what pods need while they run."""

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
    ) -> None:
        self._logs = logs
        self._address = address
        self._cluster = cluster
        self._name = name
        self._folder = folder
        self._clock = clock
        self._supervisor = supervisor
        self._runners: dict[str, PodRunner] = {}
        self._ended: set[str] = set()
        self._deleting: set[str] = set()

    async def start(self) -> None:
        """Registers the node and starts its tasks; raises ToolMissing without bubblewrap."""
        sandbox.bubblewrap()
        self._folder.mkdir(parents=True, exist_ok=True)
        await self._register()
        watch = ListWatch(
            self._cluster,
            paths.pods(),
            on_sync=self._sync,
            on_event=self._event,
            clock=self._clock,
            kind=JsonObject,
            params={"fieldSelector": f"spec.nodeName={self._name}"},
        )
        self._supervisor.start(f"node {self._name} heartbeat", self._beat, death="restart")
        self._supervisor.start(f"node {self._name} watch", watch.run, death="restart")

    async def _register(self) -> None:
        body: JsonObject = {
            "metadata": {"name": self._name, "labels": {"kubernetes.io/hostname": self._name}}
        }
        try:
            await self._cluster.create(paths.nodes(), {"apiVersion": "v1", "kind": "Node", **body})
        except AlreadyExists:
            log.info("node %s is known", self._name)
        await self._well()

    async def _well(self) -> None:
        now = stamp(self._clock.now())
        ready = {"type": "Ready", "status": "True", "reason": "AgentReady", "lastHeartbeatTime": now}
        room = {"cpu": str(os.cpu_count() or 1), "memory": "8Gi", "pods": "110", "ephemeral-storage": "64Gi"}
        status: JsonObject = {
            "conditions": [ready],
            "nodeInfo": {"kubeletVersion": "v1.36.2+kronkeep"},
            "capacity": room,
            "allocatable": room,
        }
        if self._logs is not None:
            names = [{"type": kind, "address": self._address} for kind in ("InternalIP", "Hostname")]
            status["addresses"] = names
            status["daemonEndpoints"] = {"kubeletEndpoint": {"Port": self._logs.port}}
        await self._cluster.patch(f"{paths.nodes(self._name)}/status", {"status": status})

    async def _beat(self) -> None:
        while True:
            await self._clock.sleep(HEARTBEAT_SECONDS)
            await self._well()

    def _sync(self, pods: list[JsonObject]) -> None:
        present = {pod["metadata"]["uid"] for pod in pods}
        for uid in [uid for uid in self._runners if uid not in present]:
            self._end(uid, 0.0)
        for pod in pods:
            self._event("ADDED", pod)

    def _event(self, kind: str, pod: JsonObject) -> None:
        uid = pod["metadata"]["uid"]
        if self._logs is not None:
            self._logs.saw(kind, pod)
        if kind == "DELETED":
            self._end(uid, 0.0)
            self._ended.discard(uid)
        elif pod["metadata"].get("deletionTimestamp"):
            self._delete(pod)
        elif uid not in self._runners and uid not in self._ended:
            self._take(pod)

    def _take(self, pod: JsonObject) -> None:
        uid = pod["metadata"]["uid"]
        status = pod.get("status") or {}
        if status.get("phase") in ("Succeeded", "Failed"):
            return
        if status.get("startTime"):
            self._start(f"pod {uid} lost", lambda: self._lost(pod))
            self._ended.add(uid)
            return
        runner = self._runners[uid] = PodRunner(
            cluster=self._cluster, pod=pod, folder=self._folder, clock=self._clock, sink=self._sink
        )
        self._start(f"pod {uid}", lambda: self._run(uid, runner))

    def _sink(self, pod: JsonObject, container: str) -> Sink | LogPush:
        return self._logs.sink(pod, container) if self._logs else LogPush(self._cluster, pod, container)

    async def _run(self, uid: str, runner: PodRunner) -> None:
        try:
            await runner.run()
        finally:
            self._runners.pop(uid, None)
            self._ended.add(uid)

    async def _lost(self, pod: JsonObject) -> None:
        """A pod that ran under an earlier agent: its processes ended with that agent."""
        now = stamp(self._clock.now())
        meta = pod["metadata"]
        status = pod["status"]
        for field in ("initContainerStatuses", "containerStatuses"):
            for entry in status.get(field) or []:
                if "terminated" not in entry["state"]:
                    words = "The container could not be located when the node's agent was started again"
                    end = {"exitCode": 137, "reason": "ContainerStatusUnknown", "message": words}
                    entry |= {
                        "state": {"terminated": end | {"finishedAt": now}},
                        "ready": False,
                        "started": False,
                    }
        body = {"status": status | {"phase": "Failed"}}
        await self._cluster.patch(f"{paths.pods(meta['namespace'], meta['name'])}/status", body)

    def _delete(self, pod: JsonObject) -> None:
        uid = pod["metadata"]["uid"]
        if uid not in self._deleting:
            self._deleting.add(uid)
            self._start(f"pod {uid} deletion", lambda: self._deleted(pod))

    async def _deleted(self, pod: JsonObject) -> None:
        """Ends the processes within the grace period, then deletes the pod for good."""
        meta = pod["metadata"]
        uid = pod["metadata"]["uid"]
        grace = float(meta.get("deletionGracePeriodSeconds", GRACE_SECONDS))
        try:
            if (runner := self._runners.get(uid)) is not None:
                await runner.terminate(grace)
                while uid in self._runners:
                    await self._clock.sleep(0.05)
            await self._cluster.delete(paths.pods(meta["namespace"], meta["name"]), uid=uid, grace_seconds=0)
        except NotFoundInCluster:
            log.debug("pod %s is gone already", meta["name"])
        finally:
            self._deleting.discard(uid)

    def _end(self, uid: str, grace: float) -> None:
        runner = self._runners.get(uid)
        if runner is not None and uid not in self._deleting:
            self._start(f"pod {uid} end", lambda: runner.terminate(grace))

    def _start(self, name: str, work: Any) -> None:
        if not self._supervisor.running(name):
            self._supervisor.start(name, work, death="quiet")


async def run_agent(
    kubeconfig: Path, name: str, folder: Path, *, address: str = "127.0.0.1", place: bool = False
) -> None:
    """Serves the node `name` of the cluster until cancelled; raises ClusterUnreachable, ToolMissing.

    With `place` pods that no scheduler placed are run here too. Logs are served on `address`, as a kubelet's
    are; an embedded API server has none of its own fetched and takes them pushed.
    """
    clock = SystemClock()
    supervisor = Supervisor(clock)
    cluster = await Cluster.connect(kubeconfig=kubeconfig)
    logs: LogServer | None = None
    try:
        if OURS not in str((await cluster.get("/version")).get("gitVersion")):
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
        )
        await agent.start()
        if place:
            await _place(cluster, name, clock, supervisor)
        await asyncio.Event().wait()
    except KronkeepError:
        log.error("node %s cannot serve", name)
        raise
    finally:
        await supervisor.close()
        if logs is not None:
            await logs.close()
        await cluster.close()


async def _place(cluster: Cluster, name: str, clock: Clock, supervisor: Supervisor) -> None:
    placer = Placer(cluster, name)
    watch = ListWatch(
        cluster,
        paths.pods(),
        on_sync=placer.sync,
        on_event=placer.event,
        clock=clock,
        kind=JsonObject,
        params={"fieldSelector": "spec.nodeName="},
    )
    supervisor.start(f"node {name} unplaced pods", watch.run, death="restart")
    supervisor.start(f"node {name} placing", placer.run, death="restart")
