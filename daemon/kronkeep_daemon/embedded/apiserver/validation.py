"""What a real API server refuses, in its own words (the recordings in tests/data hold them)."""

import json
import re

from kronkeep_common.errors import InvalidSchedule, InvalidTimeZone
from kronkeep_common.schedule import Schedule
from kronkeep_common.schedule.zone import load_zone as load_zone
from kronkeep_daemon.embedded.apiserver.resources import Resource
from kronkeep_daemon.embedded.apiserver.status_responses import StatusCause, bad_request, invalid_object
from kronkeep_daemon.kube.objects import JsonObject

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL_VALUE = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_LABEL_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used "
    "for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_MOST_ANNOTATION_BYTES = 262_144
_RESTART_POLICIES = ("OnFailure", "Never")
_CONCURRENCY_POLICIES = ("Allow", "Forbid", "Replace")
_TIME_ZONE_RULE = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
_SPEC_FIELDS = {
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
_NOT_NEGATIVE_JOB_FIELDS = (
    "parallelism",
    "completions",
    "backoffLimit",
    "activeDeadlineSeconds",
    "ttlSecondsAfterFinished",
)


def drop_unknown_fields(resource: Resource, obj: JsonObject, strict: bool) -> None:
    """Remove fields of the spec that the kind does not have; with `strict` raise a 400 Refusal instead.

    Only the first level of the specs of CronJobs and Jobs is looked at.
    """
    fields = _SPEC_FIELDS.get(resource.kind)
    spec = obj.get("spec")
    if fields is None or not isinstance(spec, dict):
        return
    unknown = [key for key in spec if key not in fields]
    if unknown and strict:
        listed = ", ".join(f'unknown field "spec.{key}"' for key in unknown)
        raise bad_request(
            f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
            f"strict decoding error: {listed}"
        )
    for key in unknown:
        del spec[key]


def check_object(resource: Resource, obj: JsonObject, old: JsonObject | None) -> None:
    """Raise a 422 Refusal with everything that is wrong with the object; `old` is None for a new one."""
    causes = _check_metadata(resource, obj, old)
    spec = obj.get("spec") or {}
    if resource.kind == "CronJob":
        causes += _check_cronjob(obj, old)
    elif resource.kind == "Job":
        causes += _check_job_spec(spec, "spec")
        if old is not None:
            causes += _check_template_unchanged(spec, old)
    elif resource.kind == "Pod" and old is None:
        causes += _check_pod_spec(spec, "spec")
    if causes:
        raise invalid_object(resource, obj["metadata"]["name"], causes)


def _check_metadata(resource: Resource, obj: JsonObject, old: JsonObject | None) -> list[StatusCause]:
    meta = obj["metadata"]
    name = meta["name"]
    causes = [] if old else _check_name(name)
    if not old and resource.kind == "CronJob" and len(name) > 52:
        causes = [_invalid_value("metadata.name", name, "must be no more than 52 characters")]
    annotations = meta.get("annotations") or {}
    if sum(len(k.encode()) + len(v.encode()) for k, v in annotations.items()) > _MOST_ANNOTATION_BYTES:
        message = f"Too long: may not be more than {_MOST_ANNOTATION_BYTES} bytes"
        cause = StatusCause("metadata.annotations", "FieldValueTooLong", message)
        # A real API server lists this cause three times when an object is changed.
        causes += [cause] * (3 if old else 1)
    return causes + _check_labels(meta.get("labels") or {}, "metadata.labels")


def _check_name(name: str) -> list[StatusCause]:
    if len(name) > 253:
        return [_invalid_value("metadata.name", name, "must be no more than 253 characters")]
    if not _SUBDOMAIN.fullmatch(name):
        return [_invalid_value("metadata.name", name, _SUBDOMAIN_RULE)]
    return []


def _check_labels(labels: dict[str, str], field: str) -> list[StatusCause]:
    causes = []
    for value in labels.values():
        if len(value) > 63:
            causes.append(_invalid_value(field, value, "must be no more than 63 bytes"))
        elif value and not _LABEL_VALUE.fullmatch(value):
            causes.append(_invalid_value(field, value, _LABEL_RULE))
    return causes


def _invalid_value(field: str, value: object, rule: str) -> StatusCause:
    shown = json.dumps(value, ensure_ascii=False)
    return StatusCause(field, "FieldValueInvalid", f"Invalid value: {shown}: {rule}")


def _not_supported(field: str, value: object, supported: tuple[str, ...]) -> StatusCause:
    listed = ", ".join(json.dumps(entry) for entry in supported)
    message = f"Unsupported value: {json.dumps(value)}: supported values: {listed}"
    return StatusCause(field, "FieldValueNotSupported", message)


def _value_required(field: str, explanation: str = "") -> StatusCause:
    message = f"Required value: {explanation}" if explanation else "Required value"
    return StatusCause(field, "FieldValueRequired", message)


def _check_cronjob(obj: JsonObject, old: JsonObject | None) -> list[StatusCause]:
    spec = obj.get("spec") or {}
    causes = _check_schedule(spec, ((old or {}).get("spec") or {}).get("schedule"))
    if spec.get("timeZone") is not None:
        causes += _check_time_zone(spec["timeZone"])
    causes += _check_not_negative(spec, "startingDeadlineSeconds", "spec")
    policy = spec["concurrencyPolicy"]
    if policy not in _CONCURRENCY_POLICIES:
        causes.append(_not_supported("spec.concurrencyPolicy", policy, _CONCURRENCY_POLICIES))
    causes += _check_job_spec(spec["jobTemplate"]["spec"], "spec.jobTemplate.spec")
    for field in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        causes += _check_not_negative(spec, field, "spec")
    return causes


def _check_schedule(spec: JsonObject, old: str | None) -> list[StatusCause]:
    expression = spec.get("schedule") or ""
    if not expression:
        return [_value_required("spec.schedule")]
    if "TZ" in expression and expression == old:
        return []  # Kubernetes keeps a TZ= of earlier versions until the schedule is changed
    try:
        Schedule.parse(expression)
    except InvalidSchedule as fault:
        return [_invalid_value("spec.schedule", expression, fault.details["upstream"])]
    return []


def _check_time_zone(zone: str) -> list[StatusCause]:
    if not zone:
        return [_invalid_value("spec.timeZone", zone, "timeZone must be nil or non-empty string")]
    if zone.lower() == "local":
        return [_invalid_value("spec.timeZone", zone, _TIME_ZONE_RULE)]
    try:
        load_zone(zone)
    except InvalidTimeZone:
        return [_invalid_value("spec.timeZone", zone, f"unknown time zone {zone}")]
    return []


def _check_not_negative(spec: JsonObject, field: str, path: str) -> list[StatusCause]:
    value = spec.get(field)
    if isinstance(value, int) and value < 0:
        return [_invalid_value(f"{path}.{field}", value, "must be greater than or equal to 0")]
    return []


def _check_job_spec(spec: JsonObject, path: str) -> list[StatusCause]:
    causes: list[StatusCause] = []
    for field in _NOT_NEGATIVE_JOB_FIELDS:
        causes += _check_not_negative(spec, field, path)
    template = spec.get("template") or {}
    causes += _check_labels((template.get("metadata") or {}).get("labels") or {}, f"{path}.template.labels")
    pod = template.get("spec") or {}
    causes += _check_pod_spec(pod, f"{path}.template.spec")
    policy = pod.get("restartPolicy")
    policy_field = f"{path}.template.spec.restartPolicy"
    if policy == "Always" or policy is None:
        causes.append(_value_required(policy_field, 'valid values: "OnFailure", "Never"'))
    elif policy not in _RESTART_POLICIES:
        causes.append(_not_supported(policy_field, policy, _RESTART_POLICIES))
    return causes


def _check_pod_spec(spec: JsonObject, path: str) -> list[StatusCause]:
    if not spec.get("containers"):
        return [_value_required(f"{path}.containers")]
    causes = []
    for kind in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(kind) or []):
            causes += _check_container(container, f"{path}.{kind}[{index}]", spec)
    return causes


def _check_container(container: JsonObject, path: str, spec: JsonObject) -> list[StatusCause]:
    causes = []
    if not container.get("name"):
        causes.append(_value_required(f"{path}.name"))
    if not container.get("image"):
        causes.append(_value_required(f"{path}.image"))
    volumes = {volume.get("name") for volume in spec.get("volumes") or []}
    for index, mount in enumerate(container.get("volumeMounts") or []):
        if mount.get("name") not in volumes:
            field = f"{path}.volumeMounts[{index}].name"
            message = f"Not found: {json.dumps(mount.get('name'))}"
            causes.append(StatusCause(field, "FieldValueNotFound", message))
    return causes


def _check_template_unchanged(spec: JsonObject, old: JsonObject) -> list[StatusCause]:
    """Refuse a change of a Job's pod template, except while the Job is suspended."""
    before = old.get("spec") or {}
    if before.get("suspend") and spec.get("suspend") is not None:
        return []
    if spec.get("template") != before.get("template"):
        message = "Invalid value: core.PodTemplateSpec: field is immutable"
        return [StatusCause("spec.template", "FieldValueInvalid", message)]
    return []
