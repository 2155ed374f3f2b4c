"""Places pods on this node that nobody else placed: for a control plane without a scheduler."""

import asyncio
import logging

from kronkeep_common.errors import KronkeepError
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.objects import JsonObject

log = logging.getLogger(__name__)
PATIENCE = 1.0  # for a scheduler, if there is one after all


class Placer:
    """Binds pending pods to one node, a second after they came."""

    def __init__(self, cluster: Cluster, node: str) -> None:
        self._cluster = cluster
        self._node = node
        self._queue: asyncio.Queue[JsonObject] = asyncio.Queue(10_000)

    def sync(self, pods: list[JsonObject]) -> None:
        """A full list of pods without a node."""
        for pod in pods:
            self.event("ADDED", pod)

    def event(self, kind: str, pod: JsonObject) -> None:
        """One event of their watch."""
        gone = kind == "DELETED" or pod["metadata"].get("deletionTimestamp")
        held = pod["spec"].get("nodeName") or pod["spec"].get("schedulingGates")
        if not gone and not held and not self._queue.full():
            self._queue.put_nowait(pod)

    async def run(self) -> None:
        """Binds for ever; what cannot be bound comes again with the watch's next list."""
        while True:
            pod = await self._queue.get()
            await asyncio.sleep(PATIENCE)
            meta = pod["metadata"]
            body = {
                "apiVersion": "v1",
                "kind": "Binding",
                "metadata": {"name": meta["name"], "namespace": meta["namespace"]},
                "target": {"apiVersion": "v1", "kind": "Node", "name": self._node},
            }
            try:
                await self._cluster.create(f"{paths.pods(meta['namespace'], meta['name'])}/binding", body)
            except KronkeepError as fault:
                log.info("pod %s is not placed here: %s", meta["name"], fault)
