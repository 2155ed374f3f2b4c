"""What the controllers share: caches of collections, one queue of keys, a few workers, a sweep every second.

The part of kube-controller-manager and kube-scheduler in this cluster. The controllers talk to the API server
over HTTP only and hold nothing that they could not read again. One worker at a time looks at a key, and a key
is in the queue once.
"""

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_daemon.embedded.controllers.cached_collection import CachedCollection, ClusterObjects
from kronkeep_daemon.embedded.controllers.claim_binder import ClaimBinder
from kronkeep_daemon.embedded.controllers.cronjob_controller import CronJobController
from kronkeep_daemon.embedded.controllers.event_recorder import EventRecorder
from kronkeep_daemon.embedded.controllers.garbage_collector import GarbageCollector
from kronkeep_daemon.embedded.controllers.job_controller import JobController
from kronkeep_daemon.embedded.controllers.object_fields import (
    controller_of,
    has_pod_ended,
    is_deleting,
    key_of,
    owners_of,
)
from kronkeep_daemon.embedded.controllers.scheduler import Scheduler
from kronkeep_daemon.embedded.controllers.snapshot_controller import SnapshotController
from kronkeep_daemon.embedded.controllers.work_queue import WorkKey, WorkQueue
from kronkeep_daemon.embedded.folder_driver import FolderDriver
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import ConflictInCluster, NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.kube.timestamps import format_timestamp
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
Sync = Callable[[str, str], Awaitable[float | None]]
WORKERS = 8
POD_BATCH_SECONDS = 1.0  # the real Job controller collects pod updates for a second before it looks
# Less after the end of a pod, which whoever waits for a Job waits for too; each state is still seen by
# whoever looks three times a second.
ENDED_POD_BATCH_SECONDS = 0.4
GARBAGE_BATCH_SECONDS = 0.05  # many deletions in a row are looked at together
CONFLICT_RETRY_SECONDS = 0.2
FAULT_RETRY_SECONDS = 2.0
SWEEP_SECONDS = 1.0
SWEEPS_PER_CLEANUP = 60
EVENT_SECONDS = 3600.0  # kube-apiserver --event-ttl


class ControllerManager:
    """The CronJob, Job, garbage, scheduling, claim and snapshot controllers of one cluster."""

    def __init__(self, cluster: Cluster, clock: Clock, driver: FolderDriver) -> None:
        self._cluster = cluster
        self._clock = clock
        self._queue = WorkQueue()
        collection = partial(CachedCollection, cluster=cluster, clock=clock)
        self._objects = ClusterObjects(
            cronjobs=collection(path_of=paths.cronjobs, on_change=partial(self._object_changed, "cronjob")),
            jobs=collection(path_of=paths.jobs, on_change=self._job_changed),
            pods=collection(path_of=paths.pods, on_change=self._pod_changed),
            claims=collection(path_of=paths.claims, on_change=partial(self._object_changed, "claim")),
            nodes=collection(path_of=partial(paths.core, "nodes"), on_change=self._node_changed),
            snapshots=collection(
                path_of=paths.volume_snapshots, on_change=partial(self._object_changed, "snapshot")
            ),
        )
        recorder = EventRecorder(cluster, clock)
        self._jobs = JobController(objects=self._objects, recorder=recorder, clock=clock)
        cronjobs = CronJobController(objects=self._objects, recorder=recorder, clock=clock)
        snapshots = SnapshotController(cluster=cluster, objects=self._objects, driver=driver, clock=clock)
        self._syncs: dict[str, Sync] = {
            "cronjob": cronjobs.sync,
            "job": self._jobs.sync,
            "pod": Scheduler(self._objects, recorder).sync,
            "claim": ClaimBinder(self._objects, driver).sync,
            "snapshot": snapshots.sync,
            "garbage": GarbageCollector(cluster, self._objects).sync,
        }

    def start(self, supervisor: Supervisor) -> None:
        """Start watches and workers as tasks of the supervisor."""
        for collection in self._objects.collections():
            name = f"controllers watch {collection.path}"
            supervisor.start(name, collection.watch.run, death="restart")
        for number in range(WORKERS):
            supervisor.start(f"controllers worker {number}", self._work, death="restart")
        supervisor.start("controllers sweep", self._sweep, death="restart")

    def _object_changed(self, work: str, event_type: str, obj: JsonObject) -> None:
        """Look at the object, and at its namespace's garbage where that may have changed."""
        namespace, name = key_of(obj)
        is_deleted = event_type == "DELETED"
        if not is_deleted:
            self._queue.add(WorkKey(work, namespace, name))
        is_new_dependent = event_type == "ADDED" and bool(owners_of(obj))
        if is_deleted or is_deleting(obj) or is_new_dependent:
            self._queue.add(WorkKey("garbage", namespace, ""), GARBAGE_BATCH_SECONDS)

    def _job_changed(self, event_type: str, job: JsonObject) -> None:
        self._object_changed("job", event_type, job)
        owner = controller_of(job)
        if owner is not None and owner["kind"] == "CronJob":
            self._queue.add(WorkKey("cronjob", job["metadata"]["namespace"], owner["name"]))

    def _pod_changed(self, event_type: str, pod: JsonObject) -> None:
        self._object_changed("pod", event_type, pod)
        owner = controller_of(pod)
        if owner is not None and owner["kind"] == "Job":
            key = WorkKey("job", pod["metadata"]["namespace"], owner["name"])
            self._queue.add(key, ENDED_POD_BATCH_SECONDS if has_pod_ended(pod) else POD_BATCH_SECONDS)

    def _node_changed(self, _event_type: str, _node: JsonObject) -> None:
        """Look at every pod that waits for a node."""
        for pod in self._objects.pods.cache.all():
            if not pod["spec"].get("nodeName"):
                self._queue.add(WorkKey("pod", *key_of(pod)))

    async def _work(self) -> None:
        await self._wait_for_caches()
        while True:
            key = await self._queue.get()
            try:
                await self._look_at(key)
            finally:
                self._queue.done(key)

    async def _wait_for_caches(self) -> None:
        for collection in self._objects.collections():
            await collection.cache.synced.wait()

    async def _look_at(self, key: WorkKey) -> None:
        """Run the key's controller, and put the key back where there is a time to look again."""
        try:
            requeue = await self._syncs[key.work](key.namespace, key.name)
        except (ConflictInCluster, NotFoundInCluster):
            requeue = CONFLICT_RETRY_SECONDS
        except KronkeepError as fault:
            log.warning("controllers: %s %s/%s: %s", key.work, key.namespace, key.name, fault)
            requeue = FAULT_RETRY_SECONDS
        if requeue is not None:
            self._queue.add(key, requeue)

    async def _sweep(self) -> None:
        """Do what no change of an object calls for.

        Every second ended Jobs past their time to live are deleted; every minute old Events are deleted and
        garbage that no event has reported is looked for.
        """
        await self._wait_for_caches()
        sweeps = 0
        while True:
            await self._clock.sleep(SWEEP_SECONDS)
            sweeps += 1
            try:
                await self._jobs.delete_expired()
                if sweeps % SWEEPS_PER_CLEANUP == 5:
                    await self._delete_old_events()
                    self._look_for_garbage()
            except KronkeepError as fault:
                log.warning("controllers: the sweep: %s", fault)

    async def _delete_old_events(self) -> None:
        limit = format_timestamp(self._clock.now() - timedelta(seconds=EVENT_SECONDS))
        events, _ = await self._cluster.list(paths.events())
        for event in events:
            if event["metadata"]["creationTimestamp"] < limit:
                await self._cluster.delete(paths.events(*key_of(event)))

    def _look_for_garbage(self) -> None:
        objects = self._objects
        namespaces = {
            obj["metadata"]["namespace"]
            for collection in (objects.cronjobs, objects.jobs, objects.pods, objects.claims)
            for obj in collection.cache.all()
        }
        for namespace in namespaces:
            self._queue.add(WorkKey("garbage", namespace, ""))
