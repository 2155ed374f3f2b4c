"""What a real API server refuses of a podFailurePolicy, in its own words (pkg/apis/batch/validation)."""

import json

from kronkeep_daemon.embedded.apiserver.field_causes import (
    duplicate,
    invalid_object_value,
    invalid_value,
    not_supported,
    too_many,
    value_required,
)
from kronkeep_daemon.embedded.apiserver.status_responses import StatusCause
from kronkeep_daemon.kube.objects import JsonObject

_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_OPERATORS = ("In", "NotIn")
_CONDITION_STATUSES = ("False", "True", "Unknown")
_MOST_RULES = 20
_MOST_EXIT_CODES = 255
_MOST_PATTERNS = 20


def check_failure_policy(spec: JsonObject, path: str) -> list[StatusCause]:
    """Return what is wrong with the podFailurePolicy of a Job's spec."""
    rules = spec["podFailurePolicy"].get("rules") or []
    causes = [too_many(f"{path}.rules", len(rules), _MOST_RULES)] if len(rules) > _MOST_RULES else []
    for number, rule in enumerate(rules):
        causes += _check_rule(spec, rule, f"{path}.rules[{number}]")
    return causes


def _check_rule(spec: JsonObject, rule: JsonObject, path: str) -> list[StatusCause]:
    exit_codes = rule.get("onExitCodes")
    patterns = rule.get("onPodConditions") or []
    causes = _check_action(spec, rule.get("action", ""), f"{path}.action")
    if exit_codes is not None:
        causes += _check_exit_codes(spec, exit_codes, f"{path}.onExitCodes")
    if patterns:
        causes += _check_patterns(patterns, f"{path}.onPodConditions")
    if exit_codes is not None and patterns:
        rule_text = "specifying both OnExitCodes and OnPodConditions is not supported"
        causes.append(invalid_object_value(path, rule_text))
    if exit_codes is None and not patterns:
        causes.append(
            invalid_object_value(path, "specifying one of OnExitCodes and OnPodConditions is required")
        )
    return causes


def _check_action(spec: JsonObject, action: str, field: str) -> list[StatusCause]:
    if not action:
        return [value_required(field, _valid_values(_ACTIONS))]
    if action not in _ACTIONS:
        return [not_supported(field, action, _ACTIONS)]
    if action == "FailIndex" and spec.get("backoffLimitPerIndex") is None:
        return [invalid_value(field, action, "requires the backoffLimitPerIndex to be set")]
    return []


def _valid_values(values: tuple[str, ...]) -> str:
    return f"valid values: [{' '.join(map(json.dumps, values))}]"


def _check_patterns(patterns: list[JsonObject], path: str) -> list[StatusCause]:
    causes = [too_many(path, len(patterns), _MOST_PATTERNS)] if len(patterns) > _MOST_PATTERNS else []
    for number, pattern in enumerate(patterns):
        status = pattern.get("status", "True")
        if status not in _CONDITION_STATUSES:
            causes.append(not_supported(f"{path}[{number}].status", status, _CONDITION_STATUSES))
    return causes


def _check_exit_codes(spec: JsonObject, requirement: JsonObject, path: str) -> list[StatusCause]:
    operator = requirement.get("operator", "")
    causes: list[StatusCause] = []
    if not operator:
        causes.append(value_required(f"{path}.operator", _valid_values(_OPERATORS)))
    elif operator not in _OPERATORS:
        causes.append(not_supported(f"{path}.operator", operator, _OPERATORS))
    container = requirement.get("containerName")
    if container is not None and container not in _container_names(spec):
        rule = "must be one of the container or initContainer names in the pod template"
        causes.append(invalid_value(f"{path}.containerName", container, rule))
    return causes + _check_values(requirement.get("values") or [], operator, f"{path}.values")


def _container_names(spec: JsonObject) -> set[str]:
    pod = (spec.get("template") or {}).get("spec") or {}
    return {c.get("name", "") for kind in ("containers", "initContainers") for c in pod.get(kind) or []}


def _check_values(values: list[int], operator: str, path: str) -> list[StatusCause]:
    causes: list[StatusCause] = []
    if not values:
        causes.append(invalid_object_value(path, "at least one value is required", "null"))
    elif len(values) > _MOST_EXIT_CODES:
        causes.append(too_many(path, len(values), _MOST_EXIT_CODES))
    for number, value in enumerate(values):
        if operator == "In" and value == 0:
            causes.append(invalid_value(f"{path}[{number}]", value, "must not be 0 for the In operator"))
        if value in values[:number]:
            causes.append(duplicate(f"{path}[{number}]", value))
    if values != sorted(values):
        causes.append(invalid_object_value(path, "must be ordered", "[]int32"))
    return causes
