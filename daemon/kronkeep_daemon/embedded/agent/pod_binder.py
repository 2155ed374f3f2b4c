"""The binding of pods to this node for a control plane that has no scheduler."""

import asyncio
import logging

from kronkeep_common.errors import KronkeepError
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.objects import JsonObject

log = logging.getLogger(__name__)
SCHEDULER_SECONDS = 1.0  # how long a pod is left to a scheduler, in case there is one
MOST_WAITING = 10_000


class PodBinder:
    """A queue of pods without a node, each of which is bound to one node after a second."""

    def __init__(self, cluster: Cluster, node: str) -> None:
        self._cluster = cluster
        self._node = node
        self._waiting: asyncio.Queue[JsonObject] = asyncio.Queue(MOST_WAITING)

    def sync(self, pods: list[JsonObject]) -> None:
        """Take the full list of pods without a node."""
        for pod in pods:
            self.event("ADDED", pod)

    def event(self, event_type: str, pod: JsonObject) -> None:
        """Take one event of the watch on pods without a node."""
        deleted = event_type == "DELETED" or pod["metadata"].get("deletionTimestamp")
        bound = pod["spec"].get("nodeName") or pod["spec"].get("schedulingGates")
        if not deleted and not bound and not self._waiting.full():
            self._waiting.put_nowait(pod)

    async def run(self) -> None:
        """Bind pods until cancelled; one that cannot be bound comes again with the watch's next list."""
        while True:
            pod = await self._waiting.get()
            await asyncio.sleep(SCHEDULER_SECONDS)
            meta = pod["metadata"]
            binding = {
                "apiVersion": "v1",
                "kind": "Binding",
                "metadata": {"name": meta["name"], "namespace": meta["namespace"]},
                "target": {"apiVersion": "v1", "kind": "Node", "name": self._node},
            }
            try:
                await self._cluster.create(f"{paths.pods(meta['namespace'], meta['name'])}/binding", binding)
            except KronkeepError as fault:
                log.info("pod %s was not bound to this node: %s", meta["name"], fault)
