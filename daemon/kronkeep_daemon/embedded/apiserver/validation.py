"""What a real API server refuses, in its own words (the recordings in tests/data hold them)."""

import re

from kronkeep_common.cronjob_fields import find_unknown_fields, split_path
from kronkeep_common.errors import InvalidSchedule, InvalidTimeZone
from kronkeep_common.schedule import Schedule
from kronkeep_common.schedule.zone import load_zone as load_zone
from kronkeep_daemon.embedded.apiserver.field_causes import (
    check_not_negative,
    invalid_value,
    not_supported,
    value_required,
)
from kronkeep_daemon.embedded.apiserver.job_validation import (
    check_job_name,
    check_job_spec,
    check_job_template,
    check_job_update,
)
from kronkeep_daemon.embedded.apiserver.pod_validation import check_labels, check_pod_spec
from kronkeep_daemon.embedded.apiserver.resources import Resource
from kronkeep_daemon.embedded.apiserver.status_responses import StatusCause, bad_request, invalid_object
from kronkeep_daemon.kube.objects import JsonObject

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_MOST_ANNOTATION_BYTES = 262_144
_CONCURRENCY_POLICIES = ("Allow", "Forbid", "Replace")
_TIME_ZONE_RULE = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"


def drop_unknown_fields(resource: Resource, obj: JsonObject) -> None:
    """Remove fields that the kind does not have from the first level of the spec of a CronJob or Job."""
    for path in find_unknown_fields(resource.kind, {"spec": obj.get("spec")}):
        steps = split_path(path)
        if len(steps) == 2:
            del obj["spec"][steps[1]]


def refuse_unknown_fields(resource: Resource, obj: JsonObject) -> None:
    """Raise a 400 Refusal for fields that a CronJob or Job does not have, as fieldValidation=Strict does."""
    unknown = find_unknown_fields(resource.kind, obj)
    if unknown:
        listed = ", ".join(f'unknown field "{path}"' for path in unknown)
        raise bad_request(
            f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
            f"strict decoding error: {listed}"
        )


def check_object(resource: Resource, obj: JsonObject, old: JsonObject | None) -> None:
    """Raise a 422 Refusal with everything that is wrong with the object; `old` is None for a new one."""
    causes = _check_metadata(resource, obj, old)
    spec = obj.get("spec") or {}
    if resource.kind == "CronJob":
        causes += _check_cronjob(obj, old)
    elif resource.kind == "Job":
        causes += check_job_spec(spec, "spec")
        if old is None:
            causes += check_job_name(obj["metadata"]["name"], spec)
        else:
            causes += check_job_update(spec, old.get("spec") or {})
    elif resource.kind == "Pod" and old is None:
        causes += check_pod_spec(spec, "spec")
    elif resource.kind == "Deployment":
        causes += _check_deployment(spec)
    elif resource.kind == "Event":
        causes += _check_event(obj)
    if causes:
        raise invalid_object(resource, obj["metadata"]["name"], causes)


def _check_metadata(resource: Resource, obj: JsonObject, old: JsonObject | None) -> list[StatusCause]:
    meta = obj["metadata"]
    name = meta["name"]
    causes = [] if old else _check_name(name)
    if not old and resource.kind == "CronJob" and len(name) > 52:
        causes = [invalid_value("metadata.name", name, "must be no more than 52 characters")]
    annotations = meta.get("annotations") or {}
    if sum(len(k.encode()) + len(v.encode()) for k, v in annotations.items()) > _MOST_ANNOTATION_BYTES:
        message = f"Too long: may not be more than {_MOST_ANNOTATION_BYTES} bytes"
        cause = StatusCause("metadata.annotations", "FieldValueTooLong", message)
        # A real API server lists this cause three times when an object is changed.
        causes += [cause] * (3 if old else 1)
    return causes + check_labels(meta.get("labels") or {}, "metadata.labels")


def _check_name(name: str) -> list[StatusCause]:
    if len(name) > 253:
        return [invalid_value("metadata.name", name, "must be no more than 253 characters")]
    if not _SUBDOMAIN.fullmatch(name):
        return [invalid_value("metadata.name", name, _SUBDOMAIN_RULE)]
    return []


def _check_event(event: JsonObject) -> list[StatusCause]:
    """Refuse an Event in another namespace than its object's; those of objects without one are in default."""
    namespace = event["metadata"].get("namespace")
    involved = (event.get("involvedObject") or {}).get("namespace") or ""
    if namespace == (involved or "default"):
        return []
    return [invalid_value("involvedObject.namespace", involved, "does not match event.namespace")]


def _check_cronjob(obj: JsonObject, old: JsonObject | None) -> list[StatusCause]:
    spec = obj.get("spec") or {}
    causes = _check_schedule(spec, ((old or {}).get("spec") or {}).get("schedule"))
    if spec.get("timeZone") is not None:
        causes += _check_time_zone(spec["timeZone"])
    causes += check_not_negative(spec, "startingDeadlineSeconds", "spec")
    policy = spec["concurrencyPolicy"]
    if policy not in _CONCURRENCY_POLICIES:
        causes.append(not_supported("spec.concurrencyPolicy", policy, _CONCURRENCY_POLICIES))
    causes += check_job_template(spec["jobTemplate"]["spec"], "spec.jobTemplate.spec")
    for field in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        causes += check_not_negative(spec, field, "spec")
    return causes


def _check_deployment(spec: JsonObject) -> list[StatusCause]:
    template = spec.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels") or {}
    causes = check_labels(labels, "spec.template.metadata.labels")
    selected = (spec.get("selector") or {}).get("matchLabels") or {}
    if not selected:
        causes.append(value_required("spec.selector"))
    elif not selected.items() <= labels.items():
        message = "`selector` does not match template `labels`"
        causes.append(invalid_value("spec.template.metadata.labels", labels, message))
    return causes + check_pod_spec(template.get("spec") or {}, "spec.template.spec")


def _check_schedule(spec: JsonObject, old: str | None) -> list[StatusCause]:
    expression = spec.get("schedule") or ""
    if not expression:
        return [value_required("spec.schedule")]
    if "TZ" in expression and expression == old:
        return []  # Kubernetes keeps a TZ= of earlier versions until the schedule is changed
    try:
        Schedule.parse(expression)
    except InvalidSchedule as fault:
        return [invalid_value("spec.schedule", expression, fault.details["upstream"])]
    return []


def _check_time_zone(zone: str) -> list[StatusCause]:
    if not zone:
        return [invalid_value("spec.timeZone", zone, "timeZone must be nil or non-empty string")]
    if zone.lower() == "local":
        return [invalid_value("spec.timeZone", zone, _TIME_ZONE_RULE)]
    try:
        load_zone(zone)
    except InvalidTimeZone:
        return [invalid_value("spec.timeZone", zone, f"unknown time zone {zone}")]
    return []
