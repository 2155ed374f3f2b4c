"""What the controllers share: mirrors of the collections, one queue of keys, a few workers, a sweep.

They speak to the API server over HTTP alone and keep nothing that they could not read again. Keys are
(what, namespace, name); a key is worked on by one worker at a time and waits in the queue once.
"""

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_daemon.embedded.controllers.claim_binder import ClaimBinder
from kronkeep_daemon.embedded.controllers.cronjob_controller import CronJobController
from kronkeep_daemon.embedded.controllers.event_recorder import Recorder
from kronkeep_daemon.embedded.controllers.garbage_collector import GarbageCollector, owners
from kronkeep_daemon.embedded.controllers.job_controller import JobController
from kronkeep_daemon.embedded.controllers.object_cache import Mirror, Mirrors, key_of
from kronkeep_daemon.embedded.controllers.object_fields import controller_of, stamp
from kronkeep_daemon.embedded.controllers.scheduler import Scheduler
from kronkeep_daemon.embedded.controllers.work_queue import Key, WorkQueue
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import ConflictInCluster, NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.kube.watch import ListWatch
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
Sync = Callable[[str, str], Awaitable[float | None]]
WORKERS = 8
BATCH_SECONDS = 1.0  # the real Job controller gathers pod updates for a second before it looks
GARBAGE_SECONDS = 0.05  # many deletions in a row are one look
CONFLICT_SECONDS = 0.2
FAULT_SECONDS = 2.0
EVENT_SECONDS = 3600.0  # kube-apiserver --event-ttl


class Controllers:
    """CronJob, Job, garbage, scheduling and claim controllers of one cluster."""

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        self._cluster = cluster
        self._clock = clock
        self._queue = WorkQueue()
        self._mirrors = Mirrors(
            cronjobs=Mirror(self._cronjob_changed),
            jobs=Mirror(self._job_changed),
            pods=Mirror(self._pod_changed),
            claims=Mirror(lambda kind, obj: self._changed(kind, "claim", obj)),
            nodes=Mirror(lambda *_: self._node_changed()),
        )
        recorder = Recorder(cluster, clock)
        self._jobs = JobController(cluster=cluster, mirrors=self._mirrors, recorder=recorder, clock=clock)
        garbage = GarbageCollector(cluster=cluster, mirrors=self._mirrors, jobs=self._jobs, clock=clock)
        self._syncs: dict[str, Sync] = {
            "cronjob": CronJobController(
                cluster=cluster, mirrors=self._mirrors, recorder=recorder, clock=clock
            ).sync,
            "job": self._jobs.sync,
            "pod": Scheduler(cluster, self._mirrors, recorder).sync,
            "claim": ClaimBinder(cluster, self._mirrors).sync,
            "garbage": lambda namespace, _: garbage.sync(namespace),
        }

    def start(self, supervisor: Supervisor) -> None:
        """Starts watches and workers as tasks of the supervisor."""
        watched = {
            paths.cronjobs(): self._mirrors.cronjobs,
            paths.jobs(): self._mirrors.jobs,
            paths.pods(): self._mirrors.pods,
            paths.claims(): self._mirrors.claims,
            paths.nodes(): self._mirrors.nodes,
        }
        for path, mirror in watched.items():
            watch = ListWatch(
                self._cluster,
                path,
                on_sync=mirror.sync,
                on_event=mirror.event,
                clock=self._clock,
                kind=JsonObject,
            )
            supervisor.start(f"controllers watch {path}", watch.run, death="restart")
        for number in range(WORKERS):
            supervisor.start(f"controllers worker {number}", self._work, death="restart")
        supervisor.start("controllers sweep", self._sweep, death="restart")

    def _changed(self, kind: str, what: str, obj: JsonObject) -> None:
        """Wants a look at the object, and at its namespace's garbage where that may have changed."""
        namespace, name = key_of(obj)
        if kind != "DELETED":
            self._queue.add((what, namespace, name))
        if kind == "DELETED" or obj["metadata"].get("deletionTimestamp") or (kind == "ADDED" and owners(obj)):
            self._queue.add(("garbage", namespace, ""), GARBAGE_SECONDS)

    def _cronjob_changed(self, kind: str, obj: JsonObject) -> None:
        self._changed(kind, "cronjob", obj)

    def _job_changed(self, kind: str, obj: JsonObject) -> None:
        self._changed(kind, "job", obj)
        owner = controller_of(obj)
        if owner is not None and owner["kind"] == "CronJob":
            self._queue.add(("cronjob", obj["metadata"]["namespace"], owner["name"]))

    def _pod_changed(self, kind: str, obj: JsonObject) -> None:
        self._changed(kind, "pod", obj)
        owner = controller_of(obj)
        if owner is not None and owner["kind"] == "Job":
            self._queue.add(("job", obj["metadata"]["namespace"], owner["name"]), BATCH_SECONDS)

    def _node_changed(self) -> None:
        for pod in self._mirrors.pods.all():
            if not pod["spec"].get("nodeName"):
                self._queue.add(("pod", *key_of(pod)))

    async def _work(self) -> None:
        await self._synced()
        while True:
            key = await self._queue.get()
            try:
                await self._one(key)
            finally:
                self._queue.done(key)

    async def _synced(self) -> None:
        mirrors = self._mirrors
        for mirror in (mirrors.cronjobs, mirrors.jobs, mirrors.pods, mirrors.claims, mirrors.nodes):
            await mirror.synced.wait()

    async def _one(self, key: Key) -> None:
        what, namespace, name = key
        try:
            again = await self._syncs[what](namespace, name)
        except (ConflictInCluster, NotFoundInCluster):
            again = CONFLICT_SECONDS
        except KronkeepError as fault:
            log.warning("controllers: %s %s/%s: %s", what, namespace, name, fault)
            again = FAULT_SECONDS
        if again is not None:
            self._queue.add(key, again)

    async def _sweep(self) -> None:
        """Each second finished Jobs past their TTL; each minute old Events, and garbage that came unseen."""
        await self._synced()
        second = 0
        while True:
            await self._clock.sleep(1.0)
            second += 1
            try:
                await self._jobs.expire()
                if second % 60 == 5:
                    await self._expire_events()
                    self._look_everywhere()
            except KronkeepError as fault:
                log.warning("controllers: the sweep: %s", fault)

    async def _expire_events(self) -> None:
        limit = stamp(self._clock.now() - timedelta(seconds=EVENT_SECONDS))
        items, _ = await self._cluster.list(paths.events())
        for event in items:
            if event["metadata"]["creationTimestamp"] < limit:
                await self._cluster.delete(paths.events(*key_of(event)))

    def _look_everywhere(self) -> None:
        mirrors = self._mirrors
        objects = [*mirrors.cronjobs.all(), *mirrors.jobs.all(), *mirrors.pods.all(), *mirrors.claims.all()]
        for namespace in {obj["metadata"]["namespace"] for obj in objects}:
            self._queue.add(("garbage", namespace, ""))
