"""The objects of one cluster as its lists and watches last showed them: CronJobs, Jobs, their pods, Events.

An owner or a subject counts only in its own namespace: whoever may write in one namespace can name any uid in
an ownerReference, and finalizers hold such an object against the garbage collector.

An event that is older than the cached state of its object is ignored, and so is one of an object that was
deleted. A full list is always believed: after a restore of etcd the versions begin again at lower numbers.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from typing import Generic, Literal, TypeVar

from kronkeep_daemon.cronjobs.cronjob_store import CronJobStore
from kronkeep_daemon.cronjobs.event_cache import EventCache
from kronkeep_daemon.cronjobs.job_store import JobStore
from kronkeep_daemon.cronjobs.pod_store import PodStore
from kronkeep_daemon.kube.objects import (
    CronJobObject,
    CronJobRef,
    Event,
    Job,
    ObjectMeta,
    Pod,
    drop_long_annotations,
    job_uid_of,
)
from kronkeep_daemon.kube.shared_uids import uid_of

ChangeKind = Literal["added", "changed", "removed"]
K = TypeVar("K")
V = TypeVar("V")
_KINDS: dict[str, ChangeKind] = {"ADDED": "added", "MODIFIED": "changed"}
TOMBSTONES = 20_000  # uids of deleted objects; a late event of one of them must not bring it back
# Pods may be listed before their Jobs. Whoever may create pods can name Jobs that never were.
UNKNOWN_JOBS = 20_000


class BoundedDict(OrderedDict[K, V], Generic[K, V]):
    """A dict of bounded size that drops its oldest entry."""

    def __init__(self, max_entries: int) -> None:
        super().__init__()
        self._max_entries = max_entries

    def __setitem__(self, key: K, value: V) -> None:
        super().__setitem__(key, value)
        if len(self) > self._max_entries:
            self.popitem(last=False)


class ClusterCache:
    """The cached objects.

    on_job_change: called with the uid of a Job after each change of it, its pods or the Events about them.
    on_cronjob_change: called after each change of a CronJob.
    record_id_of: makes the id of records from a uid.
    """

    def __init__(
        self,
        on_job_change: Callable[[str], None],
        on_cronjob_change: Callable[[ChangeKind, CronJobObject], None],
        record_id_of: Callable[[str], str] = str,
    ) -> None:
        self._record_id_of = record_id_of
        self._on_job_change = on_job_change
        self._on_cronjob_change = on_cronjob_change
        self.cronjobs = CronJobStore()
        self.jobs = JobStore()
        self.deleted_jobs: set[str] = set()
        self.pods = PodStore()
        self._unknown_jobs: OrderedDict[str, None] = OrderedDict()  # whose pods are cached
        self._events = EventCache()
        self._cronjob_namespaces: dict[str, str] = {}
        self._deleted_cronjob_namespaces: BoundedDict[str, str] = BoundedDict(TOMBSTONES)
        self._deleted: BoundedDict[str, bool] = BoundedDict(TOMBSTONES)
        self._job_of_pod: BoundedDict[str, str] = BoundedDict(TOMBSTONES)
        self._subscribers: dict[str, set[asyncio.Event]] = {}
        self._forget_later: set[str] = set()

    @contextmanager
    def subscribe(self, uid: str) -> Iterator[asyncio.Event]:
        """Give an event that is set at each change of a Job, of its pods and of the Events about them.

        The subscriber clears the event before it reads the cache. Until the end of the block a Job that is
        deleted stays readable, so that its last state cannot be missed.
        """
        changed = asyncio.Event()
        self._subscribers.setdefault(uid, set()).add(changed)
        try:
            yield changed
        finally:
            subscribers = self._subscribers[uid]
            subscribers.discard(changed)
            if not subscribers:
                del self._subscribers[uid]
                if uid in self._forget_later:
                    self.forget_job(uid)

    def _mark_changed(self, uid: str) -> None:
        self._on_job_change(uid)
        for changed in self._subscribers.get(uid, ()):
            changed.set()

    def put_listed_cronjob(self, item: CronJobObject) -> None:
        """Put a CronJob of a list; it is believed where its version is lower than the cached one."""
        self.update_cronjob("MODIFIED" if item.ref in self.cronjobs else "ADDED", item)

    def keep_listed_cronjobs(self, namespace: str | None, listed: Container[CronJobRef]) -> None:
        """End a list of the CronJobs of one namespace, or of all for None: what it lacks was deleted."""
        for ref in self.cronjobs.list_refs(namespace):
            if ref not in listed:
                removed = self.cronjobs.pop(ref)
                self._note_removed(removed)
                self._on_cronjob_change("removed", removed)

    def update_cronjob(self, event_type: str, item: CronJobObject) -> None:
        """Apply an event of the CronJobs' watch; `event_type` is ADDED, MODIFIED or DELETED."""
        ref = item.ref
        item.record_id = self._record_id_of(item.metadata.uid)
        old = self.cronjobs.get(ref)
        if event_type == "DELETED":
            if old is not None and old.uid != item.uid:
                return  # a new CronJob of the same name is cached already
            self.cronjobs.pop(ref, None)
            self._note_removed(item)
            self._on_cronjob_change("removed", item)
            return
        if old is not None and old.uid != item.uid:
            self._note_removed(old)
        self.cronjobs[ref] = item
        self._cronjob_namespaces[item.metadata.uid] = item.namespace
        if old is None or old.metadata.resource_version != item.metadata.resource_version:
            self._on_cronjob_change(_KINDS.get(event_type, "changed"), item)

    def _note_removed(self, item: CronJobObject) -> None:
        self._cronjob_namespaces.pop(item.metadata.uid, None)
        self._deleted_cronjob_namespaces[item.metadata.uid] = item.namespace

    def namespace_of_cronjob(self, uid: str) -> str | None:
        """Return the namespace in which a CronJob is or was; None where it was never seen."""
        return self._cronjob_namespaces.get(uid) or self._deleted_cronjob_namespaces.get(uid)

    def put_listed_job(self, item: Job) -> None:
        """Put a Job of a list; it is believed where its version is lower than the cached one."""
        if not self.jobs.has_version(item.metadata):
            drop_long_annotations(item.metadata)
            self.jobs.put(item)
            self._mark_changed(item.metadata.uid)

    def keep_listed_jobs(self, namespace: str | None, listed: Container[str]) -> None:
        """End a list of the Jobs of one namespace, or of all for None.

        A Job that is no longer listed was deleted while nobody watched; one whose deletion was watched stays
        until `forget_job`.
        """
        for uid in self.jobs.uids_in(namespace):
            if uid not in listed and uid not in self.deleted_jobs:
                self.jobs.remove(uid)
                self._mark_changed(uid)

    def update_job(self, event_type: str, item: Job) -> None:
        """Apply an event of the Jobs' watch; one of type DELETED carries the Job's last state."""
        uid = item.metadata.uid
        old = self.jobs.get(uid)
        if uid in self._deleted or (old is not None and _is_older(item.metadata, old.metadata)):
            return
        drop_long_annotations(item.metadata)
        self.jobs.put(item)
        if event_type == "DELETED":
            self.deleted_jobs.add(uid)
            self._deleted[uid] = True
        self._mark_changed(uid)

    def add_job(self, item: Job) -> None:
        """Cache a Job that this daemon has just created, unless the watch has shown it already."""
        if item.metadata.uid not in self.jobs:
            self.jobs.put(item)

    def forget_job(self, uid: str) -> None:
        """Drop a deleted Job, whose end is recorded, and its pods; while it has subscribers, later."""
        if uid in self._subscribers:
            self._forget_later.add(uid)
            return
        self._forget_later.discard(uid)
        job = self.jobs.remove(uid)
        self.deleted_jobs.discard(uid)
        metas = [pod.metadata for pod in self.pods.remove(uid).values()]
        for meta in [*metas, job.metadata] if job else metas:
            self._events.forget(meta.namespace, meta.uid)

    def pack_job(self, uid: str) -> None:
        """Keep a Job that has ended, and its pods, in fewer bytes."""
        self.jobs.pack(uid)
        self.pods.pack(uid)

    def put_listed_pod(self, item: Pod) -> None:
        """Put a pod of a list; one that is no longer listed stays, as it explains its Job's end."""
        if not self.pods.has_version(job_uid_of(item) or "", item.metadata):
            self._put_pod(item)

    def update_pod(self, event_type: str, item: Pod) -> None:
        """Apply an event of the pods' watch; a deleted pod's last state stays."""
        uid = job_uid_of(item)
        old = self.pods.of_job(uid or "").get(item.metadata.uid)
        if item.metadata.uid in self._deleted:
            return
        if old is not None and _is_older(item.metadata, old.metadata):
            return
        if event_type == "DELETED":
            self._deleted[item.metadata.uid] = True
        self._put_pod(item)

    def _put_pod(self, item: Pod) -> None:
        uid = job_uid_of(item)
        if uid is None or (uid in self._deleted and uid not in self.jobs):
            return
        self.pods.put(uid, item)
        self._job_of_pod[item.metadata.uid] = uid
        if uid not in self.jobs:
            self._note_unknown_job(uid)
        self._mark_changed(uid)

    def _note_unknown_job(self, uid: str) -> None:
        """Take note of a Job whose pods came first; where there are too many, the oldest one's pods go."""
        self._unknown_jobs[uid] = None
        self._unknown_jobs.move_to_end(uid)
        if len(self._unknown_jobs) > UNKNOWN_JOBS:
            oldest, _ = self._unknown_jobs.popitem(last=False)
            if oldest not in self.jobs:
                self.pods.remove(oldest)

    def pod_exists(self, pod: Pod) -> bool:
        """Whether the pod's deletion has not been seen."""
        return pod.metadata.uid not in self._deleted

    def sync_events(self, items: list[Event]) -> None:
        """Take a full list of Events."""
        for item in items:
            self.update_event("MODIFIED", item)

    def update_event(self, event_type: str, item: Event) -> None:
        """Apply an event of the Events' watch; an Event that expires stays cached."""
        if event_type == "DELETED" or not self._events.put(item):
            return
        uid = item.involved_object.uid
        job = uid if uid in self.jobs else self._job_of_pod.get(uid)
        if job:
            self._mark_changed(job)

    def pods_of(self, namespace: str, job_uid: str) -> list[Pod]:
        """Return the pods of a Job of a namespace, deleted ones included."""
        pods = self.pods.of_job(job_uid).values()
        return [pod for pod in pods if pod.metadata.namespace == namespace]

    def events_about(self, namespace: str, uid: str) -> Mapping[str, Event]:
        """Return the newest Event about one object of a namespace by reason, see EventCache.about.

        uid: the object's uid, or the id of its records.
        """
        return self._events.about(namespace, uid_of(uid))


def _is_older(item: ObjectMeta, cached: ObjectMeta) -> bool:
    new = item.resource_version
    old = cached.resource_version
    if len(new) == len(old) and new >= old:  # as numbers too
        return False
    return new.isdigit() and old.isdigit() and int(new) < int(old)
