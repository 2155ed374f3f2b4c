"""Small readings of Kubernetes objects that several controllers share."""

from collections.abc import Iterable
from datetime import UTC, datetime

from kronkeep_daemon.kube.objects import JsonObject

TRACKING = "batch.kubernetes.io/job-tracking"
FOREGROUND = "foregroundDeletion"
INDEX = "batch.kubernetes.io/job-completion-index"
SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"


def stamp(moment: datetime) -> str:
    """A metav1.Time: whole seconds, UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str | None) -> datetime | None:
    """The instant of a metav1.Time."""
    return datetime.fromisoformat(text) if text else None


def controller_of(obj: JsonObject) -> JsonObject | None:
    """The owner reference with `controller: true`."""
    owners = obj["metadata"].get("ownerReferences") or []
    return next((owner for owner in owners if owner.get("controller")), None)


def condition(kind: str, reason: str, message: str, now: datetime, status: str = "True") -> JsonObject:
    """A Job condition."""
    at = stamp(now)
    return {
        "type": kind,
        "status": status,
        "lastProbeTime": at,
        "lastTransitionTime": at,
        "reason": reason,
        "message": message,
    }


def find_condition(conditions: Iterable[JsonObject], kind: str) -> JsonObject | None:
    """The condition of that type whose status is True."""
    return next((c for c in conditions if c["type"] == kind and c["status"] == "True"), None)


def finished(job: JsonObject) -> str | None:
    """`Complete` or `Failed` once the Job has ended."""
    conditions = (job.get("status") or {}).get("conditions") or []
    return next((kind for kind in ("Complete", "Failed") if find_condition(conditions, kind)), None)


def pod_finished(pod: JsonObject) -> bool:
    """Whether the pod's containers have ended for good."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def tracked(obj: JsonObject) -> bool:
    """Whether the Job controller has yet to count the pod."""
    return TRACKING in (obj["metadata"].get("finalizers") or [])
