"""The Tables that `kubectl get` asks for (`as=Table`) and prints."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

from kronkeep_daemon.embedded.apiserver.resources import Resource
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.kube.timestamps import parse_timestamp

NONE = "<none>"


class PrintedColumn(NamedTuple):
    """One column; `cell` returns its value for an object at a time."""

    name: str
    type: str
    cell: Callable[[JsonObject, datetime], object]


def _age(obj: JsonObject, now: datetime) -> str:
    return _time_since(obj["metadata"].get("creationTimestamp"), now)


def _time_since(timestamp: str | None, until: datetime) -> str:
    moment = parse_timestamp(timestamp)
    return NONE if moment is None else _format_duration((until - moment).total_seconds())


def _format_duration(seconds: float) -> str:
    """Return a duration as kubectl's HumanDuration: 45s, 3m20s, 15m, 5h10m, 23h, 3d4h, 20d."""
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
    ready = sum(bool(entry.get("ready")) for entry in statuses)
    return f"{ready}/{len(pod['spec'].get('containers') or [])}"


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


def _pod_restarts(pod: JsonObject, _: datetime) -> int:
    statuses = pod.get("status", {}).get("containerStatuses") or []
    return sum(entry.get("restartCount", 0) for entry in statuses)


def _job_status(job: JsonObject, _: datetime) -> str:
    conditions = job["status"].get("conditions") or []
    true = [condition["type"] for condition in conditions if condition["status"] == "True"]
    for kind in ("Complete", "Failed", "Suspended"):
        if kind in true:
            return kind
    if job["metadata"].get("deletionTimestamp"):
        return "Terminating"
    for kind in ("FailureTarget", "SuccessCriteriaMet"):
        if kind in true:
            return kind
    return "Running"


def _job_completions(job: JsonObject, _: datetime) -> str:
    spec = job["spec"]
    succeeded = job["status"].get("succeeded", 0)
    completions = spec.get("completions")
    if completions is None:
        return f"{succeeded}/1 of {spec.get('parallelism', 1)}"
    return f"{succeeded}/{completions}"


def _job_duration(job: JsonObject, now: datetime) -> str:
    status = job["status"]
    if not status.get("startTime"):
        return ""
    end = parse_timestamp(status.get("completionTime") or _failure_time(status))
    return _time_since(status["startTime"], end or now)


def _failure_time(status: JsonObject) -> str | None:
    conditions = status.get("conditions") or []
    return next((c["lastTransitionTime"] for c in conditions if c["type"] == "Failed"), None)


def _cronjob_suspend(cronjob: JsonObject, _: datetime) -> str:
    return str(bool(cronjob["spec"].get("suspend")))


def _cronjob_active(cronjob: JsonObject, _: datetime) -> int:
    return len((cronjob.get("status") or {}).get("active") or [])


def _cronjob_last_schedule(cronjob: JsonObject, now: datetime) -> str:
    return _time_since((cronjob.get("status") or {}).get("lastScheduleTime"), now)


def _event_object(event: JsonObject, _: datetime) -> str:
    involved = event["involvedObject"]
    return f"{involved.get('kind', '').lower()}/{involved.get('name', '')}"


def _event_last_seen(event: JsonObject, now: datetime) -> str:
    return _time_since(event.get("lastTimestamp") or event.get("eventTime"), now)


def _node_status(node: JsonObject, _: datetime) -> str:
    conditions = node.get("status", {}).get("conditions") or []
    ready = next((c["status"] for c in conditions if c["type"] == "Ready"), "False")
    return "Ready" if ready == "True" else "NotReady"


def _data_count(obj: JsonObject, _: datetime) -> int:
    return len(obj.get("data") or {})


def _field(obj: JsonObject, _: datetime, *, path: str, absent: str = NONE) -> object:
    """Return the field at a dotted path, or `absent`."""
    value: object = obj
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return absent if value is None else value


def _field_column(name: str, path: str, absent: str = NONE) -> PrintedColumn:
    return PrintedColumn(name, "string", partial(_field, path=path, absent=absent))


NAME = _field_column("Name", "metadata.name")
AGE = PrintedColumn("Age", "string", _age)
COLUMNS: dict[str, tuple[PrintedColumn, ...]] = {
    "Pod": (
        NAME,
        PrintedColumn("Ready", "string", _pod_ready),
        PrintedColumn("Status", "string", _pod_status),
        PrintedColumn("Restarts", "string", _pod_restarts),
        AGE,
    ),
    "Job": (
        NAME,
        PrintedColumn("Status", "string", _job_status),
        PrintedColumn("Completions", "string", _job_completions),
        PrintedColumn("Duration", "string", _job_duration),
        AGE,
    ),
    "CronJob": (
        NAME,
        _field_column("Schedule", "spec.schedule"),
        _field_column("Timezone", "spec.timeZone"),
        PrintedColumn("Suspend", "boolean", _cronjob_suspend),
        PrintedColumn("Active", "integer", _cronjob_active),
        PrintedColumn("Last Schedule", "string", _cronjob_last_schedule),
        AGE,
    ),
    "Event": (
        PrintedColumn("Last Seen", "string", _event_last_seen),
        _field_column("Type", "type"),
        _field_column("Reason", "reason"),
        PrintedColumn("Object", "string", _event_object),
        _field_column("Message", "message"),
    ),
    "Namespace": (NAME, _field_column("Status", "status.phase"), AGE),
    "Node": (NAME, PrintedColumn("Status", "string", _node_status), AGE),
    "PersistentVolumeClaim": (
        NAME,
        _field_column("Status", "status.phase"),
        _field_column("Volume", "spec.volumeName", absent=""),
        _field_column("StorageClass", "spec.storageClassName"),
        AGE,
    ),
    "Secret": (NAME, _field_column("Type", "type"), PrintedColumn("Data", "integer", _data_count), AGE),
    "ConfigMap": (NAME, PrintedColumn("Data", "integer", _data_count), AGE),
}


def build_table(
    resource: Resource, objects: list[JsonObject], meta: JsonObject, *, with_columns: bool = True
) -> JsonObject:
    """Return a Table of the objects; the later events of a watch have no column definitions."""
    now = datetime.now(UTC)
    columns = COLUMNS.get(resource.kind, (NAME, AGE))
    rows = [
        {"cells": [column.cell(obj, now) for column in columns], "object": _metadata_only(obj)}
        for obj in objects
    ]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": meta,
        "columnDefinitions": [_define(column) for column in columns] if with_columns else None,
        "rows": rows,
    }


def _define(column: PrintedColumn) -> JsonObject:
    return {
        "name": column.name,
        "type": column.type,
        "format": "name" if column.name == "Name" else "",
        "description": "",
        "priority": 0,
    }


def _metadata_only(obj: JsonObject) -> JsonObject:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
