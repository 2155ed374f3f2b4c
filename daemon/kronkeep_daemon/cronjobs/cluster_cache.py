"""What one cluster shows now: CronJobs, Jobs, the pods of Jobs and Events, kept from list and watch.

An event that is older than what is known of its object is passed over, and so is one of an object that has
been deleted; a full list is always believed, for a restored etcd begins again with lower versions.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Generic, Literal, TypeVar

from kronkeep_daemon.kube.objects import CronJobObject, CronJobRef, Event, Job, ObjectMeta, Pod, job_uid_of

ChangeKind = Literal["added", "changed", "removed"]
K = TypeVar("K")
V = TypeVar("V")
_KINDS: dict[str, ChangeKind] = {"ADDED": "added", "MODIFIED": "changed"}
TOLD_OBJECTS = 20_000  # objects whose Events are kept; the oldest go first
TOLD_REASONS = 40
_ABOUT_JOBS = ("SuccessfulCreate", "SawCompletedJob", "SuccessfulDelete", "UnexpectedJob")
TOMBSTONES = 20_000


class BoundedDict(OrderedDict[K, V], Generic[K, V]):
    """A mapping that lets its oldest entries go."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def __setitem__(self, key: K, value: V) -> None:
        super().__setitem__(key, value)
        if len(self) > self._most:
            self.popitem(last=False)


class ClusterCache:
    """Mirrors of the collections; `touched` hears the uid of a Job to look at, `turned` of CronJobs."""

    def __init__(
        self, touched: Callable[[str], None], turned: Callable[[ChangeKind, CronJobObject], None]
    ) -> None:
        self._touched = touched
        self._turned = turned
        self.cronjobs: dict[CronJobRef, CronJobObject] = {}
        self.jobs: dict[str, Job] = {}
        self.deleted_jobs: set[str] = set()
        self.pods: dict[str, dict[str, Pod]] = {}
        self.events: BoundedDict[str, BoundedDict[str, Event]] = BoundedDict(TOLD_OBJECTS)
        self._deleted: BoundedDict[str, bool] = BoundedDict(TOMBSTONES)
        self._job_of: BoundedDict[str, str] = BoundedDict(TOMBSTONES)
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
        self._touched(uid)
        for changed in self._subscribers.get(uid, ()):
            changed.set()

    def sync_cronjobs(self, namespace: str | None, items: list[CronJobObject]) -> None:
        """A full list of CronJobs of one namespace or, with None, of all."""
        refs = {item.ref for item in items}
        for ref in [ref for ref in self.cronjobs if ref not in refs and namespace in (None, ref.namespace)]:
            self._turned("removed", self.cronjobs.pop(ref))
        for item in items:
            self.update_cronjob("MODIFIED" if item.ref in self.cronjobs else "ADDED", item)

    def update_cronjob(self, kind: str, item: CronJobObject) -> None:
        """One event of the CronJobs' watch."""
        ref = item.ref
        old = self.cronjobs.get(ref)
        if kind == "DELETED":
            if old is not None and old.uid != item.uid:
                return  # its successor of the same name is there already
            self.cronjobs.pop(ref, None)
            self._turned("removed", item)
            return
        self.cronjobs[ref] = item
        if old is None or old.metadata.resource_version != item.metadata.resource_version:
            self._turned(_KINDS.get(kind, "changed"), item)

    def sync_jobs(self, namespace: str | None, items: list[Job]) -> None:
        """A full list of Jobs; those that are missing went while nobody watched."""
        found = {item.metadata.uid for item in items}
        for uid, job in list(self.jobs.items()):
            if (
                uid not in found
                and uid not in self.deleted_jobs
                and namespace in (None, job.metadata.namespace)
            ):
                del self.jobs[uid]
                self._mark_changed(uid)
        for item in items:
            self.jobs[item.metadata.uid] = item
            self._mark_changed(item.metadata.uid)

    def update_job(self, kind: str, item: Job) -> None:
        """One event of the Jobs' watch; a DELETED one carries the last state."""
        uid = item.metadata.uid
        old = self.jobs.get(uid)
        if uid in self._deleted or (old is not None and _older(item.metadata, old.metadata)):
            return
        self.jobs[uid] = item
        if kind == "DELETED":
            self.deleted_jobs.add(uid)
            self._deleted[uid] = True
        self._mark_changed(uid)

    def forget_job(self, uid: str) -> None:
        """A deleted Job's end is recorded; it and its pods are no longer needed."""
        if uid in self._subscribers:
            self._forget_later.add(uid)
            return
        self._forget_later.discard(uid)
        self.jobs.pop(uid, None)
        self.deleted_jobs.discard(uid)
        for pod in self.pods.pop(uid, {}):
            self.events.pop(pod, None)
        self.events.pop(uid, None)

    def sync_pods(self, items: list[Pod]) -> None:
        """A full list of pods."""
        for item in items:
            self._pod(item)

    def update_pod(self, kind: str, item: Pod) -> None:
        """One event of the pods' watch; what a pod told stays known after it went."""
        uid = job_uid_of(item)
        old = self.pods.get(uid or "", {}).get(item.metadata.uid)
        if item.metadata.uid in self._deleted or (old is not None and _older(item.metadata, old.metadata)):
            return
        if kind == "DELETED":
            self._deleted[item.metadata.uid] = True
        self._pod(item)

    def _pod(self, item: Pod) -> None:
        uid = job_uid_of(item)
        if uid is None or (uid in self._deleted and uid not in self.jobs):
            return
        self.pods.setdefault(uid, {})[item.metadata.uid] = item
        self._job_of[item.metadata.uid] = uid
        self._mark_changed(uid)

    def pod_exists(self, pod: Pod) -> bool:
        """Whether the pod has not been deleted."""
        return pod.metadata.uid not in self._deleted

    def sync_events(self, items: list[Event]) -> None:
        """A full list of Events."""
        for item in items:
            self.update_event("MODIFIED", item)

    def update_event(self, kind: str, item: Event) -> None:
        """One event of the Events' watch; an Event that expires has still been told."""
        about = item.involved_object.uid
        reason = item.reason
        if kind == "DELETED" or not about or not reason:
            return
        told = self.events.get(about)
        if told is None:
            told = self.events[about] = BoundedDict(TOLD_REASONS)
        told[_told_key(item)] = item
        if job := (about if about in self.jobs else self._job_of.get(about)):
            self._mark_changed(job)

    def pods_of(self, uid: str) -> list[Pod]:
        """The pods of a Job, those that went included."""
        return list(self.pods.get(uid, {}).values())

    def events_about(self, uid: str) -> Mapping[str, Event]:
        """The Events about one object: by reason, or those of a CronJob about its Jobs by reason and Job."""
        return self.events.get(uid, {})


def _told_key(item: Event) -> str:
    """A CronJob tells of many Jobs with the same reason: `Created job a-1`, `Saw completed job: a-1, ...`."""
    if item.involved_object.kind != "CronJob" or item.reason not in _ABOUT_JOBS:
        return item.reason or ""
    return f"{item.reason} {job_in_message(item)}".rstrip()


def job_in_message(item: Event) -> str:
    """The Job that an Event of a CronJob is about; empty when it names none."""
    words = (item.message or "").replace(",", " ").replace(":", " ").split()
    return words[words.index("job") + 1] if "job" in words[:-1] else ""


def _older(item: ObjectMeta, known: ObjectMeta) -> bool:
    new = item.resource_version
    old = known.resource_version
    return new.isdigit() and old.isdigit() and int(new) < int(old)
