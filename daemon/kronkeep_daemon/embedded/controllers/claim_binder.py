"""The binding of PersistentVolumeClaims.

A claim is bound at once to a volume that exists in name only: the node's agent creates a folder for the
claim. One with a `dataSource` is filled by the driver first: from a VolumeSnapshot, or from another claim.
The folder of such a claim is removed with it; others are kept. Access modes and sizes are not checked.
"""

from kronkeep_daemon.embedded.controllers.cached_collection import CachedCollection, ClusterObjects
from kronkeep_daemon.embedded.controllers.object_fields import is_deleting, key_of
from kronkeep_daemon.embedded.folder_driver import FolderDriver
from kronkeep_daemon.kube.objects import JsonObject

SOURCE_SECONDS = 0.2  # between two looks at what a claim is filled from
FILLED = "kronkeep.dev/filled-by-driver"


class ClaimBinder:
    """The controller that sets `spec.volumeName` and the phase Bound of claims."""

    def __init__(self, objects: ClusterObjects, driver: FolderDriver) -> None:
        self._claims: CachedCollection = objects.claims
        self._snapshots = objects.snapshots
        self._driver = driver

    async def sync(self, namespace: str, name: str) -> float | None:
        """Bind the claim unless it is bound."""
        claim = self._claims.cache.get(namespace, name)
        if claim is None:
            return None
        if is_deleting(claim):
            await self._remove_folder(claim)
            return None
        if (claim.get("status") or {}).get("phase") == "Bound":
            return None
        source = claim["spec"].get("dataSource")
        if source is not None and not await self._fill(claim, source):
            return SOURCE_SECONDS
        volume = f"pvc-{claim['metadata']['uid']}"
        await self._claims.patch(claim, {"spec": {"volumeName": volume}})
        status = {
            "phase": "Bound",
            "accessModes": claim["spec"].get("accessModes"),
            "capacity": (claim["spec"].get("resources") or {}).get("requests"),
        }
        await self._claims.patch_status(claim, status)
        return None

    async def _fill(self, claim: JsonObject, source: JsonObject) -> bool:
        """Fill the claim from what it names; return whether that was there."""
        namespace, name = key_of(claim)
        if source["kind"] == "VolumeSnapshot":
            snapshot = self._snapshots.cache.get(namespace, source["name"])
            if snapshot is None or not (snapshot.get("status") or {}).get("readyToUse"):
                return False
            content = snapshot["status"]["boundVolumeSnapshotContentName"]
            await self._claims.patch(claim, {"metadata": {"finalizers": [FILLED]}})
            await self._driver.fill_from_snapshot(namespace, name, content)
        else:
            original = self._claims.cache.get(namespace, source["name"])
            if original is None or (original.get("status") or {}).get("phase") != "Bound":
                return False
            await self._claims.patch(claim, {"metadata": {"finalizers": [FILLED]}})
            await self._driver.clone(namespace, name, source["name"])
        return True

    async def _remove_folder(self, claim: JsonObject) -> None:
        """Remove the folder of a claim that the driver has filled."""
        if FILLED in (claim["metadata"].get("finalizers") or []):
            await self._driver.remove_volume(*key_of(claim))
            await self._claims.remove_finalizer(claim, FILLED)
