"""What became of a Job, and why, from the Job and its pods; pure, first hit wins.

Only `Complete` and `Failed` end a Job (FailureTarget and SuccessCriteriaMet come first, the pods may still
run). Job conditions do not tell an exit code, OOM or image apart: the pods are the only source of the cause.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from kronkeep_common.models import PodSeen
from kronkeep_common.states import ExecutionStatus
from kronkeep_common.text import clean, duration

Object = dict[str, Any]


class Cause(NamedTuple):
    """A stable word, a sentence, and what to do."""

    reason: str
    message: str
    next_step: str


class Observation(NamedTuple):
    """A Job's state as the cluster shows it now."""

    status: ExecutionStatus
    started_at: datetime | None
    ended_at: datetime | None
    attempts: int
    exit_code: int | None
    restarts: int
    node: str | None
    pods: tuple[PodSeen, ...]
    cause: Cause | None


# Waiting reasons of containers: what to do about each.
_WAITING = {
    "ErrImagePull": "Check the image's name and tag, and the pull secret.",
    "ImagePullBackOff": "Check the image's name and tag, and the pull secret.",
    "InvalidImageName": "Correct the image's name.",
    "ErrImageNeverPull": "Put the image on the node, or change imagePullPolicy.",
    "CreateContainerConfigError": "Create the Secret, ConfigMap or key that the message names.",
    "CreateContainerError": "Correct what the message names in the container.",
    "RunContainerError": "Correct the command or the mounts of the container.",
    "CrashLoopBackOff": "Read the log of the last attempt.",
}
_POD_REASONS = {
    "Evicted": "Give the pod requests that fit, or free the node.",
    "NodeLost": "Look at the node; the run may have been cut off.",
    "NodeShutdown": "The node was shut down; run it again.",
    "DeadlineExceeded": "Raise activeDeadlineSeconds or make the run shorter.",
}


def moment(text: str | None) -> datetime | None:
    """The instant of a metav1.Time."""
    return datetime.fromisoformat(text) if text else None


def observe(job: Object, pods: Iterable[Object]) -> Observation:
    """The state of the Job with what its pods, seen so far, tell."""
    status = job.get("status") or {}
    seen = tuple(_pod(pod) for pod in sorted(pods, key=lambda p: str(p["metadata"]["creationTimestamp"])))
    state, ended = _state(job)
    last = _deciding(seen)
    return Observation(
        status=state,
        started_at=moment(status.get("startTime")),
        ended_at=ended,
        attempts=max(len(seen), status.get("failed", 0) + status.get("succeeded", 0)),
        exit_code=last.exit_code if last else None,
        restarts=sum(pod.restarts for pod in seen),
        node=last.node if last else None,
        pods=seen,
        cause=_cause(job, list(pods), state),
    )


def _conditions(job: Object) -> dict[str, Object]:
    found = (job.get("status") or {}).get("conditions") or []
    return {c["type"]: c for c in found if c.get("status") == "True"}


def _state(job: Object) -> tuple[ExecutionStatus, datetime | None]:
    status, true = job.get("status") or {}, _conditions(job)
    if "Complete" in true:
        ended = status.get("completionTime") or true["Complete"].get("lastTransitionTime")
        return ExecutionStatus.SUCCEEDED, moment(ended)
    if "Failed" in true:
        return ExecutionStatus.FAILED, moment(true["Failed"].get("lastTransitionTime"))
    if "Suspended" in true:
        return ExecutionStatus.PENDING, None
    running = status.get("ready", 0) > 0 or "FailureTarget" in true or "SuccessCriteriaMet" in true
    return (ExecutionStatus.RUNNING if running else ExecutionStatus.PENDING), None


def _entries(pod: Object) -> list[Object]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _ended_entry(pod: Object) -> tuple[Object, Object] | None:
    """The container whose end decides: the first that failed, else the last that ended."""
    ended = []
    for entry in _entries(pod):
        for field in ("state", "lastState"):
            if end := (entry.get(field) or {}).get("terminated"):
                ended.append((entry, end))
                break
    return next((pair for pair in ended if pair[1].get("exitCode")), ended[-1] if ended else None)


def _pod(pod: Object) -> PodSeen:
    found = _ended_entry(pod)
    entry, end = found or ({}, {})
    return PodSeen(
        name=clean(pod["metadata"]["name"], 253),
        node=(pod.get("spec") or {}).get("nodeName"),
        phase=str((pod.get("status") or {}).get("phase", "")),
        container=entry.get("name"),
        exit_code=end.get("exitCode"),
        signal=end.get("signal"),
        reason=clean(str(end["reason"]), 100) if end.get("reason") else None,
        restarts=sum(e.get("restartCount", 0) for e in _entries(pod)),
    )


def _deciding(seen: tuple[PodSeen, ...]) -> PodSeen | None:
    ended = [pod for pod in seen if pod.exit_code is not None]
    return ended[-1] if ended else (seen[-1] if seen else None)


def _cause(job: Object, pods: list[Object], state: ExecutionStatus) -> Cause | None:
    if state is ExecutionStatus.SUCCEEDED:
        return None
    pods = sorted(pods, key=lambda p: str(p["metadata"]["creationTimestamp"]), reverse=True)
    if state is ExecutionStatus.FAILED:
        return _failed_cause(job, pods)
    return next((cause for cause in map(_pending_cause, pods) if cause), None)


def _failed_cause(job: Object, pods: list[Object]) -> Cause:
    condition = _conditions(job)["Failed"]
    reason, message = condition.get("reason", ""), clean(condition.get("message", ""), 500)
    if reason == "PodFailurePolicy":
        return Cause(
            "PodFailurePolicy", message + ".", "Look at the exit code in the podFailurePolicy rules."
        )
    if reason == "DeadlineExceeded":
        limit = duration(job["spec"].get("activeDeadlineSeconds"))
        waiting = next((cause for cause in map(_pending_cause, pods) if cause), None)
        why = f" while waiting: {waiting.message}" if waiting else ""
        words = f"The run was stopped at its deadline of {limit}{why}."
        return Cause("DeadlineExceeded", words, "Raise activeDeadlineSeconds or make the run shorter.")
    found = next((cause for cause in map(_ended_cause, pods) if cause), None)
    if found is None:
        return Cause(reason or "Failed", message or "The Job failed.", "Look at the Job's events.")
    attempts = (job.get("status") or {}).get("failed", 1)
    if attempts > 1:
        return found._replace(message=f"{found.message} (back-off limit after {attempts} attempts)")
    return found


def _ended_cause(pod: Object) -> Cause | None:
    status = pod.get("status") or {}
    if status.get("reason") in _POD_REASONS:
        words = clean(str(status.get("message") or status["reason"]), 500)
        return Cause(status["reason"], f"The pod was stopped: {words}", _POD_REASONS[status["reason"]])
    for condition in status.get("conditions") or []:
        if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
            words = clean(str(condition.get("message") or condition.get("reason")), 500)
            return Cause("Disrupted", f"The pod was taken away: {words}", "Run it again.")
    found = _ended_entry(pod)
    return _exit_cause(pod, *found) if found and found[1].get("exitCode") else None


def _exit_cause(pod: Object, entry: Object, end: Object) -> Cause:
    name, code = clean(entry["name"], 63), end["exitCode"]
    if end.get("reason") == "OOMKilled":
        limit = _memory_limit(pod, entry["name"])
        words = f"Container {name} was killed: it needed more memory than its limit{limit}."
        return Cause("OOMKilled", words, "Raise resources.limits.memory or make the run smaller.")
    if end.get("reason") == "ContainerStatusUnknown":
        words = f"The node lost sight of container {name}; how it ended is not known."
        return Cause("NodeLost", words, "Look at the node, then run it again.")
    if end.get("signal") or 128 < code < 160:
        number = end.get("signal") or code - 128
        words = f"Container {name} was ended by signal {number}."
        return Cause("Signal", words, "Find out who stopped it: a deletion, the node, or the program itself.")
    return Cause(
        "ExitCode", f"Container {name} ended with exit code {code}.", "Read the last lines of its log."
    )


def _memory_limit(pod: Object, container: str) -> str:
    for spec in pod["spec"].get("containers") or []:
        if spec["name"] == container:
            limit = ((spec.get("resources") or {}).get("limits") or {}).get("memory")
            return f" of {clean(str(limit), 30)}" if limit else ""
    return ""


def _pending_cause(pod: Object) -> Cause | None:
    for entry in _entries(pod):
        waiting = (entry.get("state") or {}).get("waiting") or {}
        reason = waiting.get("reason")
        if reason in _WAITING:
            words = clean(str(waiting.get("message") or reason), 500)
            return Cause(
                reason, f"Container {clean(entry['name'], 63)} cannot start: {words}", _WAITING[reason]
            )
    for condition in (pod.get("status") or {}).get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            words = clean(str(condition.get("message") or condition.get("reason")), 500)
            return Cause("Unschedulable", f"No node takes the pod: {words}", "Free or add a node that fits.")
    return None
