"""Tables: what `kubectl get` prints, asked for with `as=Table`."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from kronkeep_daemon.embedded.apiserver.resources import Resource
from kronkeep_daemon.kube.objects import JsonObject

Cell = Callable[[JsonObject, datetime], object]


def _age(obj: JsonObject, now: datetime) -> str:
    return _since(obj["metadata"].get("creationTimestamp"), now)


def _since(stamp: str | None, until: datetime) -> str:
    return "<none>" if not stamp else _span((until - datetime.fromisoformat(stamp)).total_seconds())


def _span(seconds: float) -> str:
    """kubectl's HumanDuration: 45s, 3m20s, 15m, 5h10m, 23h, 3d4h, 20d."""
    whole = max(0, int(seconds))
    minutes = whole // 60
    hours = whole // 3600
    days = whole // 86400
    if whole < 120:
        return f"{whole}s"
    if minutes < 10:
        return f"{minutes}m{whole % 60}s" if whole % 60 else f"{minutes}m"
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    return f"{days}d{hours % 24}h" if days < 8 and hours % 24 else f"{days}d"


def _pod_ready(pod: JsonObject, _: datetime) -> str:
    statuses = pod.get("status", {}).get("containerStatuses") or []
    return f"{sum(bool(s.get('ready')) for s in statuses)}/{len(pod['spec'].get('containers') or [])}"


def _pod_status(pod: JsonObject, _: datetime) -> str:
    if pod["metadata"].get("deletionTimestamp"):
        return "Terminating"
    status = pod.get("status", {})
    for index, entry in enumerate(status.get("initContainerStatuses") or []):
        state = entry.get("state") or {}
        if (state.get("terminated") or {}).get("exitCode") == 0:
            continue
        reason = (state.get("terminated") or state.get("waiting") or {}).get("reason")
        return f"Init:{reason}" if reason else f"Init:{index}/{len(pod['spec']['initContainers'])}"
    for entry in status.get("containerStatuses") or []:
        state = entry.get("state") or {}
        reason = (state.get("waiting") or state.get("terminated") or {}).get("reason")
        if reason:
            return str(reason)
    return str(status.get("reason") or status.get("phase") or "Unknown")


def _restarts(pod: JsonObject, _: datetime) -> int:
    return sum(s.get("restartCount", 0) for s in pod.get("status", {}).get("containerStatuses") or [])


def _job_status(job: JsonObject, _: datetime) -> str:
    true = {c["type"] for c in job["status"].get("conditions") or [] if c["status"] == "True"}
    for kind, word in (("Complete", "Complete"), ("Failed", "Failed"), ("Suspended", "Suspended")):
        if kind in true:
            return word
    if job["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return {"FailureTarget": "FailureTarget", "SuccessCriteriaMet": "SuccessCriteriaMet"}.get(
        next(iter(true), ""), "Running"
    )


def _completions(job: JsonObject, _: datetime) -> str:
    spec = job["spec"]
    succeeded = job["status"].get("succeeded", 0)
    wanted = spec.get("completions")
    return f"{succeeded}/{wanted}" if wanted is not None else f"{succeeded}/1 of {spec.get('parallelism', 1)}"


def _job_duration(job: JsonObject, now: datetime) -> str:
    status = job["status"]
    if not status.get("startTime"):
        return ""
    ended = status.get("completionTime") or _failed_at(status)
    return _since(status["startTime"], datetime.fromisoformat(ended) if ended else now)


def _failed_at(status: JsonObject) -> str | None:
    found = [c["lastTransitionTime"] for c in status.get("conditions") or [] if c["type"] == "Failed"]
    return found[0] if found else None


def _at(*steps: str, default: object = "<none>") -> Cell:
    def cell(obj: Any, _: datetime) -> object:
        for step in steps:
            obj = (obj or {}).get(step)
        return default if obj is None else obj

    return cell


def _last_schedule(cronjob: JsonObject, now: datetime) -> str:
    return _since((cronjob.get("status") or {}).get("lastScheduleTime"), now)


def _event_object(event: JsonObject, _: datetime) -> str:
    involved = event["involvedObject"]
    return f"{involved.get('kind', '').lower()}/{involved.get('name', '')}"


def _event_seen(event: JsonObject, now: datetime) -> str:
    return _since(event.get("lastTimestamp") or event.get("eventTime"), now)


def _node_status(node: JsonObject, _: datetime) -> str:
    ready = [c for c in node.get("status", {}).get("conditions") or [] if c["type"] == "Ready"]
    return "Ready" if ready and ready[0]["status"] == "True" else "NotReady"


def _data(obj: JsonObject, _: datetime) -> int:
    return len(obj.get("data") or {})


NAME: tuple[str, str, Cell] = ("Name", "string", _at("metadata", "name"))
AGE: tuple[str, str, Cell] = ("Age", "string", _age)
COLUMNS: dict[str, tuple[tuple[str, str, Cell], ...]] = {
    "Pod": (
        NAME,
        ("Ready", "string", _pod_ready),
        ("Status", "string", _pod_status),
        ("Restarts", "string", _restarts),
        AGE,
    ),
    "Job": (
        NAME,
        ("Status", "string", _job_status),
        ("Completions", "string", _completions),
        ("Duration", "string", _job_duration),
        AGE,
    ),
    "CronJob": (
        NAME,
        ("Schedule", "string", _at("spec", "schedule")),
        ("Timezone", "string", _at("spec", "timeZone")),
        ("Suspend", "boolean", lambda obj, _: str(bool(obj["spec"].get("suspend"))).title()),
        ("Active", "integer", lambda obj, _: len((obj.get("status") or {}).get("active") or [])),
        ("Last Schedule", "string", _last_schedule),
        AGE,
    ),
    "Event": (
        ("Last Seen", "string", _event_seen),
        ("Type", "string", _at("type")),
        ("Reason", "string", _at("reason")),
        ("Object", "string", _event_object),
        ("Message", "string", _at("message")),
    ),
    "Namespace": (NAME, ("Status", "string", _at("status", "phase")), AGE),
    "Node": (NAME, ("Status", "string", _node_status), AGE),
    "PersistentVolumeClaim": (
        NAME,
        ("Status", "string", _at("status", "phase")),
        ("Volume", "string", _at("spec", "volumeName", default="")),
        ("StorageClass", "string", _at("spec", "storageClassName")),
        AGE,
    ),
    "Secret": (NAME, ("Type", "string", _at("type")), ("Data", "integer", _data), AGE),
    "ConfigMap": (NAME, ("Data", "integer", _data), AGE),
}


def table(
    resource: Resource, objects: list[JsonObject], meta: JsonObject, *, columns: bool = True
) -> JsonObject:
    """A Table of the objects; later events of a watch leave the column definitions out."""
    now = datetime.now(UTC)
    defined = COLUMNS.get(resource.kind, (NAME, AGE))
    definitions = [
        {
            "name": name,
            "type": kind,
            "format": "name" if name == "Name" else "",
            "description": "",
            "priority": 0,
        }
        for name, kind, _ in defined
    ]
    rows = [{"cells": [cell(obj, now) for _, _, cell in defined], "object": _partial(obj)} for obj in objects]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": meta,
        "columnDefinitions": definitions if columns else None,
        "rows": rows,
    }


def _partial(obj: JsonObject) -> JsonObject:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
