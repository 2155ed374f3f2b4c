"""What one cluster shows now: CronJobs, Jobs and the pods of Jobs, kept from list and watch."""

from collections.abc import Callable, Iterable
from typing import Any, Literal

Object = dict[str, Any]
Kind = Literal["added", "changed", "removed"]
_KINDS: dict[str, Kind] = {"ADDED": "added", "MODIFIED": "changed"}


class Seen:
    """Mirrors of three collections; `touched` hears the uid of a Job to look at, `turned` of CronJobs."""

    def __init__(self, touched: Callable[[str, bool], None], turned: Callable[[Kind, Object], None]) -> None:
        self._touched = touched
        self._turned = turned
        self.cronjobs: dict[tuple[str, str], Object] = {}
        self.jobs: dict[str, Object] = {}
        self.pods: dict[str, dict[str, Object]] = {}

    def sync_cronjobs(self, items: list[Object]) -> None:
        """A full list of CronJobs."""
        found = {_key(item): item for item in items}
        for key in [key for key in self.cronjobs if key not in found]:
            self._turned("removed", self.cronjobs.pop(key))
        for item in items:
            self.cronjob_event("MODIFIED" if _key(item) in self.cronjobs else "ADDED", item)

    def cronjob_event(self, kind: str, item: Object) -> None:
        """One event of the CronJobs' watch."""
        if kind == "DELETED":
            self.cronjobs.pop(_key(item), None)
            self._turned("removed", item)
            return
        old = self.cronjobs.get(_key(item))
        self.cronjobs[_key(item)] = item
        if old is None or old["metadata"]["resourceVersion"] != item["metadata"]["resourceVersion"]:
            self._turned(_KINDS.get(kind, "changed"), item)

    def sync_jobs(self, items: list[Object]) -> None:
        """A full list of Jobs; those that are missing went while nobody watched."""
        found = {item["metadata"]["uid"] for item in items}
        for uid in [uid for uid in self.jobs if uid not in found]:
            del self.jobs[uid]
            self._touched(uid, False)
        for item in items:
            self.job_event("MODIFIED", item)

    def job_event(self, kind: str, item: Object) -> None:
        """One event of the Jobs' watch; a DELETED one carries the last state."""
        uid = item["metadata"]["uid"]
        self.jobs[uid] = item
        if kind == "DELETED":
            item["metadata"]["deleted"] = True
        self._touched(uid, True)

    def forget_job(self, uid: str) -> None:
        """A deleted Job's end is recorded; it and its pods are no longer needed."""
        self.jobs.pop(uid, None)
        self.pods.pop(uid, None)

    def sync_pods(self, items: list[Object]) -> None:
        """A full list of pods."""
        for item in items:
            self.pod_event("MODIFIED", item)

    def pod_event(self, kind: str, item: Object) -> None:
        """One event of the pods' watch; what a pod told stays known after it went."""
        uid = job_uid(item)
        if uid is None:
            return
        pods = self.pods.setdefault(uid, {})
        if kind == "DELETED":
            item["metadata"]["deleted"] = True
        pods[item["metadata"]["uid"]] = item
        self._touched(uid, True)

    def pods_of(self, uid: str) -> Iterable[Object]:
        """The pods of a Job, those that went included."""
        return list(self.pods.get(uid, {}).values())


def _key(item: Object) -> tuple[str, str]:
    return item["metadata"]["namespace"], item["metadata"]["name"]


def job_uid(pod: Object) -> str | None:
    """The uid of the Job that owns a pod."""
    for owner in pod["metadata"].get("ownerReferences") or []:
        if owner.get("kind") == "Job":
            return str(owner["uid"])
    return None
