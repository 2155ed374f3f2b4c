"""The shell around the pure cores: mirrors of the collections, one queue of keys, a few workers.

It speaks to the API server over HTTP alone and keeps nothing that it could not read again.
"""

import logging
import uuid
from collections.abc import Hashable
from datetime import timedelta
from typing import Any

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_daemon.embedded.controllers import cronjob as cronjob_core
from kronkeep_daemon.embedded.controllers import job as job_core
from kronkeep_daemon.embedded.controllers.mirror import Mirror, key_of
from kronkeep_daemon.embedded.controllers.objects import (
    FOREGROUND,
    TRACKING,
    controller_of,
    finished,
    moment,
    stamp,
)
from kronkeep_daemon.embedded.controllers.work_queue import WorkQueue
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import AlreadyExists, ConflictInCluster, NotFoundInCluster
from kronkeep_daemon.kube.watch import ListWatch
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
Object = dict[str, Any]
WORKERS = 8
BATCH_SECONDS = 1.0  # the real Job controller gathers pod updates for a second before it looks
RETRY_SECONDS = 0.2
EVENT_SECONDS = 3600.0  # kube-apiserver --event-ttl
OWNED = ("secrets", "configmaps", "persistentvolumeclaims")


class Controllers:
    """CronJob, Job, garbage, scheduling and claim controllers of one cluster."""

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        self._cluster = cluster
        self._clock = clock
        self._queue = WorkQueue()
        self.cronjobs = Mirror(self._cronjob_changed)
        self.jobs = Mirror(self._job_changed)
        self.pods = Mirror(self._pod_changed)
        self.claims = Mirror(lambda kind, obj: self._want(kind, "claim", obj))
        self.nodes = Mirror(lambda *_: self._node_changed())

    def start(self, supervisor: Supervisor) -> None:
        """Starts watches and workers as tasks of the supervisor."""
        watched = {
            paths.cronjobs(): self.cronjobs,
            paths.jobs(): self.jobs,
            paths.pods(): self.pods,
            paths.claims(): self.claims,
            paths.nodes(): self.nodes,
        }
        for path, mirror in watched.items():
            watch = ListWatch(
                self._cluster, path, on_sync=mirror.sync, on_event=mirror.event, clock=self._clock
            )
            supervisor.start(f"controllers watch {path}", watch.run, death="restart")
        for number in range(WORKERS):
            supervisor.start(f"controllers worker {number}", self._work, death="restart")
        supervisor.start("controllers sweep", self._sweep_forever, death="restart")

    def _want(self, kind: str, what: str, obj: Object, delay: float = 0.0) -> None:
        if kind != "DELETED":
            self._queue.add((what, *key_of(obj)), delay)

    def _cronjob_changed(self, kind: str, obj: Object) -> None:
        if kind == "DELETED":
            self._queue.add(("orphans", obj["metadata"]["namespace"], obj["metadata"]["uid"]))
        self._want(kind, "cronjob", obj)

    def _job_changed(self, kind: str, obj: Object) -> None:
        if kind == "DELETED":
            self._queue.add(("orphans", obj["metadata"]["namespace"], obj["metadata"]["uid"]))
        self._want(kind, "job", obj)
        owner = controller_of(obj)
        if owner is not None and owner["kind"] == "CronJob":
            self._queue.add(("cronjob", obj["metadata"]["namespace"], owner["name"]))

    def _pod_changed(self, kind: str, obj: Object) -> None:
        owner = controller_of(obj)
        namespace = obj["metadata"]["namespace"]
        if owner is not None and owner["kind"] == "Job":
            self._queue.add(("job", namespace, owner["name"]), BATCH_SECONDS)
        if kind != "DELETED" and not obj["spec"].get("nodeName"):
            self._queue.add(("pod", *key_of(obj)))

    def _node_changed(self) -> None:
        for pod in self.pods.all():
            if not pod["spec"].get("nodeName"):
                self._queue.add(("pod", *key_of(pod)))

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            try:
                await self._one(key)
            except (ConflictInCluster, NotFoundInCluster):
                self._queue.add(key, RETRY_SECONDS)
            except KronkeepError as fault:
                log.warning("controllers: %s: %s", key, fault)
                self._queue.add(key, 2.0)
            finally:
                self._queue.done(key)

    async def _one(self, key: Hashable) -> None:
        assert isinstance(key, tuple)
        what, namespace, name = key
        if what == "job":
            await self._job(namespace, name)
        elif what == "cronjob":
            await self._cronjob(namespace, name)
        elif what == "pod":
            await self._schedule(namespace, name)
        elif what == "claim":
            await self._bind(namespace, name)
        elif what == "orphans":
            await self._orphans(namespace, name)

    def _pods_of(self, job: Object) -> list[Object]:
        uid = job["metadata"]["uid"]
        return [pod for pod in self.pods.all() if (controller_of(pod) or {}).get("uid") == uid]

    async def _job(self, namespace: str, name: str) -> None:
        job = self.jobs.get((namespace, name))
        if job is None:
            return
        if FOREGROUND in (job["metadata"].get("finalizers") or []):
            await self._foreground(job)
            return
        pods = self._pods_of(job)
        now = self._clock.now()
        plan = job_core.plan({**job, "lastFailure": job_core.last_failure(pods)}, pods, now)
        for pod in plan.create:
            made = await self._cluster.create(paths.pods(namespace), pod)
            self.pods.put(made)
            await self._tell(
                job, "Job", "Normal", "SuccessfulCreate", f"Created pod: {made['metadata']['name']}"
            )
        for pod in plan.delete:
            await self._cluster.delete(paths.pods(*key_of(pod)), uid=pod["metadata"]["uid"])
        if plan.statuses:
            job = await self._job_status(job, plan.statuses[0])
        for pod in plan.release:
            await self._release(pod)
        for status in plan.statuses[1:]:
            job = await self._job_status(job, status)
        for kind, reason, message in plan.events:
            await self._tell(job, "Job", kind, reason, message)
        if plan.requeue is not None:
            self._queue.add(("job", namespace, name), plan.requeue)

    async def _job_status(self, job: Object, status: Object) -> Object:
        body = {**job, "status": status}
        new = await self._cluster.replace(f"{paths.jobs(*key_of(job))}/status", body)
        self.jobs.put(new)
        return new

    async def _release(self, pod: Object) -> None:
        kept = [f for f in pod["metadata"].get("finalizers") or [] if f != TRACKING]
        body = {"metadata": {"finalizers": kept or None}}
        try:
            self.pods.put(await self._cluster.patch(paths.pods(*key_of(pod)), body))
        except NotFoundInCluster:
            self.pods.drop(pod)

    async def _foreground(self, job: Object) -> None:
        """Deletes the pods first; the Job goes when none is left."""
        pods = self._pods_of(job)
        for pod in pods:
            await self._release(pod)
            await self._cluster.delete(paths.pods(*key_of(pod)), uid=pod["metadata"]["uid"])
        if not pods:
            kept = [f for f in job["metadata"]["finalizers"] if f != FOREGROUND]
            await self._cluster.patch(paths.jobs(*key_of(job)), {"metadata": {"finalizers": kept or None}})
        else:
            self._queue.add(("job", *key_of(job)), RETRY_SECONDS)

    async def _cronjob(self, namespace: str, name: str) -> None:
        cronjob = self.cronjobs.get((namespace, name))
        if cronjob is None:
            return
        jobs = cronjob_core.controlled(cronjob, list(self.jobs.all()))
        plan = cronjob_core.plan(cronjob, jobs, self._clock.now())
        for job in plan.delete + plan.replace:
            await self._cluster.delete(paths.jobs(*key_of(job)), uid=job["metadata"]["uid"])
            self.jobs.drop(job)
        if plan.create is not None:
            await self._start_run(namespace, plan)
        if plan.status != (cronjob.get("status") or {}):
            path = f"{paths.cronjobs(namespace, name)}/status"
            self.cronjobs.put(await self._cluster.replace(path, {**cronjob, "status": plan.status}))
        for kind, reason, message in plan.events:
            await self._tell(cronjob, "CronJob", kind, reason, message)
        if plan.requeue is not None:
            self._queue.add(("cronjob", namespace, name), plan.requeue)

    async def _start_run(self, namespace: str, plan: cronjob_core.Plan) -> None:
        assert plan.create is not None
        try:
            job = await self._cluster.create(paths.jobs(namespace), plan.create)
        except AlreadyExists:
            job = await self._cluster.get(paths.jobs(namespace, plan.create["metadata"]["name"]))
        self.jobs.put(job)
        if finished(job):
            return
        reference = {
            "kind": "Job",
            "namespace": namespace,
            "name": job["metadata"]["name"],
            "uid": job["metadata"]["uid"],
            "apiVersion": "batch/v1",
            "resourceVersion": job["metadata"]["resourceVersion"],
        }
        plan.status.setdefault("active", []).append(reference)

    async def _schedule(self, namespace: str, name: str) -> None:
        pod = self.pods.get((namespace, name))
        if pod is None or pod["spec"].get("nodeName"):
            return
        node = self._choose(pod)
        if node is None:
            return
        body = {"spec": {"nodeName": node}}
        self.pods.put(await self._cluster.patch(paths.pods(namespace, name), body))
        message = f"Successfully assigned {namespace}/{name} to {node}"
        await self._tell(pod, "Pod", "Normal", "Scheduled", message, component="default-scheduler")

    def _choose(self, pod: Object) -> str | None:
        """The ready node with the fewest running pods that the pod's nodeSelector takes."""
        selector = pod["spec"].get("nodeSelector") or {}
        load: dict[str, int] = {}
        for node in self.nodes.all():
            labels = node["metadata"].get("labels") or {}
            if _ready(node) and all(labels.get(key) == value for key, value in selector.items()):
                load[node["metadata"]["name"]] = 0
        for other in self.pods.all():
            name = other["spec"].get("nodeName")
            if name in load and (other.get("status") or {}).get("phase") in ("Pending", "Running"):
                load[name] += 1
        return min(load, key=lambda name: (load[name], name)) if load else None

    async def _bind(self, namespace: str, name: str) -> None:
        claim = self.claims.get((namespace, name))
        if claim is None or (claim.get("status") or {}).get("phase") == "Bound":
            return
        volume = f"pvc-{claim['metadata']['uid']}"
        await self._cluster.patch(paths.claims(namespace, name), {"spec": {"volumeName": volume}})
        status = {
            "phase": "Bound",
            "accessModes": claim["spec"].get("accessModes"),
            "capacity": (claim["spec"].get("resources") or {}).get("requests"),
        }
        await self._cluster.patch(f"{paths.claims(namespace, name)}/status", {"status": status})

    async def _orphans(self, namespace: str, uid: str) -> None:
        """Deletes what the vanished owner `uid` owned; pods are first released from the Job's count."""
        for pod in self.pods.all():
            if _owned(pod, uid):
                await self._release(pod)
                await self._cluster.delete(paths.pods(*key_of(pod)), uid=pod["metadata"]["uid"])
        for job in self.jobs.all():
            if _owned(job, uid):
                await self._cluster.delete(paths.jobs(*key_of(job)), uid=job["metadata"]["uid"])
        for plural in OWNED:
            items, _ = await self._cluster.list(paths.core(plural, namespace))
            for obj in items:
                if _owned(obj, uid):
                    await self._cluster.delete(paths.core(plural, *key_of(obj)))

    async def _sweep_forever(self) -> None:
        """Every second what has lived its time: finished Jobs past their TTL; every minute old Events and
        dependents whose owner went while nobody looked."""
        minute = 0
        while True:
            await self._clock.sleep(1.0)
            await self._expire_jobs()
            minute = (minute + 1) % 60
            if minute == 5:
                await self._expire_events()
                self._find_orphans()

    async def _expire_jobs(self) -> None:
        now = self._clock.now()
        for job in self.jobs.all():
            seconds = job["spec"].get("ttlSecondsAfterFinished")
            if seconds is None or job["metadata"].get("deletionTimestamp") or not finished(job):
                continue
            ended = max(c["lastTransitionTime"] for c in job["status"]["conditions"])
            if (moment(ended) or now) + timedelta(seconds=seconds) <= now:
                await self._cluster.delete(
                    paths.jobs(*key_of(job)), uid=job["metadata"]["uid"], propagation="Foreground"
                )

    async def _expire_events(self) -> None:
        limit = stamp(self._clock.now() - timedelta(seconds=EVENT_SECONDS))
        items, _ = await self._cluster.list(paths.events())
        for event in items:
            if event["metadata"]["creationTimestamp"] < limit:
                await self._cluster.delete(paths.events(*key_of(event)))

    def _find_orphans(self) -> None:
        alive = {obj["metadata"]["uid"] for mirror in (self.cronjobs, self.jobs) for obj in mirror.all()}
        for obj in [*self.jobs.all(), *self.pods.all()]:
            for owner in obj["metadata"].get("ownerReferences") or []:
                if owner["kind"] in ("CronJob", "Job") and owner["uid"] not in alive:
                    self._queue.add(("orphans", obj["metadata"]["namespace"], owner["uid"]))

    async def _tell(
        self, obj: Object, kind: str, level: str, reason: str, message: str, component: str | None = None
    ) -> None:
        """Publishes an Event; one that fails is only logged, as client-go does."""
        meta, now = obj["metadata"], stamp(self._clock.now())
        source = component or f"{kind.lower()}-controller"
        involved = {"kind": kind, "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]}
        involved |= {
            "apiVersion": "v1" if kind == "Pod" else "batch/v1",
            "resourceVersion": meta["resourceVersion"],
        }
        body = {
            "metadata": {"name": f"{meta['name']}.{uuid.uuid4().hex[:16]}", "namespace": meta["namespace"]},
            "involvedObject": involved,
            "reason": reason,
            "message": message,
            "source": {"component": source},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "type": level,
            "reportingComponent": source,
            "reportingInstance": "",
        }
        try:
            await self._cluster.create(paths.events(meta["namespace"]), body)
        except KronkeepError as fault:
            log.warning("controllers: the event %s of %s is lost: %s", reason, meta["name"], fault)


def _ready(node: Object) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _owned(obj: Object, uid: str) -> bool:
    return any(owner["uid"] == uid for owner in obj["metadata"].get("ownerReferences") or [])
