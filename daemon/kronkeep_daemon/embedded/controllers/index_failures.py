"""The failures of each index of an Indexed Job with backoffLimitPerIndex; pure.

Each pod says in annotations how often its index has failed before it, so that the count needs no place in the
Job's status. Failures that a podFailurePolicy ignores are counted apart: they prolong the pause only.

Upstream keeps a failed pod until its replacement exists. Here a failed pod that somebody deletes before that
is forgotten.
"""

from datetime import datetime

from kronkeep_daemon.embedded.controllers import job_pods
from kronkeep_daemon.embedded.controllers.job_policies import match_failure_policy
from kronkeep_daemon.embedded.controllers.object_fields import (
    IGNORED_INDEX_FAILURES,
    INDEX_FAILURES,
    is_tracked,
)
from kronkeep_daemon.kube.objects import JsonObject


def has_limit_per_index(job: JsonObject) -> bool:
    """Whether the Job limits the failures of each index."""
    return job["spec"].get("backoffLimitPerIndex") is not None


def find_failed_indexes(job: JsonObject, pods: list[JsonObject]) -> set[int]:
    """Return the indexes that fail for good with pods that have not been counted."""
    return {
        job_pods.index_of(pod)
        for pod in pods
        if is_tracked(pod) and job_pods.has_failed(job, pod) and _fails_index(job, pod)
    }


def _fails_index(job: JsonObject, pod: JsonObject) -> bool:
    match = match_failure_policy(job, pod)
    if match is not None and match.action == "FailIndex":
        return True
    is_counted = match is None or match.action != "Ignore"
    return is_counted and _count(pod, INDEX_FAILURES) >= int(job["spec"]["backoffLimitPerIndex"])


def failure_annotations(job: JsonObject, index: int, pods: list[JsonObject]) -> dict[str, str]:
    """Return what the next pod of an index says about the failures before it."""
    last = _last_failed_pod(job, index, pods)
    if last is None:
        return {INDEX_FAILURES: "0"}
    match = match_failure_policy(job, last)
    is_ignored = match is not None and match.action == "Ignore"
    failures = _count(last, INDEX_FAILURES) + (not is_ignored)
    ignored = _count(last, IGNORED_INDEX_FAILURES) + is_ignored
    counts = {INDEX_FAILURES: str(failures)}
    return counts | {IGNORED_INDEX_FAILURES: str(ignored)} if ignored else counts


def seconds_to_retry(job: JsonObject, index: int, pods: list[JsonObject], now: datetime) -> float:
    """Return the seconds until an index may have its next pod; 0 or less means now."""
    last = _last_failed_pod(job, index, pods)
    if last is None:
        return 0.0
    return job_pods.pause_after(_failures_of(last) + 1, job_pods.end_of(last) or now, now)


def _last_failed_pod(job: JsonObject, index: int, pods: list[JsonObject]) -> JsonObject | None:
    failed = [pod for pod in pods if job_pods.index_of(pod) == index and job_pods.has_failed(job, pod)]
    return max(failed, key=_failures_of, default=None)


def _failures_of(pod: JsonObject) -> int:
    """Return how often the pod's index had failed before it, ignored failures included."""
    return _count(pod, INDEX_FAILURES) + _count(pod, IGNORED_INDEX_FAILURES)


def _count(pod: JsonObject, annotation: str) -> int:
    """Return a count; anybody who may change pods may have written something else."""
    text = (pod["metadata"].get("annotations") or {}).get(annotation, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
