"""Readings of Kubernetes objects that several controllers share."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.kube.timestamps import format_timestamp

TRACKING_FINALIZER = "batch.kubernetes.io/job-tracking"
FOREGROUND_FINALIZER = "foregroundDeletion"
COMPLETION_INDEX = "batch.kubernetes.io/job-completion-index"
INDEX_FAILURES = "batch.kubernetes.io/job-index-failure-count"
IGNORED_INDEX_FAILURES = "batch.kubernetes.io/job-index-ignored-failure-count"
OWN_CONTROLLER = "kubernetes.io/job-controller"  # of managedBy, the same as none
SCHEDULED_TIMESTAMP = "batch.kubernetes.io/cronjob-scheduled-timestamp"


class PlannedEvent(NamedTuple):
    """An Event that a controller is to record; `type` is Normal or Warning."""

    type: str
    reason: str
    message: str


def key_of(obj: JsonObject) -> tuple[str, str]:
    """Return the namespace and name of an object."""
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def uid_of(obj: JsonObject) -> str:
    """Return the uid of an object."""
    return str(obj["metadata"]["uid"])


def is_deleting(obj: JsonObject) -> bool:
    """Whether the object's deletion has begun."""
    return bool(obj["metadata"].get("deletionTimestamp"))


def controller_of(obj: JsonObject) -> JsonObject | None:
    """Return the owner reference with `controller: true`."""
    return next((owner for owner in owners_of(obj) if owner.get("controller")), None)


def owners_of(obj: JsonObject) -> list[JsonObject]:
    """Return the object's owner references."""
    return obj["metadata"].get("ownerReferences") or []


def controller_reference(kind: str, owner: JsonObject) -> JsonObject:
    """Return the owner reference by which a CronJob or Job controls what it creates."""
    return {
        "apiVersion": "batch/v1",
        "kind": kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def build_condition(
    kind: str, reason: str, message: str, now: datetime, *, status: str = "True"
) -> JsonObject:
    """Return a condition of a Job that changes now."""
    timestamp = format_timestamp(now)
    return {
        "type": kind,
        "status": status,
        "lastProbeTime": timestamp,
        "lastTransitionTime": timestamp,
        "reason": reason,
        "message": message,
    }


def find_true_condition(conditions: Iterable[JsonObject], kind: str) -> JsonObject | None:
    """Return the condition of that type whose status is True."""
    return next((c for c in conditions if c["type"] == kind and c["status"] == "True"), None)


def end_of_job(job: JsonObject) -> str | None:
    """Return `Complete` or `Failed` once the Job has ended."""
    conditions = (job.get("status") or {}).get("conditions") or []
    return next((kind for kind in ("Complete", "Failed") if find_true_condition(conditions, kind)), None)


def has_pod_ended(pod: JsonObject) -> bool:
    """Whether the pod's containers have ended for good."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def is_tracked(pod: JsonObject) -> bool:
    """Whether the pod has the finalizer that the Job controller removes once it has counted the pod."""
    return TRACKING_FINALIZER in (pod["metadata"].get("finalizers") or [])
