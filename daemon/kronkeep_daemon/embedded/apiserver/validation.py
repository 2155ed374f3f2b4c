"""Admission: what a real API server refuses, with its own words (the recordings hold them)."""

import json
import re

from kronkeep_common.errors import InvalidSchedule, InvalidTimeZone
from kronkeep_common.schedule import Schedule
from kronkeep_common.schedule.zone import load as load_zone
from kronkeep_daemon.embedded.apiserver.resources import Resource
from kronkeep_daemon.embedded.apiserver.status_responses import Refusal, bad_request, invalid
from kronkeep_daemon.kube.objects import JsonObject

Cause = tuple[str, str, str]
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_SUBDOMAIN_WORDS = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_LABEL_WORDS = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used "
    "for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_ANNOTATIONS = 262_144
_RESTART_POLICIES = ("OnFailure", "Never")
_CONCURRENCY = ("Allow", "Forbid", "Replace")
_LOCAL_WORDS = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
_KNOWN = {
    "CronJob": frozenset(
        [
            "schedule",
            "timeZone",
            "startingDeadlineSeconds",
            "concurrencyPolicy",
            "suspend",
            "jobTemplate",
            "successfulJobsHistoryLimit",
            "failedJobsHistoryLimit",
        ]
    ),
    "Job": frozenset(
        [
            "parallelism",
            "completions",
            "activeDeadlineSeconds",
            "podFailurePolicy",
            "successPolicy",
            "backoffLimit",
            "backoffLimitPerIndex",
            "maxFailedIndexes",
            "selector",
            "manualSelector",
            "template",
            "ttlSecondsAfterFinished",
            "completionMode",
            "suspend",
            "podReplacementPolicy",
            "managedBy",
        ]
    ),
}


def drop_unknown(resource: Resource, obj: JsonObject, strict: bool) -> None:
    """Removes fields that the kind does not have; with fieldValidation=Strict they are a 400 Refusal."""
    known = _KNOWN.get(resource.kind)
    spec = obj.get("spec")
    if known is None or not isinstance(spec, dict):
        return
    unknown = [key for key in spec if key not in known]
    if unknown and strict:
        fields = ", ".join(f'unknown field "spec.{key}"' for key in unknown)
        raise bad_request(
            f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
            f"strict decoding error: {fields}"
        )
    for key in unknown:
        del spec[key]


def check(resource: Resource, obj: JsonObject, old: JsonObject | None) -> None:
    """Raises the 422 Refusal that a real server answers for what is wrong with the object."""
    causes = _metadata(resource, obj, old)
    spec = obj.get("spec") or {}
    if resource.kind == "CronJob":
        causes += _cronjob(obj, old)
    elif resource.kind == "Job":
        causes += _job(spec) + (_immutable(spec, old) if old else [])
    elif resource.kind == "Pod" and old is None:
        causes += _pod_spec(spec, "spec")
    if causes:
        raise invalid(resource, obj["metadata"]["name"], causes)


def _metadata(resource: Resource, obj: JsonObject, old: JsonObject | None) -> list[Cause]:
    meta = obj["metadata"]
    name = meta["name"]
    causes = [] if old else _name(name)
    if not old and resource.kind == "CronJob" and len(name) > 52:
        causes = [_bad("metadata.name", name, "must be no more than 52 characters")]
    annotations = meta.get("annotations") or {}
    if sum(len(k.encode()) + len(v.encode()) for k, v in annotations.items()) > _ANNOTATIONS:
        words = f"Too long: may not be more than {_ANNOTATIONS} bytes"
        causes += [("metadata.annotations", "FieldValueTooLong", words)] * (3 if old else 1)
    return causes + _labels(meta.get("labels") or {}, "metadata.labels")


def _name(name: str) -> list[Cause]:
    if len(name) > 253:
        return [_bad("metadata.name", name, "must be no more than 253 characters")]
    return [] if _SUBDOMAIN.fullmatch(name) else [_bad("metadata.name", name, _SUBDOMAIN_WORDS)]


def _labels(labels: dict[str, str], field: str) -> list[Cause]:
    causes = []
    for value in labels.values():
        if len(value) > 63:
            causes.append(_bad(field, value, "must be no more than 63 bytes"))
        elif value and not _QUALIFIED.fullmatch(value):
            causes.append(_bad(field, value, _LABEL_WORDS))
    return causes


def _bad(field: str, value: object, words: str) -> Cause:
    return field, "FieldValueInvalid", f"Invalid value: {json.dumps(value, ensure_ascii=False)}: {words}"


def _unsupported(field: str, value: object, known: tuple[str, ...]) -> Cause:
    listed = ", ".join(json.dumps(k) for k in known)
    words = f"Unsupported value: {json.dumps(value)}: supported values: {listed}"
    return field, "FieldValueNotSupported", words


def _required(field: str, words: str = "") -> Cause:
    return field, "FieldValueRequired", f"Required value{': ' + words if words else ''}"


def _cronjob(obj: JsonObject, old: JsonObject | None) -> list[Cause]:
    spec = obj.get("spec") or {}
    causes = _schedule(spec, ((old or {}).get("spec") or {}).get("schedule"))
    if spec.get("timeZone") is not None:
        causes += _zone(spec["timeZone"])
    causes += _not_negative(spec, "startingDeadlineSeconds", "spec")
    if spec["concurrencyPolicy"] not in _CONCURRENCY:
        causes.append(_unsupported("spec.concurrencyPolicy", spec["concurrencyPolicy"], _CONCURRENCY))
    job = spec["jobTemplate"]["spec"]
    causes += _job(job, "spec.jobTemplate.spec")
    for field in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        causes += _not_negative(spec, field, "spec")
    return causes


def _schedule(spec: JsonObject, old: str | None) -> list[Cause]:
    expr = spec.get("schedule") or ""
    if not expr:
        return [_required("spec.schedule")]
    if "TZ" in expr and expr == old:
        return []
    try:
        Schedule.parse(expr)
    except InvalidSchedule as fault:
        return [_bad("spec.schedule", expr, fault.details["upstream"])]
    return []


def _zone(zone: str) -> list[Cause]:
    if not zone:
        return [_bad("spec.timeZone", zone, "timeZone must be nil or non-empty string")]
    if zone.lower() == "local":
        return [_bad("spec.timeZone", zone, _LOCAL_WORDS)]
    try:
        load_zone(zone)
    except InvalidTimeZone:
        return [_bad("spec.timeZone", zone, f"unknown time zone {zone}")]
    return []


def _not_negative(spec: JsonObject, field: str, path: str) -> list[Cause]:
    value = spec.get(field)
    if isinstance(value, int) and value < 0:
        return [_bad(f"{path}.{field}", value, "must be greater than or equal to 0")]
    return []


def _job(spec: JsonObject, path: str = "spec") -> list[Cause]:
    causes: list[Cause] = []
    for field in (
        "parallelism",
        "completions",
        "backoffLimit",
        "activeDeadlineSeconds",
        "ttlSecondsAfterFinished",
    ):
        causes += _not_negative(spec, field, path)
    pod = (spec.get("template") or {}).get("spec") or {}
    causes += _labels(
        ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}, f"{path}.template.labels"
    )
    causes += _pod_spec(pod, f"{path}.template.spec")
    policy = pod.get("restartPolicy")
    if policy == "Always" or policy is None:
        words = 'valid values: "OnFailure", "Never"'
        causes.append(_required(f"{path}.template.spec.restartPolicy", words))
    elif policy not in _RESTART_POLICIES:
        causes.append(_unsupported(f"{path}.template.spec.restartPolicy", policy, _RESTART_POLICIES))
    return causes


def _pod_spec(spec: JsonObject, path: str) -> list[Cause]:
    containers = spec.get("containers")
    if not containers:
        return [_required(f"{path}.containers")]
    causes = []
    for kind in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(kind) or []):
            causes += _container(container, f"{path}.{kind}[{index}]", spec)
    return causes


def _container(container: JsonObject, path: str, spec: JsonObject) -> list[Cause]:
    causes = []
    if not container.get("name"):
        causes.append(_required(f"{path}.name"))
    if not container.get("image"):
        causes.append(_required(f"{path}.image"))
    volumes = {volume.get("name") for volume in spec.get("volumes") or []}
    for index, mount in enumerate(container.get("volumeMounts") or []):
        if mount.get("name") not in volumes:
            field = f"{path}.volumeMounts[{index}].name"
            causes.append((field, "FieldValueNotFound", f"Not found: {json.dumps(mount.get('name'))}"))
    return causes


def _immutable(spec: JsonObject, old: JsonObject | None) -> list[Cause]:
    before = (old or {}).get("spec") or {}
    if before.get("suspend") and spec.get("suspend") is not None:
        return []
    if spec.get("template") != before.get("template"):
        return [
            ("spec.template", "FieldValueInvalid", "Invalid value: core.PodTemplateSpec: field is immutable")
        ]
    return []


def namespace_missing(namespace: str) -> Refusal:
    """404 for an object in a namespace that does not exist."""
    message = f'namespaces "{namespace}" not found'
    return Refusal(
        code=404, reason="NotFound", message=message, details={"name": namespace, "kind": "namespaces"}
    )
