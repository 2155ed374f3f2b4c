"""How a Job of kronkeep ended: its condition, and the exit code, reason and log of each container; pure."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from kronkeep_common.errors import KronkeepError
from kronkeep_common.reasons import Reason
from kronkeep_common.text import clean
from kronkeep_daemon.kube.objects import Condition, ContainerStatus, Job, Pod

_TIME = re.compile(rb"^\d{4}-\d\d-\d\dT[0-9:.]+Z ", re.MULTILINE)


class StepLog(NamedTuple):
    """What is kept of the output of one of several steps in a container; the code is None until its end."""

    name: str
    exit_code: int | None
    text: bytes


class ContainerLog(NamedTuple):
    """What is kept of a container's log, why it is not all that was to be read, and the steps in it."""

    text: bytes
    fault: KronkeepError | None = None
    steps: tuple[StepLog, ...] = ()


class ContainerResult(msgspec.Struct, frozen=True, kw_only=True):
    """One container of a Job that has ended, or one step of a container that runs several (`step_chain`).

    name: as in the pod's spec, or the step's.
    exit_code: None where it never ended, as when it was never started.
    reason: of its state (state.terminated or state.waiting), such as OOMKilled; empty where none is known.
    log: what is kept of its log; each line begins with its RFC 3339 time, as the kubelet writes it.
    log_fault: why lines of its log are missing; None where every line was read.
    """

    name: str
    exit_code: int | None
    reason: str = ""
    log: bytes = b""
    log_fault: KronkeepError | None = None

    @property
    def text(self) -> bytes:
        """The log without the times before its lines."""
        return _TIME.sub(b"", self.log)


class FinishedJob(msgspec.Struct, frozen=True, kw_only=True):
    """A Job that has ended.

    complete: whether its condition is Complete; else it is Failed.
    reason, message: of that condition; empty where Kubernetes gave none.
    containers: of its newest pod, init containers first: the order in which they run.
    pod: the name of that pod; empty where it has none any more.
    """

    complete: bool
    reason: str
    message: str
    containers: tuple[ContainerResult, ...]
    pod: str

    def container(self, name: str) -> ContainerResult | None:
        """Return the container of that name, or None."""
        return next((container for container in self.containers if container.name == name), None)

    @property
    def first_failure(self) -> ContainerResult | None:
        """The first container that ended with an exit code other than 0."""
        return next((container for container in self.containers if container.exit_code), None)

    def require_whole_logs(self) -> None:
        """Raise why lines of a log are missing, for callers that need every line."""
        for container in self.containers:
            if container.log_fault is not None:
                raise container.log_fault


def ending_of(job: Job) -> Condition | None:
    """Return the condition that ended a Job: Complete or Failed; None while it has not ended.

    FailureTarget and SuccessCriteriaMet come earlier, while pods may still run (Kubernetes, Jobs).
    """
    return job.true_condition("Complete") or job.true_condition("Failed")


def ending_of_containers(pod: Pod | None) -> Condition:
    """Return how a Job ended whose own containers have ended while others of its pod still run."""
    return Condition(type="Complete" if _has_succeeded(pod) else "Failed", status="True")


def _has_succeeded(pod: Pod | None) -> bool:
    """Whether every container of the pod has ended with exit code 0.

    `jobs.pods.has_succeeded` looks at the last one only. This decides whether a Job counts as complete, and a
    pod that somebody forged may show a last container that ended although an earlier one never did.
    """
    if pod is None:
        return False
    ends = {
        status.name: status.state.terminated
        for status in pod.container_statuses
        if status.state is not None and status.state.terminated is not None
    }
    names = [entry.name for entry in (*(pod.spec.init_containers or ()), *(pod.spec.containers or ()))]
    return bool(names) and all(name in ends and ends[name].exit_code == 0 for name in names)


def describe_end(
    ending: Condition,
    pod: Pod | None,
    logs: Mapping[str, ContainerLog],
    *,
    rival_pods: Sequence[str] = (),
    has_injected: bool = False,
) -> FinishedJob:
    """Return how a Job ended.

    ending: the condition that ended it.
    pod: the first one with the Job's own containers, None where it has none. Where all of them succeeded, so
        has the Job, whatever containers that others injected (`has_injected`) made of it.
    logs: by container.
    rival_pods: the names of all pods that claim to be the Job's, where they are several.

    Whoever may create pods beside the Job can make one that names it as its owner. So the pod alone is not
    believed: where it and the condition, which the cluster's Job controller writes, tell different ends, or a
    second pod claims to be the Job's, the Job is not complete, for the reason PODS_DISAGREE, and no exit code
    is known. The pod of a node that was silent for more than five minutes (tolerationSeconds of the taint
    unreachable) ends so too: it was deleted meanwhile, and the Job failed by that. A tenant can delete it as
    well, and show another, so it is not believed either.
    """
    entries = pod.container_statuses if pod is not None else ()
    doubt = _find_doubt(ending, pod, rival_pods, has_injected)
    if doubt is not None:
        results = [result for entry in entries for result in _results_of(entry, logs.get(entry.name))]
        return FinishedJob(
            complete=False,
            reason=Reason.PODS_DISAGREE,
            message=doubt,
            containers=tuple(msgspec.structs.replace(result, exit_code=None) for result in results),
            pod=pod.metadata.name if pod is not None else "",
        )
    return FinishedJob(
        complete=ending.type == "Complete" or _has_succeeded(pod),
        reason=ending.reason or "",
        message=ending.message or "",
        containers=tuple(result for entry in entries for result in _results_of(entry, logs.get(entry.name))),
        pod=pod.metadata.name if pod is not None else "",
    )


def _find_doubt(
    ending: Condition, pod: Pod | None, rival_pods: Sequence[str], has_injected: bool
) -> str | None:
    """Return what speaks against the pod's story; None where nothing does."""
    if rival_pods:
        names = clean(", ".join(rival_pods), 300)
        return f"Several pods claim to be of the Job, which makes one: {names}."
    entries = pod.container_statuses if pod is not None else ()
    failed = [status.name for status in entries if _container_result(status, None).exit_code]
    if ending.type == "Complete" and failed:
        return f"The Job is Complete, and its container {clean(failed[0], 63)} failed."
    is_stopped = ending.reason == Reason.DEADLINE_EXCEEDED
    if (
        ending.type == "Failed"
        and not has_injected
        and not is_stopped
        and pod is not None
        and _has_succeeded(pod)
    ):
        if pod.metadata.deletion_timestamp is not None:
            return "The pod was deleted before its node told that each of its containers had succeeded."
        return "The Job is Failed, and each of its containers succeeded."
    return None


def _results_of(status: ContainerStatus, log: ContainerLog | None) -> list[ContainerResult]:
    """Return a container's result, or those of its steps.

    The container's own result comes after its steps where none of them failed and it did.
    """
    whole = _container_result(status, log)
    if log is None or not log.steps:
        return [whole]
    results = [_step_result(step, whole) for step in log.steps]
    has_failed_step = any(result.exit_code for result in results)
    return results if has_failed_step or not whole.exit_code else [*results, whole]


def _step_result(step: StepLog, whole: ContainerResult) -> ContainerResult:
    """Return a step's result; one that did not end has what the container's state says."""
    exit_code = step.exit_code if step.exit_code is not None else whole.exit_code
    return msgspec.structs.replace(
        whole,
        name=step.name,
        exit_code=exit_code,
        reason=whole.reason if exit_code == whole.exit_code else "",
        log=step.text,
    )


def _container_result(status: ContainerStatus, log: ContainerLog | None) -> ContainerResult:
    terminated = status.state.terminated if status.state is not None else None
    waiting = status.state.waiting if status.state is not None else None
    reason = terminated.reason if terminated is not None else waiting.reason if waiting is not None else None
    return ContainerResult(
        name=status.name,
        exit_code=terminated.exit_code if terminated is not None else None,
        reason=reason or "",
        log=log.text if log is not None else b"",
        log_fault=log.fault if log is not None else None,
    )
