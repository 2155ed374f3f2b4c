"""The garbage collector: deletes objects that have lost their owners, and completes foreground deletions.

An object is deleted when none of its owners exists any more; while some are left, only the references to the
others are removed. An owner that is being deleted in the foreground (finalizer `foregroundDeletion`) has its
dependents deleted, and is released when none is left that blocks it (`blockOwnerDeletion`). Orphaning is done
by the API server at once. Owners are looked for in the dependent's namespace only.
"""

from typing import NamedTuple

import msgspec

from kronkeep_daemon.embedded.controllers.cached_collection import CachedCollection, ClusterObjects
from kronkeep_daemon.embedded.controllers.object_fields import (
    FOREGROUND_FINALIZER,
    TRACKING_FINALIZER,
    is_deleting,
    is_tracked,
    owners_of,
    uid_of,
)
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject

PLURALS = {
    "CronJob": "cronjobs",
    "Job": "jobs",
    "Pod": "pods",
    "PersistentVolumeClaim": "persistentvolumeclaims",
    "VolumeSnapshot": "volumesnapshots",
    "Secret": "secrets",
    "ConfigMap": "configmaps",
    "ServiceAccount": "serviceaccounts",
}
UNCACHED_KINDS = ("Secret", "ConfigMap")  # listed at each collection


class TypedObject(NamedTuple):
    """An object and its kind, which lists leave out."""

    kind: str
    object: JsonObject


class GarbagePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What is done in one namespace: objects to delete, to release, and to remove vanished owners from."""

    delete: list[TypedObject]
    release: list[TypedObject]
    unlink: list[TypedObject]


def plan_collection(objects: list[TypedObject], absent_owners: set[str]) -> GarbagePlan:
    """Return what to do with the objects of one namespace, given the uids of owners that do not exist."""
    in_foreground = {uid_of(obj) for _, obj in objects if _is_deleting_in_foreground(obj)}
    blocked = {ref["uid"] for _, obj in objects for ref in owners_of(obj) if ref.get("blockOwnerDeletion")}
    plan = GarbagePlan(delete=[], release=[], unlink=[])
    for entry in objects:
        obj = entry.object
        if _is_deleting_in_foreground(obj) and uid_of(obj) not in blocked:
            plan.release.append(entry)
        if is_deleting(obj):
            continue
        owners = [ref["uid"] for ref in owners_of(obj)]
        absent = [uid for uid in owners if uid in absent_owners]
        # One owner that is left keeps an object: then only the references to the absent ones go.
        if owners and (len(absent) == len(owners) or in_foreground.intersection(owners)):
            plan.delete.append(entry)
        elif absent:
            plan.unlink.append(entry)
    return plan


def _is_deleting_in_foreground(obj: JsonObject) -> bool:
    return is_deleting(obj) and FOREGROUND_FINALIZER in (obj["metadata"].get("finalizers") or [])


class GarbageCollector:
    """The controller that looks at a namespace whenever something in it was deleted."""

    def __init__(self, cluster: Cluster, objects: ClusterObjects) -> None:
        self._cluster = cluster
        self._pods = objects.pods
        self._cached: dict[str, CachedCollection] = {
            "CronJob": objects.cronjobs,
            "Job": objects.jobs,
            "Pod": objects.pods,
            "PersistentVolumeClaim": objects.claims,
            "VolumeSnapshot": objects.snapshots,
        }

    async def sync(self, namespace: str, _: str) -> float | None:
        """Collect the garbage of a namespace."""
        objects = await self._list_objects(namespace)
        absent = await self._find_absent_owners(namespace, objects)
        plan = plan_collection(objects, absent)
        for entry in plan.delete:
            await self._delete(entry)
        for entry in plan.release:
            finalizers = entry.object["metadata"].get("finalizers") or []
            others = [finalizer for finalizer in finalizers if finalizer != FOREGROUND_FINALIZER]
            await self._patch_metadata(entry, {"finalizers": others or None})
        for entry in plan.unlink:
            present = [ref for ref in owners_of(entry.object) if ref["uid"] not in absent]
            await self._patch_metadata(entry, {"ownerReferences": present or None})
        return None

    async def _list_objects(self, namespace: str) -> list[TypedObject]:
        objects = [
            TypedObject(kind, obj)
            for kind, collection in self._cached.items()
            for obj in collection.cache.all(namespace)
        ]
        for kind in UNCACHED_KINDS:
            items, _ = await self._cluster.list(paths.core(PLURALS[kind], namespace))
            objects += [TypedObject(kind, obj) for obj in items]
        return objects

    async def _find_absent_owners(self, namespace: str, objects: list[TypedObject]) -> set[str]:
        """Return the uids of owners that do not exist.

        The API server decides, because a cache may not have seen an owner yet.
        """
        present = {uid_of(obj) for _, obj in objects}
        owners = {ref["uid"]: ref for _, obj in objects for ref in owners_of(obj) if ref["kind"] in PLURALS}
        absent = set()
        for uid, reference in owners.items():
            if uid not in present and not await self._exists(namespace, reference):
                absent.add(uid)
        return absent

    async def _exists(self, namespace: str, reference: JsonObject) -> bool:
        try:
            owner = await self._cluster.get(_path_of(reference["kind"], namespace, reference["name"]))
        except NotFoundInCluster:
            return False
        return bool(owner["metadata"]["uid"] == reference["uid"])

    async def _delete(self, entry: TypedObject) -> None:
        kind, obj = entry
        if kind == "Pod" and is_tracked(obj):
            # Its Job is gone, so no Job controller will count the pod and remove the finalizer.
            await self._pods.remove_finalizer(obj, TRACKING_FINALIZER)
        propagation = "Foreground" if kind in ("Job", "CronJob") else "Background"
        if kind in self._cached:
            await self._cached[kind].delete(obj, propagation=propagation)
        else:
            await self._cluster.delete(_path_of_object(entry), uid=uid_of(obj), propagation=propagation)

    async def _patch_metadata(self, entry: TypedObject, fields: JsonObject) -> None:
        body = {"metadata": {"uid": uid_of(entry.object), **fields}}
        try:
            await self._cluster.patch(_path_of_object(entry), body)
        except NotFoundInCluster:
            return


def _path_of_object(entry: TypedObject) -> str:
    meta = entry.object["metadata"]
    return _path_of(entry.kind, meta["namespace"], meta["name"])


def _path_of(kind: str, namespace: str, name: str) -> str:
    """Return the path of an object of one of the kinds in PLURALS."""
    if kind == "VolumeSnapshot":
        return paths.volume_snapshots(namespace, name)
    group = paths.batch if kind in ("Job", "CronJob") else paths.core
    return group(PLURALS[kind], namespace, name)
