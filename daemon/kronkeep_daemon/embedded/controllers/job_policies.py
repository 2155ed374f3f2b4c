"""What a Job's podFailurePolicy and successPolicy say, as Kubernetes 1.36 reads them; pure."""

from typing import NamedTuple

from kronkeep_daemon.embedded.controllers import completion_indexes
from kronkeep_daemon.kube.objects import JsonObject


class PolicyMatch(NamedTuple):
    """The podFailurePolicy rule that a pod meets: its number, its action, and upstream's words for it."""

    rule: int
    action: str
    message: str


def match_failure_policy(job: JsonObject, pod: JsonObject) -> PolicyMatch | None:
    """Return the first podFailurePolicy rule that a failed pod meets."""
    for number, rule in enumerate((job["spec"].get("podFailurePolicy") or {}).get("rules") or []):
        if facts := _match_rule(pod, rule):
            message = f"{facts} matching {rule['action']} rule at index {number}"
            return PolicyMatch(number, rule["action"], message)
    return None


def _match_rule(pod: JsonObject, rule: JsonObject) -> str | None:
    """Return what of a pod meets a rule, in words."""
    name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
    if rule.get("onExitCodes"):
        entry = _match_exit_codes(pod, rule["onExitCodes"])
        if entry is None:
            return None
        code = termination_of(entry)["exitCode"]
        return f"Container {entry['name']} for pod {name} failed with exit code {code}"
    condition = _match_conditions(pod, rule.get("onPodConditions") or [])
    return f"Pod {name} has condition {condition}" if condition else None


def _match_exit_codes(pod: JsonObject, requirement: JsonObject) -> JsonObject | None:
    status = pod.get("status") or {}
    for entry in [*(status.get("containerStatuses") or []), *(status.get("initContainerStatuses") or [])]:
        code = termination_of(entry).get("exitCode")
        if not code or requirement.get("containerName") not in (None, entry["name"]):
            continue
        if (code in requirement["values"]) == (requirement["operator"] == "In"):
            return dict(entry)
    return None


def _match_conditions(pod: JsonObject, patterns: list[JsonObject]) -> str | None:
    wanted_pairs = {(pattern["type"], pattern.get("status", "True")) for pattern in patterns}
    conditions = (pod.get("status") or {}).get("conditions") or []
    return next((c["type"] for c in conditions if (c["type"], c["status"]) in wanted_pairs), None)


def termination_of(container_status: JsonObject) -> JsonObject:
    """Return state.terminated of a container, empty where it has not ended."""
    return (container_status.get("state") or {}).get("terminated") or {}


def match_success_policy(job: JsonObject, succeeded: set[int]) -> str | None:
    """Return upstream's words for the first successPolicy rule that these indexes meet."""
    rules = (job["spec"].get("successPolicy") or {}).get("rules") or []
    for number, rule in enumerate(rules if succeeded else []):
        if _meets_success_rule(rule, succeeded):
            return f"Matched rules at index {number}"
    return None


def _meets_success_rule(rule: JsonObject, succeeded: set[int]) -> bool:
    count = rule.get("succeededCount")
    if rule.get("succeededIndexes") is None:
        return count is not None and len(succeeded) >= count
    ranges = completion_indexes.parse_ranges(rule["succeededIndexes"])
    total = sum(last - first + 1 for first, last in ranges)
    contained = sum(any(first <= index <= last for first, last in ranges) for index in succeeded)
    return bool(ranges) and (contained == total or (count is not None and contained >= count))
