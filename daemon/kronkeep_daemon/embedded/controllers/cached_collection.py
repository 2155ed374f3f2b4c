"""The objects of one kind: read from a cache, written through the API server."""

from collections.abc import Callable

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_daemon.embedded.controllers.object_cache import ObjectCache, OnChange
from kronkeep_daemon.embedded.controllers.object_fields import key_of, uid_of
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.kube.timestamps import format_timestamp
from kronkeep_daemon.kube.watch import ListWatch, WholeList

PathOf = Callable[[str | None, str | None], str]


class CachedCollection:
    """One kind of objects in all namespaces; `path_of(namespace, name)` is one of the functions in
    kube.paths.

    Each write goes to the cache at once, so that the next plan is made from what this controller has done.
    `watch` keeps the cache current while it runs.
    """

    def __init__(self, *, cluster: Cluster, path_of: PathOf, on_change: OnChange, clock: Clock) -> None:
        self._cluster = cluster
        self._path_of = path_of
        self._clock = clock
        self.path = path_of(None, None)
        self.cache = ObjectCache(on_change)
        self.watch = ListWatch(
            cluster,
            self.path,
            receiver=WholeList(self.cache.sync),
            on_event=self.cache.event,
            clock=clock,
            kind=JsonObject,
        )

    async def fetch(self, namespace: str, name: str) -> JsonObject:
        """Return the object as the API server has it; raises NotFoundInCluster."""
        obj = await self._cluster.get(self._path_of(namespace, name))
        self.cache.put_written(obj)
        return obj

    async def create(self, namespace: str, body: JsonObject) -> JsonObject:
        """Create an object; raises AlreadyExists, InvalidObject."""
        created = await self._cluster.create(self._path_of(namespace, None), body)
        self.cache.put_written(created)
        return created

    async def patch(self, obj: JsonObject, body: JsonObject) -> JsonObject:
        """Merge `body` into the object; raises NotFoundInCluster."""
        patched = await self._cluster.patch(self._path(obj), body)
        self.cache.put_written(patched)
        return patched

    async def patch_status(self, obj: JsonObject, status: JsonObject) -> JsonObject:
        """Merge `status` into the object's status; raises NotFoundInCluster."""
        patched = await self._cluster.patch(f"{self._path(obj)}/status", {"status": status})
        self.cache.put_written(patched)
        return patched

    async def replace_status(self, obj: JsonObject, status: JsonObject) -> JsonObject:
        """Write the status of an object that must not have changed meanwhile.

        Raises ConflictInCluster where it has, NotFoundInCluster where it has been deleted.
        """
        try:
            replaced = await self._cluster.replace(f"{self._path(obj)}/status", {**obj, "status": status})
        except NotFoundInCluster:
            self.cache.drop(obj)
            raise
        self.cache.put_written(replaced)
        return replaced

    async def remove_finalizer(self, obj: JsonObject, finalizer: str) -> None:
        """Remove a finalizer; an object that has been deleted is dropped from the cache."""
        others = [entry for entry in obj["metadata"].get("finalizers") or [] if entry != finalizer]
        try:
            await self.patch(obj, {"metadata": {"uid": uid_of(obj), "finalizers": others or None}})
        except NotFoundInCluster:
            self.cache.drop(obj)

    async def delete(self, obj: JsonObject, *, propagation: str = "Background") -> None:
        """Begin the deletion of an object; one that is absent is fine."""
        await self._cluster.delete(self._path(obj), uid=uid_of(obj), propagation=propagation)
        self.cache.mark_deleting(obj, format_timestamp(self._clock.now()))

    def _path(self, obj: JsonObject) -> str:
        return self._path_of(*key_of(obj))


class ClusterObjects(msgspec.Struct, frozen=True, kw_only=True):
    """The collections that the controllers share."""

    cronjobs: CachedCollection
    jobs: CachedCollection
    pods: CachedCollection
    claims: CachedCollection
    nodes: CachedCollection
    snapshots: CachedCollection

    def collections(self) -> tuple[CachedCollection, ...]:
        """Return all of them."""
        return self.cronjobs, self.jobs, self.pods, self.claims, self.nodes, self.snapshots
