"""VolumeSnapshots of snapshot.storage.k8s.io/v1: the snapshot controller and the driver's sidecar in one.

Implemented: the default class, the content with its deletion policy, the finalizer that keeps a snapshot
until its content is gone, `status.error` of what cannot be made, which is tried again. A class whose
parameters have `fail` makes no snapshot and says that text, for tests. Not implemented: existing contents,
groups.
"""

from contextlib import suppress

from kronkeep_common.clock import Clock
from kronkeep_daemon.embedded.controllers.cached_collection import ClusterObjects
from kronkeep_daemon.embedded.controllers.object_fields import is_deleting, key_of, uid_of
from kronkeep_daemon.embedded.folder_driver import FolderDriver
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import AlreadyExists, NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.kube.timestamps import format_timestamp

DEFAULT_CLASS = "snapshot.storage.kubernetes.io/is-default-class"
FINALIZER = "snapshot.storage.kubernetes.io/volumesnapshot-bound-protection"
RETRY_SECONDS = 1.0


class SnapshotController:
    """The controller that makes and removes what VolumeSnapshots ask for."""

    def __init__(
        self, *, cluster: Cluster, objects: ClusterObjects, driver: FolderDriver, clock: Clock
    ) -> None:
        self._cluster = cluster
        self._claims = objects.claims
        self._snapshots = objects.snapshots
        self._driver = driver
        self._clock = clock

    async def sync(self, namespace: str, name: str) -> float | None:
        """Make the snapshot, or remove it where it is being deleted."""
        snapshot = self._snapshots.cache.get(namespace, name)
        if snapshot is None:
            return None
        if is_deleting(snapshot):
            await self._remove(snapshot)
            return None
        if (snapshot.get("status") or {}).get("readyToUse"):
            return None
        snapshot_class = await self._find_class(snapshot)
        fault = await self._find_fault(snapshot, snapshot_class)
        if fault or snapshot_class is None:
            error = {"message": fault, "time": format_timestamp(self._clock.now())}
            await self._snapshots.patch_status(snapshot, {"readyToUse": False, "error": error})
            return RETRY_SECONDS
        await self._make(snapshot, snapshot_class)
        return None

    async def _find_class(self, snapshot: JsonObject) -> JsonObject | None:
        """Return the class that the snapshot names, or the default one."""
        classes, _ = await self._cluster.list(paths.volume_snapshot_classes())
        wanted = snapshot["spec"].get("volumeSnapshotClassName")
        for candidate in classes:
            meta = candidate["metadata"]
            is_default = (meta.get("annotations") or {}).get(DEFAULT_CLASS) == "true"
            if meta["name"] == wanted or (wanted is None and is_default):
                return candidate
        return None

    async def _find_fault(self, snapshot: JsonObject, snapshot_class: JsonObject | None) -> str:
        """Return why the snapshot cannot be made now; empty where it can."""
        namespace, _ = key_of(snapshot)
        name = snapshot["spec"]["source"].get("persistentVolumeClaimName", "")
        claim = self._claims.cache.get(namespace, name)
        if snapshot_class is None:
            return "failed to get the VolumeSnapshotClass"
        if claim is None or (claim.get("status") or {}).get("phase") != "Bound":
            return f'the PVC "{name}" is not there, or not bound yet'
        try:
            storage = await self._cluster.get(paths.storage_classes(claim["spec"]["storageClassName"]))
        except NotFoundInCluster:
            return f'the StorageClass of the PVC "{name}" is not there'
        if storage["provisioner"] != snapshot_class["driver"]:
            return f"the driver {snapshot_class['driver']} is not that of the volume"
        return str((snapshot_class.get("parameters") or {}).get("fail", ""))

    async def _make(self, snapshot: JsonObject, snapshot_class: JsonObject) -> None:
        namespace, name = key_of(snapshot)
        claim = snapshot["spec"]["source"]["persistentVolumeClaimName"]
        content = f"snapcontent-{uid_of(snapshot)}"
        await self._snapshots.patch(snapshot, {"metadata": {"finalizers": [FINALIZER]}})
        await self._driver.make_snapshot(namespace, claim, content)
        reference = {"kind": "VolumeSnapshot", "namespace": namespace, "name": name, "uid": uid_of(snapshot)}
        body = {
            "metadata": {"name": content},
            "spec": {
                "deletionPolicy": snapshot_class["deletionPolicy"],
                "driver": snapshot_class["driver"],
                "source": {"volumeHandle": f"{namespace}/{claim}"},
                "volumeSnapshotClassName": snapshot_class["metadata"]["name"],
                "volumeSnapshotRef": reference,
            },
        }
        with suppress(AlreadyExists):  # a controller that was killed had got so far
            await self._cluster.create(paths.volume_snapshot_contents(), body)
        size = (self._claims.cache.get(namespace, claim) or {}).get("status", {}).get("capacity") or {}
        status = {
            "boundVolumeSnapshotContentName": content,
            "creationTime": format_timestamp(self._clock.now()),
            "readyToUse": True,
            "restoreSize": size.get("storage"),
            "error": None,
        }
        await self._snapshots.patch_status(snapshot, status)

    async def _remove(self, snapshot: JsonObject) -> None:
        """Remove content and files as the deletion policy says, then let the snapshot go."""
        content = f"snapcontent-{uid_of(snapshot)}"
        path = paths.volume_snapshot_contents(content)
        try:
            keeps = (await self._cluster.get(path))["spec"]["deletionPolicy"] == "Retain"
        except NotFoundInCluster:
            keeps = False
        if not keeps:
            await self._driver.remove_snapshot(content)
            await self._cluster.delete(path)
        await self._snapshots.remove_finalizer(snapshot, FINALIZER)
