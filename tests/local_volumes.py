"""The volumes of an external cluster whose one node is this machine, as a provisioner of storage makes them.

    python -m tests.local_volumes KUBECONFIG FOLDER

binds each claim to the folder FOLDER/NAMESPACE/NAME by a volume of the type `local`, to which a kubelet
applies fsGroup and subPath as to a disk, and deletes the volume once its claim is gone. A claim of a block
volume is bound too, and no pod can use it. It runs until it is stopped.
"""

import asyncio
import logging
import sys
from pathlib import Path

from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import KronkeepError
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import AlreadyExists
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.kube.watch import ListWatch, WholeList

log = logging.getLogger(__name__)
PREFIX = "kronkeep-e2e-"


def volume_of(claim: JsonObject, folder: Path, node: str) -> JsonObject:
    """Return the volume of a claim: a folder of the node, which only this claim can have."""
    metadata = claim["metadata"]
    spec = claim["spec"]
    node_is_this = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"{PREFIX}{metadata['uid']}"},
        "spec": {
            "accessModes": spec["accessModes"],
            "capacity": spec["resources"]["requests"],
            "claimRef": {
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
            },
            "local": {"path": str(folder)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [node_is_this]}]}},
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": spec.get("storageClassName") or "",
            "volumeMode": spec.get("volumeMode", "Filesystem"),
        },
    }


class VolumeProvisioner:
    """Creates the volume of each claim that has none, and deletes those whose claims are gone."""

    def __init__(self, cluster: Cluster, folder: Path, node: str) -> None:
        self._cluster = cluster
        self._folder = folder
        self._node = node
        self._claims: asyncio.Queue[tuple[str, JsonObject]] = asyncio.Queue()

    async def run(self) -> None:
        """Run until cancelled."""
        watch = ListWatch(
            self._cluster,
            paths.claims(),
            receiver=WholeList(self._take_list),
            on_event=self._take_event,
            clock=SystemClock(),
            kind=JsonObject,
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(watch.run())
            group.create_task(self._provision())

    def _take_list(self, items: list[JsonObject]) -> None:
        for item in items:
            self._take_event("ADDED", item)

    def _take_event(self, event_type: str, item: JsonObject) -> None:
        self._claims.put_nowait((event_type, item))

    async def _provision(self) -> None:
        while True:
            event_type, claim = await self._claims.get()
            try:
                if event_type == "DELETED":
                    await self._delete_volume(claim)
                elif not claim["spec"].get("volumeName"):
                    await self._create_volume(claim)
            except KronkeepError as fault:
                log.warning("%s: %s", claim["metadata"]["name"], fault)

    async def _create_volume(self, claim: JsonObject) -> None:
        folder = self._folder / claim["metadata"]["namespace"] / claim["metadata"]["name"]
        folder.mkdir(parents=True, exist_ok=True)
        try:
            await self._cluster.create(paths.core("persistentvolumes"), volume_of(claim, folder, self._node))
        except AlreadyExists:
            return

    async def _delete_volume(self, claim: JsonObject) -> None:
        await self._cluster.delete(
            paths.core("persistentvolumes", None, f"{PREFIX}{claim['metadata']['uid']}")
        )


async def delete_old_volumes(cluster: Cluster) -> None:
    """Delete the volumes whose claims have gone while no provisioner ran."""
    volumes, _ = await cluster.list(paths.core("persistentvolumes"))
    for volume in volumes:
        name = volume["metadata"]["name"]
        if name.startswith(PREFIX) and volume["status"]["phase"] in ("Released", "Failed"):
            await cluster.delete(paths.core("persistentvolumes", None, name))


async def serve(kubeconfig: Path, folder: Path) -> None:
    """Provide volumes until stopped; the cluster's first node is this machine."""
    cluster = await Cluster.connect(kubeconfig=kubeconfig)
    try:
        await delete_old_volumes(cluster)
        nodes, _ = await cluster.list(paths.nodes())
        node = nodes[0]["metadata"]["labels"]["kubernetes.io/hostname"]
        await VolumeProvisioner(cluster, folder, node).run()
    finally:
        await cluster.close()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2])))
