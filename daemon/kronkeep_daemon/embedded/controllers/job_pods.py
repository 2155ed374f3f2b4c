"""What the pods of a Job mean to it: which run, which have ended uncounted, how long the next one waits."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from kronkeep_daemon.embedded.controllers.job_policies import match_failure_policy, termination_of
from kronkeep_daemon.embedded.controllers.object_fields import (
    COMPLETION_INDEX,
    find_true_condition,
    has_pod_ended,
    is_deleting,
    is_tracked,
)
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.kube.timestamps import parse_timestamp

FIRST_BACKOFF_SECONDS = 10.0
LONGEST_BACKOFF_SECONDS = 600.0


class JobPods(msgspec.Struct, frozen=True, kw_only=True):
    """A Job's pods by what they mean to it.

    `succeeded` and `failed` are those that have not been counted; `ignored` are failures that the
    podFailurePolicy does not count.
    """

    active: list[JsonObject]
    terminating: list[JsonObject]
    succeeded: list[JsonObject]
    failed: list[JsonObject]
    ignored: list[JsonObject]
    all: list[JsonObject]


def sort_pods(job: JsonObject, pods: list[JsonObject]) -> JobPods:
    """Sort a Job's pods by what they mean to it.

    A pod that is being deleted counts as failed, unless the Job replaces only pods that have ended.
    """
    uncounted = [pod for pod in pods if is_tracked(pod)]
    failed = [pod for pod in uncounted if has_failed(job, pod)]
    ignored = [pod for pod in failed if _is_ignored(job, pod)]
    return JobPods(
        active=[pod for pod in pods if not has_pod_ended(pod) and not is_deleting(pod)],
        terminating=[pod for pod in pods if not has_pod_ended(pod) and is_deleting(pod)],
        succeeded=[pod for pod in uncounted if _phase_of(pod) == "Succeeded"],
        failed=[pod for pod in failed if pod not in ignored],
        ignored=ignored,
        all=pods,
    )


def replaces_only_failed(job: JsonObject) -> bool:
    """Whether podReplacementPolicy is Failed, which is also the default with a podFailurePolicy."""
    spec = job["spec"]
    return spec.get("podReplacementPolicy") == "Failed" or bool(spec.get("podFailurePolicy"))


def _phase_of(pod: JsonObject) -> str:
    return str((pod.get("status") or {}).get("phase", ""))


def _is_ignored(job: JsonObject, pod: JsonObject) -> bool:
    match = match_failure_policy(job, pod)
    return match is not None and match.action == "Ignore"


def has_failed(job: JsonObject, pod: JsonObject) -> bool:
    """Whether a pod counts as failed, see `sort_pods`."""
    if _phase_of(pod) == "Failed":
        return True
    return is_deleting(pod) and _phase_of(pod) != "Succeeded" and not replaces_only_failed(job)


def is_ready(pod: JsonObject) -> bool:
    """Whether the pod's condition Ready is true."""
    return find_true_condition((pod.get("status") or {}).get("conditions") or [], "Ready") is not None


def index_of(pod: JsonObject) -> int:
    """Return the completion index of an Indexed Job's pod; -1 for a pod that somebody else made."""
    text = (pod["metadata"].get("annotations") or {}).get(COMPLETION_INDEX, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1


def _container_statuses(pod: JsonObject) -> list[JsonObject]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def count_restarts(pods: list[JsonObject]) -> int:
    """Return how often containers of these pods were restarted (restartPolicy OnFailure)."""
    return sum(entry.get("restartCount", 0) for pod in pods for entry in _container_statuses(pod))


def backoff_seconds(pods: list[JsonObject], now: datetime) -> float:
    """Return the seconds until the next pod may be created; 0 or less means now.

    10 s after a failure, doubled with each further one to at most 10 min. Only failures since the last
    success count.
    """
    ended = [(end_of(pod) or now, _phase_of(pod)) for pod in pods if has_pod_ended(pod)]
    last_success = max((end for end, phase in ended if phase == "Succeeded"), default=None)
    failures = [
        end for end, phase in ended if phase == "Failed" and (last_success is None or end > last_success)
    ]
    if not failures:
        return 0.0
    return pause_after(len(failures), max(failures), now)


def pause_after(failures: int, last: datetime, now: datetime) -> float:
    """Return the seconds that are left of the pause after so many failures, the last one at `last`."""
    pause = min(FIRST_BACKOFF_SECONDS * 2 ** min(failures - 1, 10), LONGEST_BACKOFF_SECONDS)
    return (last + timedelta(seconds=pause) - now).total_seconds()


def end_of(pod: JsonObject) -> datetime | None:
    """Return when the pod's last container ended.

    Where none has started: when the pod stopped being ready, or when it was created.
    """
    ends = _parse_all(termination_of(entry).get("finishedAt") for entry in _container_statuses(pod))
    if ends:
        return max(ends)
    for condition in (pod.get("status") or {}).get("conditions") or []:
        if condition["type"] == "Ready":
            return parse_timestamp(condition.get("lastTransitionTime"))
    return parse_timestamp(pod["metadata"]["creationTimestamp"])


def _parse_all(timestamps: Iterable[str | None]) -> list[datetime]:
    return [moment for moment in map(parse_timestamp, timestamps) if moment is not None]
