"""Why a Job waits or failed, in words, each with a next step; pure tables and first hit wins.

The order is: the pod's own reason, its DisruptionTarget condition, how its containers ended, what they
wait for, whether it was scheduled, and, without a pod, the Job's Events. 137 is SIGKILL and no more: only
the reason OOMKilled says that memory ran out.
"""

import re
from collections.abc import Iterable, Mapping

from kronkeep_common.models import Cause
from kronkeep_common.text import clean
from kronkeep_daemon.kube.objects import ContainerStatus, Event, Pod, Terminated

Told = Mapping[str, Mapping[str, Event]]
"""Events by the uid of their object and their reason."""

LONGEST = 500
_IMAGE = "Check the image's name and tag, the registry, and the pull secret."
_MISSING = "Create what the message names, in the same namespace, or correct the name in the CronJob."
# state.waiting.reason of a container: the stable word for it, and what to do.
_WAITING = {
    "ErrImagePull": ("ImagePullFailed", _IMAGE),
    "ImagePullBackOff": ("ImagePullFailed", _IMAGE),
    "ImageInspectError": ("ImagePullFailed", _IMAGE),
    "RegistryUnavailable": ("ImagePullFailed", _IMAGE),
    "InvalidImageName": ("InvalidImageName", "Correct the image's name."),
    "ErrImageNeverPull": ("ErrImageNeverPull", "Put the image on the node, or change imagePullPolicy."),
    "CreateContainerConfigError": ("ConfigurationMissing", _MISSING),
    "CreateContainerError": ("CreateContainerError", "Correct what the message names in the container."),
    "RunContainerError": ("RunContainerError", "Correct the command or the mounts of the container."),
    "PostStartHookError": ("PostStartHookError", "Correct the container's postStart hook."),
    "CrashLoopBackOff": ("CrashLoopBackOff", "Read the log of the last attempt."),
}
# status.reason of a pod.
_POD_REASONS = {
    "Evicted": "Give the pod requests that fit, or free the node.",
    "NodeLost": "Look at the node; the run may have been cut off.",
    "NodeShutdown": "The node was shut down; run it again.",
    "Terminated": "The node was shut down; run it again.",
    "Preempting": "Give the run a higher priority, or the cluster more room.",
    "UnexpectedAdmissionError": "Look at the node named in the run; run it again.",
    "DeadlineExceeded": "Raise activeDeadlineSeconds or make the run shorter.",
}
# reason of a pod's DisruptionTarget condition: the stable word for it, and what to do.
_DISRUPTIONS = {
    "EvictionByEvictionAPI": ("Evicted", "Somebody drained the node or evicted the pod; run it again."),
    "PreemptionByScheduler": ("Preempted", "Give the run a higher priority, or the cluster more room."),
    "DeletionByTaintManager": ("NodeLost", "The node was tainted or went; look at it, then run it again."),
    "DeletionByPodGC": ("NodeLost", "The pod's node is gone; run it again."),
    "TerminationByKubelet": ("Evicted", "The node had to free room or shut down; run it again."),
}
# Events about a pod that cannot start, best first.
_STARTING = {
    "FailedMount": ("MountFailed", "Correct the volume that the message names."),
    "FailedAttachVolume": ("MountFailed", "Look at the claim and its storage class."),
    "FailedCreatePodSandBox": ("SandboxFailed", "Look at the node's container runtime and network."),
    "FailedScheduling": ("Unschedulable", "Free or add a node that fits."),
}
_CANNOT_START = ("ContainerCannotRun", "StartError", "ContainerCannotStart")
_NOT_FOUND = re.compile(
    r'(secret|configmap|persistentvolumeclaim|serviceaccount)s? "[^"]{1,253}" not found|'
    r"couldn't find key \S{1,253} in (?:Secret|ConfigMap)|"
    r"references non-existent (?:secret|config) key",
    re.IGNORECASE,
)


def pending(pod: Pod, told: Told) -> Cause | None:
    """Why a pod cannot start or be placed; None when nothing is known to hold it."""
    events = told.get(pod.metadata.uid, {})
    for entry in pod.entries:
        waiting = entry.state.waiting if entry.state else None
        if waiting is not None and waiting.reason in _WAITING:
            word, step = _WAITING[waiting.reason]
            words = _words(waiting.message or waiting.reason)
            if word == "ImagePullFailed":
                words = _registry_words(words, events)
            name = clean(entry.name, 63)
            return Cause(reason=word, message=f"Container {name} cannot start: {words}", next_step=step)
    for condition in pod.status.conditions or ():
        if condition.type == "PodScheduled" and condition.status == "False":
            words = _words(condition.message or condition.reason or "")
            return _missing(words) or Cause(
                reason="Unschedulable",
                message=f"No node takes the pod: {words}",
                next_step="Free or add a node that fits.",
            )
    if pod.status.phase == "Pending":
        return next((_starting(events[reason]) for reason in _STARTING if reason in events), None)
    return None


def _starting(event: Event) -> Cause:
    word, step = _STARTING[event.reason or ""]
    words = _words(event.message or "")
    return _missing(words) or Cause(reason=word, message=f"The pod cannot start: {words}", next_step=step)


def _missing(words: str) -> Cause | None:
    if not _NOT_FOUND.search(words):
        return None
    return Cause(reason="ConfigurationMissing", message=f"The pod cannot start: {words}", next_step=_MISSING)


def _registry_words(words: str, events: Mapping[str, Event]) -> str:
    """The registry's own words: a back-off says only that it backs off, the Event before it says why."""
    failed = events.get("Failed")
    said = _words(failed.message or "") if failed else ""
    return said if said.startswith("Failed to pull image") and "rpc error" not in words else words


def without_pod(events: Mapping[str, Event]) -> Cause | None:
    """Why a Job has no pod at all: quota, admission, a missing service account."""
    event = events.get("FailedCreate")
    if event is None:
        return None
    words = _words(event.message or "").removeprefix("Error creating: ")
    step = "Raise the quota, or correct what the cluster's admission refuses."
    if _NOT_FOUND.search(words):
        step = _MISSING
    return Cause(reason="CannotCreatePod", message=f"The Job cannot make its pod: {words}", next_step=step)


def ended(pod: Pod) -> Cause | None:
    """Why a pod ended badly; None when it did not."""
    status = pod.status
    if status.reason in _POD_REASONS:
        words = _words(status.message or status.reason)
        return Cause(
            reason=status.reason,
            message=f"The pod was stopped: {words}",
            next_step=_POD_REASONS[status.reason],
        )
    for condition in status.conditions or ():
        if condition.type == "DisruptionTarget" and condition.status == "True":
            word, step = _DISRUPTIONS.get(condition.reason or "", ("Disrupted", "Run it again."))
            words = _words(condition.message or condition.reason or "")
            return Cause(reason=word, message=f"The pod was taken away: {words}", next_step=step)
    found = deciding(pod)
    return _exit(pod, *found) if found and found[1].exit_code else None


def deciding(pod: Pod) -> tuple[ContainerStatus, Terminated] | None:
    """The container whose end decides: the first that failed, else the last that ended."""
    over: list[tuple[ContainerStatus, Terminated]] = []
    for entry in pod.entries:
        for state in (entry.state, entry.last_state):
            if state is not None and state.terminated is not None:
                over.append((entry, state.terminated))
                break
    return next((pair for pair in over if pair[1].exit_code), over[-1] if over else None)


def _exit(pod: Pod, entry: ContainerStatus, end: Terminated) -> Cause:
    name = clean(entry.name, 63)
    code = end.exit_code
    said = f": {_words(end.message)}" if end.message else "."
    if end.reason == "OOMKilled":
        words = f"Container {name} was killed: it needed more memory than its limit{_limit(pod, entry.name)}."
        step = "Raise resources.limits.memory or make the run smaller."
        return Cause(reason="OOMKilled", message=words, next_step=step)
    if end.reason == "ContainerStatusUnknown":
        words = f"The node lost sight of container {name}; how it ended is not known."
        return Cause(reason="NodeLost", message=words, next_step="Look at the node, then run it again.")
    if end.reason in _CANNOT_START:
        words = f"Container {name} could not be started{said}"
        return Cause(reason="CannotRun", message=words, next_step="Correct the command or the image.")
    if end.signal or 128 < code < 160:
        words = f"Container {name} was ended by signal {end.signal or code - 128}{said}"
        step = "Find out who stopped it: a deletion, the node, or the program itself."
        return Cause(reason="Signal", message=words, next_step=step)
    words = f"Container {name} ended with exit code {code}{said}"
    return Cause(reason="ExitCode", message=words, next_step=_exit_step(code))


def _exit_step(code: int) -> str:
    steps = {
        126: "The command is there but cannot be run: check its rights.",
        127: "The command was not found in the image: correct it.",
    }
    return steps.get(code, "Read the last lines of its log.")


def _limit(pod: Pod, container: str) -> str:
    for spec in (*(pod.spec.init_containers or ()), *(pod.spec.containers or ())):
        if spec.name == container and spec.resources and spec.resources.limits:
            limit = spec.resources.limits.get("memory")
            return f" of {clean(str(limit), 30)}" if limit else ""
    return ""


def first(causes: Iterable[Cause | None]) -> Cause | None:
    """The first that is known."""
    return next((cause for cause in causes if cause is not None), None)


def _words(text: str) -> str:
    return clean(text.strip(), LONGEST)
