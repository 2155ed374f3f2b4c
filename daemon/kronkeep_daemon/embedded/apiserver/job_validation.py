"""What a real API server refuses of a Job's spec, in its own words and order (pkg/apis/batch/validation).

Of an object or a list that is refused as a whole only the name of its type is shown.
"""

import re

from kronkeep_daemon.embedded.apiserver.failure_policy_validation import check_failure_policy
from kronkeep_daemon.embedded.apiserver.field_causes import (
    check_not_negative,
    invalid_object_value,
    invalid_value,
    not_supported,
    too_long,
    value_required,
)
from kronkeep_daemon.embedded.apiserver.pod_validation import check_labels, check_pod_spec
from kronkeep_daemon.embedded.apiserver.status_responses import StatusCause
from kronkeep_daemon.embedded.apiserver.success_policy_validation import check_success_policy
from kronkeep_daemon.kube.objects import JsonObject

_NOT_NEGATIVE_FIELDS = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
)
_RESTART_POLICIES = ("OnFailure", "Never")
_COMPLETION_MODES = ("NonIndexed", "Indexed")
_REPLACEMENT_POLICIES = ("Failed", "TerminatingOrFailed")
_IMMUTABLE_FIELDS = {
    "completionMode": "",
    "podFailurePolicy": "batch.PodFailurePolicy",
    "backoffLimitPerIndex": "",
    "managedBy": "",
    "successPolicy": "batch.SuccessPolicy",
}
_LONGEST_MANAGER = 63
_MOST_PARALLEL = 100_000  # pods of an Indexed Job
_MOST_FAILED_INDEXES = 100_000
_MANY_COMPLETIONS = 100_000
_LIMIT_WITH_MANY = 10_000  # of parallelism and maxFailedIndexes, where there are many completions
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_HTTP_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"


def check_job_name(name: str, spec: JsonObject) -> list[StatusCause]:
    """Return the cause for an Indexed Job whose last pod would have a host name that is too long."""
    completions = spec.get("completions")
    if spec.get("completionMode") != "Indexed" or not completions:
        return []
    hostname = f"{name}-{completions - 1}"
    if _DNS_LABEL.fullmatch(hostname):
        return []
    rule = f"will not able to create pod with invalid DNS label: {hostname}"
    return [invalid_value("metadata.name", name, rule)]


def check_job_spec(spec: JsonObject, path: str) -> list[StatusCause]:
    """Return what is wrong with the spec of a Job at `path`."""
    causes: list[StatusCause] = []
    for field in _NOT_NEGATIVE_FIELDS:
        causes += check_not_negative(spec, field, path)
    causes += _check_failed_index_limit(spec, path)
    causes += _check_manager(spec.get("managedBy"), f"{path}.managedBy")
    causes += _check_completion_mode(spec, path)
    if spec.get("podFailurePolicy") is not None:
        causes += check_failure_policy(spec, f"{path}.podFailurePolicy")
    if spec.get("successPolicy") is not None:
        causes += _check_success(spec, f"{path}.successPolicy")
    causes += _check_replacement_policy(spec, f"{path}.podReplacementPolicy")
    return causes + _check_template(spec, path)


def check_job_template(spec: JsonObject, path: str) -> list[StatusCause]:
    """Return what is wrong with the spec of a CronJob's Jobs at `path`: their selectors are made for them."""
    causes = check_job_spec(spec, path)
    if spec.get("selector") is not None:
        rule = "`selector` will be auto-generated"
        causes.append(invalid_value(f"{path}.selector", spec["selector"], rule))
    if spec.get("manualSelector"):
        causes.append(not_supported(f"{path}.manualSelector", True, ("nil", "false")))
    return causes


def _check_failed_index_limit(spec: JsonObject, path: str) -> list[StatusCause]:
    if spec.get("maxFailedIndexes") is None:
        return []
    causes = check_not_negative(spec, "maxFailedIndexes", path)
    if spec.get("backoffLimitPerIndex") is None:
        causes.append(value_required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified"))
    return causes


def _check_manager(manager: str | None, field: str) -> list[StatusCause]:
    if manager is None:
        return []
    too_long_causes = [too_long(field, _LONGEST_MANAGER)] if len(manager) > _LONGEST_MANAGER else []
    return _check_domain_prefixed_path(manager, field) + too_long_causes


def _check_domain_prefixed_path(text: str, field: str) -> list[StatusCause]:
    if not text:
        return [value_required(field)]
    host, _, path = text.partition("/")
    if not host or not path:
        return [invalid_value(field, text, 'must be a domain-prefixed path (such as "acme.io/foo")')]
    causes = []
    if not _SUBDOMAIN.fullmatch(host):
        rule = (
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
            "and must start and end with an alphanumeric character (e.g. 'example.com', regex used for "
            r"validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
        )
        causes.append(invalid_value(field, host, rule))
    if not re.fullmatch(_HTTP_PATH, path):
        rule = f"Invalid path (regex used for validation is '{_HTTP_PATH}')"
        causes.append(invalid_value(field, path, rule))
    return causes


def _check_completion_mode(spec: JsonObject, path: str) -> list[StatusCause]:
    mode = spec.get("completionMode", "NonIndexed")
    if mode not in _COMPLETION_MODES:
        return [not_supported(f"{path}.completionMode", mode, _COMPLETION_MODES)]
    if mode == "Indexed":
        return _check_indexed_limits(spec, path)
    return [
        invalid_value(f"{path}.{field}", spec[field], "requires indexed completion mode")
        for field in ("backoffLimitPerIndex", "maxFailedIndexes")
        if spec.get(field) is not None
    ]


def _check_indexed_limits(spec: JsonObject, path: str) -> list[StatusCause]:
    completions = spec.get("completions")
    causes: list[StatusCause] = []
    if completions is None:
        causes.append(value_required(f"{path}.completions", "when completion mode is Indexed"))
    rule = f"must be less than or equal to {_MOST_PARALLEL} when completion mode is Indexed"
    causes += _check_most(spec, "parallelism", path, _MOST_PARALLEL, rule)
    if completions is not None:
        rule = "must be less than or equal to completions"
        causes += _check_most(spec, "maxFailedIndexes", path, completions, rule)
    rule = f"must be less than or equal to {_MOST_FAILED_INDEXES}"
    causes += _check_most(spec, "maxFailedIndexes", path, _MOST_FAILED_INDEXES, rule)
    if (completions or 0) > _MANY_COMPLETIONS and spec.get("backoffLimitPerIndex") is not None:
        causes += _check_limits_with_many(spec, path)
    return causes


def _check_limits_with_many(spec: JsonObject, path: str) -> list[StatusCause]:
    causes: list[StatusCause] = []
    if spec.get("maxFailedIndexes") is None:
        rule = f"must be specified when completions is above {_MANY_COMPLETIONS}"
        causes.append(value_required(f"{path}.maxFailedIndexes", rule))
    rule = (
        f"must be less than or equal to {_LIMIT_WITH_MANY} when completions are above {_MANY_COMPLETIONS} "
        "and used with backoff limit per index"
    )
    for field in ("parallelism", "maxFailedIndexes"):
        causes += _check_most(spec, field, path, _LIMIT_WITH_MANY, rule)
    return causes


def _check_most(spec: JsonObject, field: str, path: str, most: int, rule: str) -> list[StatusCause]:
    value = spec.get(field)
    return [invalid_value(f"{path}.{field}", value, rule)] if value is not None and value > most else []


def _check_success(spec: JsonObject, field: str) -> list[StatusCause]:
    if spec.get("completionMode") != "Indexed":
        return [invalid_object_value(field, "requires indexed completion mode", "batch.SuccessPolicy")]
    return check_success_policy(spec, field)


def _check_replacement_policy(spec: JsonObject, field: str) -> list[StatusCause]:
    policy = spec.get("podReplacementPolicy")
    supported = ("Failed",) if spec.get("podFailurePolicy") is not None else _REPLACEMENT_POLICIES
    return [not_supported(field, policy, supported)] if policy not in (None, *supported) else []


def _check_template(spec: JsonObject, path: str) -> list[StatusCause]:
    template = spec.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels") or {}
    pod = template.get("spec") or {}
    causes = check_labels(labels, f"{path}.template.labels")
    causes += check_pod_spec(pod, f"{path}.template.spec")
    policy = pod.get("restartPolicy")
    field = f"{path}.template.spec.restartPolicy"
    if policy == "Always" or policy is None:
        causes.append(value_required(field, 'valid values: "OnFailure", "Never"'))
    elif policy not in _RESTART_POLICIES:
        causes.append(not_supported(field, policy, _RESTART_POLICIES))
    elif spec.get("podFailurePolicy") is not None and policy != "Never":
        rule = 'only "Never" is supported when podFailurePolicy is specified'
        causes.append(invalid_value(field, policy, rule))
    return causes


def check_job_update(spec: JsonObject, old: JsonObject) -> list[StatusCause]:
    """Return the changes of a Job's spec that are refused."""
    causes = _check_completions_update(spec, old)
    if not (old.get("suspend") and spec.get("suspend") is not None):
        causes += _check_unchanged(spec, old, "template", "core.PodTemplateSpec")
    for field, kind in _IMMUTABLE_FIELDS.items():
        causes += _check_unchanged(spec, old, field, kind)
    return causes


def _check_completions_update(spec: JsonObject, old: JsonObject) -> list[StatusCause]:
    """Refuse other completions, but of an Indexed Job that grows or shrinks with its parallelism."""
    completions = spec.get("completions")
    if spec.get("completionMode") != "Indexed":
        return _check_unchanged(spec, old, "completions", "")
    if completions in (None, old.get("completions"), spec.get("parallelism")):
        return []
    return [
        invalid_value("spec.completions", completions, "can only be modified in tandem with spec.parallelism")
    ]


def _check_unchanged(spec: JsonObject, old: JsonObject, field: str, kind: str) -> list[StatusCause]:
    value = spec.get(field)
    if value == old.get(field):
        return []
    if kind and value is not None:
        return [invalid_object_value(f"spec.{field}", "field is immutable", kind)]
    return [invalid_value(f"spec.{field}", "null" if value is None else value, "field is immutable")]
