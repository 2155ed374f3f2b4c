"""What a Job's pods tell: which run, which have ended uncounted, what the failure policy says."""

from datetime import datetime, timedelta

import msgspec

from kronkeep_daemon.embedded.controllers.object_fields import (
    INDEX,
    find_condition,
    moment,
    pod_finished,
    tracked,
)
from kronkeep_daemon.kube.objects import JsonObject

FIRST_BACKOFF = 10.0
LONGEST_BACKOFF = 600.0


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """A Job's pods by what they mean to it; `succeeded` and `failed` are those that still await counting."""

    active: list[JsonObject]
    terminating: list[JsonObject]
    succeeded: list[JsonObject]
    failed: list[JsonObject]
    ignored: list[JsonObject]
    every: list[JsonObject]


def read(job: JsonObject, pods: list[JsonObject]) -> Tally:
    """Sorts the pods. One that is being deleted has failed, unless the Job replaces only what has ended."""
    patient = replaces_only_failed(job)
    awaiting = [pod for pod in pods if tracked(pod)]
    failed = [pod for pod in awaiting if _failed(pod, patient)]
    ignored = [pod for pod in failed if policy_match(job, pod, "Ignore")]
    return Tally(
        active=[pod for pod in pods if not pod_finished(pod) and not _deleted(pod)],
        terminating=[pod for pod in pods if not pod_finished(pod) and _deleted(pod)],
        succeeded=[pod for pod in awaiting if _phase(pod) == "Succeeded"],
        failed=[pod for pod in failed if pod not in ignored],
        ignored=ignored,
        every=pods,
    )


def replaces_only_failed(job: JsonObject) -> bool:
    """podReplacementPolicy Failed, which is also the default of a Job with a podFailurePolicy."""
    spec = job["spec"]
    return spec.get("podReplacementPolicy") == "Failed" or bool(spec.get("podFailurePolicy"))


def _phase(pod: JsonObject) -> str:
    return str((pod.get("status") or {}).get("phase", ""))


def _deleted(pod: JsonObject) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def _failed(pod: JsonObject, patient: bool) -> bool:
    if _phase(pod) == "Failed":
        return True
    return _deleted(pod) and _phase(pod) != "Succeeded" and not patient


def ready(pod: JsonObject) -> bool:
    """Whether the pod's condition Ready is true."""
    return find_condition((pod.get("status") or {}).get("conditions") or [], "Ready") is not None


def index_of(pod: JsonObject) -> int:
    """The completion index of an Indexed Job's pod."""
    return int(pod["metadata"]["annotations"][INDEX])


def policy_match(job: JsonObject, pod: JsonObject, action: str) -> tuple[int, str, int] | None:
    """(rule, container, exit code) where the first podFailurePolicy rule that the pod meets has `action`."""
    for number, rule in enumerate((job["spec"].get("podFailurePolicy") or {}).get("rules") or []):
        if found := _exit_code_match(pod, rule.get("onExitCodes")):
            return (number, *found) if rule["action"] == action else None
    return None


def _exit_code_match(pod: JsonObject, rule: JsonObject | None) -> tuple[str, int] | None:
    if rule is None:
        return None
    for entry in _statuses(pod):
        code = ((entry.get("state") or {}).get("terminated") or {}).get("exitCode")
        if not code or rule.get("containerName") not in (None, entry["name"]):
            continue
        if (code in rule["values"]) == (rule["operator"] == "In"):
            return entry["name"], code
    return None


def _statuses(pod: JsonObject) -> list[JsonObject]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def restarts(pods: list[JsonObject]) -> int:
    """How often containers of running pods were started again (restartPolicy OnFailure)."""
    return sum(entry.get("restartCount", 0) for pod in pods for entry in _statuses(pod))


def backoff(pods: list[JsonObject], now: datetime) -> float:
    """Seconds until the next pod may be made: 10 s after a failure, doubling with each, at most 10 min.

    Only failures since the last success count.
    """
    ended = [(_ended_at(pod) or now, _phase(pod)) for pod in pods if pod_finished(pod)]
    success = max((at for at, phase in ended if phase == "Succeeded"), default=None)
    failures = [at for at, phase in ended if phase == "Failed" and (success is None or at > success)]
    if not failures:
        return 0.0
    pause = min(FIRST_BACKOFF * 2 ** (len(failures) - 1), LONGEST_BACKOFF)
    return (max(failures) + timedelta(seconds=pause) - now).total_seconds()


def _ended_at(pod: JsonObject) -> datetime | None:
    """When its last container ended; where none began, when the pod ceased to be ready or was made."""
    ended = [
        ((entry.get("state") or {}).get("terminated") or {}).get("finishedAt") for entry in _statuses(pod)
    ]
    found = [at for at in map(moment, ended) if at is not None]
    if found:
        return max(found)
    conditions = (pod.get("status") or {}).get("conditions") or []
    unready = [entry.get("lastTransitionTime") for entry in conditions if entry["type"] == "Ready"]
    return moment((unready or [pod["metadata"]["creationTimestamp"]])[0])
