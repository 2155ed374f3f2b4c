"""The garbage collector: what has lost its owners goes; what is deleted in the foreground waits for its own.

An object goes when none of its owners exists any more; with some left, only the references to the others go.
An owner being deleted in the foreground (finalizer `foregroundDeletion`) has its dependents deleted, and goes
when none is left that blocks it (`blockOwnerDeletion`). Orphaning is done by the API server at once.
"""

from typing import Any

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_daemon.embedded.controllers.job_controller import JobController
from kronkeep_daemon.embedded.controllers.object_cache import Mirrors
from kronkeep_daemon.embedded.controllers.object_fields import FOREGROUND, stamp, tracked
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject

PLURALS = {
    "CronJob": "cronjobs",
    "Job": "jobs",
    "Pod": "pods",
    "PersistentVolumeClaim": "persistentvolumeclaims",
    "Secret": "secrets",
    "ConfigMap": "configmaps",
    "ServiceAccount": "serviceaccounts",
}
LISTED = ("Secret", "ConfigMap")  # kinds without a mirror: read when a look is taken


class Plan(msgspec.Struct, frozen=True):
    """(kind, object) pairs: to delete with what hangs on them, to let go, to unlink from vanished owners."""

    delete: list[tuple[str, JsonObject]]
    let_go: list[tuple[str, JsonObject]]
    unlink: list[tuple[str, JsonObject]]


def plan(objects: list[tuple[str, JsonObject]], absent: set[str]) -> Plan:
    """What to do with the objects of one namespace, given the uids of owners that do not exist."""
    going = {obj["metadata"]["uid"] for _, obj in objects if _in_foreground(obj)}
    blocked = {ref["uid"] for _, obj in objects for ref in owners(obj) if ref.get("blockOwnerDeletion")}
    found = Plan([], [], [])
    for kind, obj in objects:
        uids = [ref["uid"] for ref in owners(obj)]
        lost = [uid for uid in uids if uid in absent]
        if _in_foreground(obj) and obj["metadata"]["uid"] not in blocked:
            found.let_go.append((kind, obj))
        if obj["metadata"].get("deletionTimestamp"):
            continue
        if uids and (len(lost) == len(uids) or going.intersection(uids)):
            found.delete.append((kind, obj))
        elif lost:
            found.unlink.append((kind, obj))
    return found


def owners(obj: JsonObject) -> list[JsonObject]:
    """The object's owner references."""
    return obj["metadata"].get("ownerReferences") or []


def _in_foreground(obj: JsonObject) -> bool:
    meta = obj["metadata"]
    return bool(meta.get("deletionTimestamp")) and FOREGROUND in (meta.get("finalizers") or [])


class GarbageCollector:
    """Takes one look at a namespace whenever something in it was deleted."""

    def __init__(self, *, cluster: Cluster, mirrors: Mirrors, jobs: JobController, clock: Clock) -> None:
        self._cluster = cluster
        self._mirrors = mirrors
        self._jobs = jobs
        self._clock = clock

    async def sync(self, namespace: str) -> float | None:
        """Deletes, lets go and unlinks what `plan` says."""
        objects = await self._objects(namespace)
        absent = await self._absent(namespace, objects)
        found = plan(objects, absent)
        for kind, obj in found.delete:
            await self._delete(kind, obj)
        for kind, obj in found.let_go:
            await self._patch(kind, obj, "finalizers", [f for f in _finalizers(obj) if f != FOREGROUND])
        for kind, obj in found.unlink:
            kept = [ref for ref in owners(obj) if ref["uid"] not in absent]
            await self._patch(kind, obj, "ownerReferences", kept)
        return None

    async def _objects(self, namespace: str) -> list[tuple[str, JsonObject]]:
        mirrors = {
            "CronJob": self._mirrors.cronjobs,
            "Job": self._mirrors.jobs,
            "Pod": self._mirrors.pods,
            "PersistentVolumeClaim": self._mirrors.claims,
        }
        found = [(kind, obj) for kind, mirror in mirrors.items() for obj in mirror.all(namespace)]
        for kind in LISTED:
            items, _ = await self._cluster.list(paths.core(PLURALS[kind], namespace))
            found += [(kind, obj) for obj in items]
        return found

    async def _absent(self, namespace: str, objects: list[tuple[str, JsonObject]]) -> set[str]:
        """The uids of owners that do not exist; the API server has the last word, for mirrors may lag."""
        present = {obj["metadata"]["uid"] for _, obj in objects}
        wanted = {ref["uid"]: ref for _, obj in objects for ref in owners(obj) if ref["kind"] in PLURALS}
        found = set()
        for uid, ref in wanted.items():
            if uid not in present and not await self._exists(namespace, ref):
                found.add(uid)
        return found

    async def _exists(self, namespace: str, ref: JsonObject) -> bool:
        try:
            owner = await self._cluster.get(path_of(ref["kind"], namespace, ref["name"]))
        except NotFoundInCluster:
            return False
        return bool(owner["metadata"]["uid"] == ref["uid"])

    async def _delete(self, kind: str, obj: JsonObject) -> None:
        meta = obj["metadata"]
        if kind == "Pod" and tracked(obj):
            await self._jobs.release(obj)
        propagation = "Foreground" if kind in ("Job", "CronJob") else "Background"
        path = path_of(kind, meta["namespace"], meta["name"])
        await self._cluster.delete(path, uid=meta["uid"], propagation=propagation)
        if kind == "Pod":
            self._mirrors.pods.expect_deletion(obj, stamp(self._clock.now()))

    async def _patch(self, kind: str, obj: JsonObject, field: str, kept: list[Any]) -> None:
        meta = obj["metadata"]
        body = {"metadata": {"uid": meta["uid"], field: kept or None}}
        try:
            await self._cluster.patch(path_of(kind, meta["namespace"], meta["name"]), body)
        except NotFoundInCluster:
            return


def _finalizers(obj: JsonObject) -> list[str]:
    return obj["metadata"].get("finalizers") or []


def path_of(kind: str, namespace: str, name: str) -> str:
    """The path of an object of one of the kinds in PLURALS."""
    group = paths.batch if kind in ("Job", "CronJob") else paths.core
    return group(PLURALS[kind], namespace, name)
