"""Jobs and pods as the cluster sends them."""

from typing import Any

from kronkeep_daemon.kube.objects import Job, Pod, convert_object


def job(*conditions: tuple[str, str], message: str = "", **status: Any) -> Job:
    entries = [{"type": kind, "status": "True", "reason": reason, "message": message,
              "lastTransitionTime": "2026-01-15T10:05:00Z"} for kind, reason in conditions]  # fmt: skip
    plain = {"metadata": {"name": "j", "uid": "j1"}, "spec": {"activeDeadlineSeconds": 60}}
    return convert_object({**plain, "status": {"conditions": entries, **status}}, Job)


def pod(state: dict[str, Any] | None = None, **status: Any) -> Pod:
    entries = [{"name": "main", "restartCount": 0, "state": state}] if state else []
    container = {"name": "main", "resources": {"limits": {"memory": "64Mi"}}}
    plain = {
        "metadata": {"name": "p", "uid": "p1", "creationTimestamp": "2026-01-15T10:00:00Z"},
        "spec": {"containers": [container]},
        "status": {"phase": "Pending", "containerStatuses": entries, **status},
    }
    return convert_object(plain, Pod)


def wait_for(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def end_of(code: int, reason: str = "Error", **more: Any) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason, **more}}


FAILED = job(("Failed", "BackoffLimitExceeded"), failed=1)
