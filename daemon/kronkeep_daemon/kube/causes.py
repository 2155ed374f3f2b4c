"""Why a Job waits or failed, with a next step for each cause; pure.

The first match counts, in this order: the pod's own reason, its DisruptionTarget condition, how its
containers ended, what they wait for, whether the pod was scheduled and, without a pod, the Job's Events. Exit
code 137 means SIGKILL and no more: only the reason OOMKilled says that memory ran out.
"""

import re
from collections.abc import Iterable, Mapping

from kronkeep_common.models import Cause
from kronkeep_common.reasons import Reason
from kronkeep_common.text import clean
from kronkeep_daemon.kube.container_attempts import (
    DELETION_SIGNALS,
    ContainerEnd,
    container_ends,
    deciding_container,
    signal_of,
)
from kronkeep_daemon.kube.nested_messages import clean_message
from kronkeep_daemon.kube.objects import Event, Pod
from kronkeep_daemon.kube.timestamps import parse_timestamp

EventsByObject = Mapping[str, Mapping[str, Event]]
"""Events by the uid of their object and their reason."""

# state.waiting.reason of a container -> our reason.
_WAITING = {
    "ErrImagePull": Reason.IMAGE_PULL_FAILED,
    "ImagePullBackOff": Reason.IMAGE_PULL_FAILED,
    "ImageInspectError": Reason.IMAGE_PULL_FAILED,
    "RegistryUnavailable": Reason.IMAGE_PULL_FAILED,
    "InvalidImageName": Reason.INVALID_IMAGE_NAME,
    "ErrImageNeverPull": Reason.ERR_IMAGE_NEVER_PULL,
    "CreateContainerConfigError": Reason.CONFIGURATION_MISSING,
    "CreateContainerError": Reason.CREATE_CONTAINER_ERROR,
    "RunContainerError": Reason.RUN_CONTAINER_ERROR,
    "PostStartHookError": Reason.POST_START_HOOK_ERROR,
    "CrashLoopBackOff": Reason.CRASH_LOOP_BACK_OFF,
}
# status.reason of a pod -> our reason, and what to do.
_POD_REASONS = {
    "Evicted": (Reason.EVICTED, Reason.EVICTED.next_step),
    "NodeLost": (Reason.NODE_LOST, "Look at the node; the run may have been cut off."),
    "NodeShutdown": (Reason.NODE_SHUTDOWN, Reason.NODE_SHUTDOWN.next_step),
    "Terminated": (Reason.TERMINATED, Reason.TERMINATED.next_step),
    "Preempting": (Reason.PREEMPTING, Reason.PREEMPTING.next_step),
    "UnexpectedAdmissionError": (
        Reason.UNEXPECTED_ADMISSION_ERROR,
        Reason.UNEXPECTED_ADMISSION_ERROR.next_step,
    ),
    "DeadlineExceeded": (
        Reason.DEADLINE_EXCEEDED,
        "Raise activeDeadlineSeconds or make the run shorter.",
    ),
}
# reason of a pod's DisruptionTarget condition: the stable code for it, and what to do.
_DISRUPTIONS = {
    "EvictionByEvictionAPI": (Reason.EVICTED, "Somebody drained the node or evicted the pod; run it again."),
    "PreemptionByScheduler": (Reason.PREEMPTED, Reason.PREEMPTED.next_step),
    "DeletionByTaintManager": (
        Reason.NODE_LOST,
        "The node was tainted or went; look at it, then run it again.",
    ),
    "DeletionByPodGC": (Reason.NODE_LOST, "The pod's node is gone; run it again."),
    "TerminationByKubelet": (Reason.EVICTED, "The node had to free room or shut down; run it again."),
}
_DISRUPTED = (Reason.DISRUPTED, Reason.DISRUPTED.next_step)
# Events about a pod that cannot start, best first.
_STARTING = {
    "FailedMount": (Reason.MOUNT_FAILED, Reason.MOUNT_FAILED.next_step),
    "FailedAttachVolume": (Reason.MOUNT_FAILED, "Look at the claim and its storage class."),
    "FailedCreatePodSandBox": (Reason.SANDBOX_FAILED, Reason.SANDBOX_FAILED.next_step),
    "FailedScheduling": (Reason.UNSCHEDULABLE, Reason.UNSCHEDULABLE.next_step),
}
_CANNOT_START = ("ContainerCannotRun", "StartError", "ContainerCannotStart")
# kubelet: Events about why it ended a container, and for which of its probes.
_HOOK_FAILED = "FailedPostStartHook"
_UNHEALTHY = "Unhealthy"
_FATAL_PROBE = re.compile(r"(Liveness|Startup) probe failed: ?(.*)", re.DOTALL)
# The API server refuses a pod in these words, and the scheduler one whose claim no volume fits.
_POD_SECURITY = "violates PodSecurity"
_POD_SECURITY_STEP = (
    "Set what the message names: in the CronJob, or for kronkeep's own Jobs by archive.run_as_user; "
    "a storage of the kind local (hostPath) cannot be used there."
)
_UNBOUND_CLAIM = "unbound immediate PersistentVolumeClaims"
_UNBOUND_STEP = "Look at the pod's claims and their storage class: no volume fits one of them."
_RUN_AS_NON_ROOT = "runAsNonRoot"
_NON_ROOT_STEP = (
    "Give the container a runAsUser other than 0, or an image whose user is a number other than 0."
)
_NOT_FOUND = re.compile(
    r'(secret|configmap|persistentvolumeclaim|serviceaccount)s? "[^"]{1,253}" not found|'
    r"couldn't find key \S{1,253} in (?:Secret|ConfigMap)|"
    r"references non-existent (?:secret|config) key",
    re.IGNORECASE,
)


def waiting_cause(pod: Pod, events_by_object: EventsByObject) -> Cause | None:
    """Return why a pod cannot be placed or started; None where nothing is known to hold it back."""
    events = events_by_object.get(pod.metadata.uid, {})
    for entry in pod.container_statuses:
        waiting = entry.state.waiting if entry.state else None
        if waiting is not None and waiting.reason in _WAITING:
            reason = _WAITING[waiting.reason]
            message = clean_message(waiting.message or waiting.reason)
            if reason == Reason.IMAGE_PULL_FAILED:
                message = _registry_message(message, events)
            if reason == Reason.CRASH_LOOP_BACK_OFF and (ends := container_ends(entry)):
                return _restart_cause(pod, ends[0])
            name = clean(entry.name, 63)
            text = f"Container {name} cannot start: {message}"
            if reason == Reason.CONFIGURATION_MISSING:
                return _configuration_cause(text)
            return _cause(reason, text)
    # A container's own reason is more exact than the scheduler's, and Events are read last: they
    # outlive what they tell of, so a pod that runs by now may still have a FailedMount.
    for condition in pod.status.conditions or ():
        if condition.type == "PodScheduled" and condition.status == "False":
            message = clean_message(condition.message or condition.reason or "")
            step = _UNBOUND_STEP if _UNBOUND_CLAIM in message else Reason.UNSCHEDULABLE.next_step
            return _missing_reference_cause(message) or Cause(
                reason=Reason.UNSCHEDULABLE, message=f"No node takes the pod: {message}", next_step=step
            )
    if pod.status.phase == "Pending":
        return next((_starting_cause(events[reason]) for reason in _STARTING if reason in events), None)
    return None


def _configuration_cause(text: str) -> Cause:
    """Return what CreateContainerConfigError says: something is missing, or a setting does not go."""
    if _NOT_FOUND.search(text):
        return _cause(Reason.CONFIGURATION_MISSING, text)
    step = _NON_ROOT_STEP if _RUN_AS_NON_ROOT in text else Reason.CREATE_CONTAINER_ERROR.next_step
    return Cause(reason=Reason.CREATE_CONTAINER_ERROR, message=text, next_step=step)


def lost_node_cause(pod: Pod) -> Cause | None:
    """Return that the node of a running pod does not answer, and when that was noticed; None where it does.

    Kubernetes notices it after 50 s without a sign of the node (--node-monitor-grace-period). A kubelet makes
    a pod ready as its containers are, so one that is not ready although all its containers are was marked by
    the node controller (MarkPodsNotReady). A readiness gate looks the same: Jobs have none.
    """
    conditions = {condition.type: condition for condition in pod.status.conditions or ()}
    ready = conditions.get("Ready")
    containers = conditions.get("ContainersReady")
    if pod.status.phase != "Running" or ready is None or containers is None or pod.spec.readiness_gates:
        return None
    if ready.status != "False" or containers.status != "True":
        return None
    noticed_at = parse_timestamp(ready.last_transition_time)
    when = f", as Kubernetes noticed at {noticed_at:%d %b %H:%M:%S} UTC" if noticed_at else ""
    node = clean(pod.spec.node_name or "", 253)
    message = f"The node {node} does not answer{when}; what its pod does is not known."
    return _cause(Reason.NODE_NOT_READY, message)


def vanished_cause(pod_name: str) -> Cause:
    """Return the cause of a pod that was removed before it showed an end."""
    return _cause(
        Reason.POD_DELETED, f"The pod {pod_name} was deleted before it ended; how far it came is not known."
    )


def _restart_cause(pod: Pod, last: ContainerEnd) -> Cause:
    """Return how the last attempt ended, after which the kubelet waits before the next."""
    message = (
        f"{_exit_cause(pod, last).message} Kubernetes waits before it starts attempt {last.attempt + 1}."
    )
    return _cause(Reason.CRASH_LOOP_BACK_OFF, message)


def _starting_cause(event: Event) -> Cause:
    reason, step = _STARTING[event.reason or ""]
    message = clean_message(event.message or "")
    return _missing_reference_cause(message) or Cause(
        reason=reason, message=f"The pod cannot start: {message}", next_step=step
    )


def _missing_reference_cause(message: str) -> Cause | None:
    if not _NOT_FOUND.search(message):
        return None
    return _cause(Reason.CONFIGURATION_MISSING, f"The pod cannot start: {message}")


def _registry_message(message: str, events: Mapping[str, Event]) -> str:
    """Return the registry's message, which the Event before a back-off has; the back-off itself lacks it."""
    failed = events.get("Failed")
    failure = clean_message(failed.message or "") if failed else ""
    is_better = failure.startswith("Failed to pull image") and "rpc error" not in message
    return failure if is_better else message


def missing_pod_cause(events: Mapping[str, Event]) -> Cause | None:
    """Return why a Job has no pod at all: a quota, admission, a missing service account."""
    event = events.get("FailedCreate")
    if event is None:
        return None
    message = clean_message(event.message or "").removeprefix("Error creating: ")
    step = _POD_SECURITY_STEP if _POD_SECURITY in message else Reason.CANNOT_CREATE_POD.next_step
    if _NOT_FOUND.search(message):
        step = Reason.CONFIGURATION_MISSING.next_step
    return Cause(
        reason=Reason.CANNOT_CREATE_POD, message=f"The Job cannot make its pod: {message}", next_step=step
    )


def failure_cause(pod: Pod, events: Mapping[str, Event] | None = None) -> Cause | None:
    """Return why a pod failed, with its Events by their reason; None where it did not."""
    status = pod.status
    if status.reason in _POD_REASONS:
        reason, step = _POD_REASONS[status.reason]
        message = clean_message(status.message or status.reason)
        return Cause(reason=reason, message=f"The pod was stopped: {message}", next_step=step)
    # A pod that was evicted or preempted has exit codes too (137, 143): these are the effect.
    for condition in status.conditions or ():
        if condition.type == "DisruptionTarget" and condition.status == "True":
            reason, step = _DISRUPTIONS.get(condition.reason or "", _DISRUPTED)
            message = clean_message(condition.message or condition.reason or "")
            return Cause(reason=reason, message=f"The pod was taken away: {message}", next_step=step)
    deciding = deciding_container(pod)
    if deciding is None or not deciding.end.exit_code:
        return None
    if signal := signal_of(deciding.end):
        return _kill_cause(pod, deciding, signal, events or {}) or _exit_cause(pod, deciding)
    return _exit_cause(pod, deciding)


def _kill_cause(pod: Pod, attempt: ContainerEnd, signal: int, events: Mapping[str, Event]) -> Cause | None:
    """Return what the kubelet ended a container for; None where nothing says that it did."""
    if signal not in DELETION_SIGNALS:
        return None
    name = clean(attempt.container.name, 63)
    if _HOOK_FAILED in events:
        message = f"Container {name} was ended by signal {signal}, as its postStart hook failed."
        return _cause(Reason.POST_START_HOOK_ERROR, message)
    unhealthy = events.get(_UNHEALTHY)
    if probe := _FATAL_PROBE.match((unhealthy.message or "") if unhealthy else ""):
        detail = clean_message(probe[2])
        words = f"as its {probe[1].lower()} probe failed{': ' + detail if detail else ''}"
        return _cause(Reason.PROBE_FAILED, f"Container {name} was ended by signal {signal}, {words}.")
    if pod.metadata.deletion_timestamp is None:
        return None
    text = f"was deleted while its container {name} was running (signal {signal})"
    return _cause(Reason.POD_DELETED, f"The pod {clean(pod.metadata.name, 253)} {text}.")


def _exit_cause(pod: Pod, attempt: ContainerEnd) -> Cause:
    entry, end, _ = attempt
    name = clean(entry.name, 63)
    code = end.exit_code
    detail = f": {clean_message(end.message)}" if end.message else "."
    if end.reason == "OOMKilled":
        limit = _memory_limit(pod, entry.name)
        message = f"Container {name} was killed: it needed more memory than its limit{limit}."
        return _cause(Reason.OOM_KILLED, message)
    if end.reason == "ContainerStatusUnknown":
        message = f"The node lost sight of container {name}; how it ended is not known."
        return _cause(Reason.NODE_LOST, message)
    if end.reason in _CANNOT_START:
        message = f"Container {name} could not be started{detail}"
        return _cause(Reason.CANNOT_RUN, message)
    if signal := signal_of(end):
        message = f"Container {name} was ended by signal {signal}{detail}"
        return _cause(Reason.SIGNAL, message)
    message = f"Container {name} ended with exit code {code}{detail}"
    return Cause(reason=Reason.EXIT_CODE, message=message, next_step=_exit_step(code))


def _exit_step(code: int) -> str:
    steps = {
        126: "The command is there but cannot be run: check its rights.",
        127: "The command was not found in the image: correct it.",
    }
    return steps.get(code, Reason.EXIT_CODE.next_step)


def _memory_limit(pod: Pod, container: str) -> str:
    for spec in (*(pod.spec.init_containers or ()), *(pod.spec.containers or ())):
        if spec.name == container and spec.resources and spec.resources.limits:
            limit = spec.resources.limits.get("memory")
            return f" of {clean(str(limit), 30)}" if limit else ""
    return ""


def first_known(causes: Iterable[Cause | None]) -> Cause | None:
    """Return the first cause that is not None."""
    return next((cause for cause in causes if cause is not None), None)


def _cause(reason: Reason, message: str) -> Cause:
    return Cause(reason=reason, message=message, next_step=reason.next_step)
