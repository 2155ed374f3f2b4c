"""The state of a Job and its cause, from the Job, its pods and Events; pure.

Only the conditions `Complete` and `Failed` end a Job: FailureTarget and SuccessCriteriaMet come before them,
while pods may still run. A Job's conditions do not distinguish an exit code, a lack of memory and a missing
image. Only its pods do, so what they showed stays in the run's record and counts after they are deleted.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from kronkeep_common.models import Cause, PodRecord
from kronkeep_common.reasons import Reason
from kronkeep_common.states import ExecutionStatus
from kronkeep_common.text import clean, duration
from kronkeep_daemon.kube import causes, job_conditions
from kronkeep_daemon.kube.causes import EventsByObject
from kronkeep_daemon.kube.container_attempts import deciding_container
from kronkeep_daemon.kube.nested_messages import clean_message
from kronkeep_daemon.kube.objects import Event, Job, Pod
from kronkeep_daemon.kube.timestamps import parse_timestamp

MOST_PODS = 20  # in a run's record; each pod of a Job that has many rewrites all of it


class Observation(NamedTuple):
    """A Job's state as the cluster shows it now."""

    status: ExecutionStatus
    started_at: datetime | None
    ended_at: datetime | None
    attempts: int
    exit_code: int | None
    restarts: int
    node: str | None
    pods: tuple[PodRecord, ...]
    failed_indexes: str | None
    cause: Cause | None


def observe(
    job: Job,
    pods: Sequence[Pod],
    events: EventsByObject | None = None,
    recorded: tuple[PodRecord, ...] = (),
    waited: Cause | None = None,
) -> Observation:
    """Return the state of a Job, with what its pods show.

    `recorded` are its pods in the run's record, `waited` is why it waited when it was last observed.
    """
    events = events or {}
    status = job.status
    now = [_pod_seen(pod, events.get(pod.metadata.uid, {})) for pod in pods]
    every = _merge_pods(recorded, now)
    seen = _select_pods(every)
    hold = _hold_cause(job, pods, events)
    state, over = _status_and_end(job, has_begun=hold is None and any(map(_has_begun, pods)))
    if state is ExecutionStatus.FAILED and _is_failed_by_pods(job):
        seen = _mark_vanished(seen, {pod.metadata.name for pod in pods if not _is_being_deleted(pod)})
    last = _deciding_pod(seen, state)
    return Observation(
        status=state,
        started_at=parse_timestamp(status.start_time),
        ended_at=over,
        attempts=max(len(every), (status.failed or 0) + (status.succeeded or 0)),
        exit_code=last.exit_code if last else None,
        restarts=sum(pod.restarts for pod in every),
        node=last.node if last else None,
        pods=seen,
        failed_indexes=job_conditions.shown_indexes(status.failed_indexes),
        cause=_job_cause(job=job, state=state, seen=seen, pods=pods, hold=hold, waited=waited),
    )


def _merge_pods(recorded: tuple[PodRecord, ...], now: Iterable[PodRecord]) -> tuple[PodRecord, ...]:
    by_name = {pod.name: pod for pod in recorded} | {pod.name: pod for pod in now}
    if len(by_name) < 2:
        return tuple(by_name.values())
    return tuple(sorted(by_name.values(), key=lambda pod: (str(pod.created_at or ""), pod.name)))


def _select_pods(every: tuple[PodRecord, ...]) -> tuple[PodRecord, ...]:
    """Return at most MOST_PODS pods, given oldest first: the newest ones, half of the places for the newest
    that failed.
    """
    if len(every) <= MOST_PODS:
        return every
    newest = every[-MOST_PODS // 2 :]
    earlier = every[: -len(newest)]
    failed = [pod for pod in earlier if pod.phase == "Failed"]
    others = [pod for pod in earlier if pod.phase != "Failed"]
    places = MOST_PODS - len(newest)
    chosen = failed[-places:]
    free = places - len(chosen)
    kept = {pod.name for pod in (*chosen, *(others[-free:] if free else ()))}
    return (*(pod for pod in earlier if pod.name in kept), *newest)


def _has_begun(pod: Pod) -> bool:
    """Whether a pod has started; between its end and the Job's, and where its node is lost, none is ready."""
    return pod.status.phase != "Pending" and not _is_being_deleted(pod)


def _status_and_end(job: Job, *, has_begun: bool) -> tuple[ExecutionStatus, datetime | None]:
    """Return the status and when it was reached; `has_begun`: a pod has started and none is held back."""
    status = job.status
    unfinished = ExecutionStatus.RUNNING if status.ready or has_begun else ExecutionStatus.PENDING
    if not status.conditions:
        return unfinished, None
    if complete := job.true_condition("Complete"):
        return ExecutionStatus.SUCCEEDED, parse_timestamp(
            status.completion_time or complete.last_transition_time
        )
    failed = job.true_condition("Failed")
    if failed and not job_conditions.is_failed_by_deletion(job, failed):
        return ExecutionStatus.FAILED, parse_timestamp(failed.last_transition_time)
    if job.true_condition("Suspended"):
        return ExecutionStatus.PENDING, None
    ending = job.true_condition("FailureTarget") or job.true_condition("SuccessCriteriaMet")
    return (ExecutionStatus.RUNNING if ending else unfinished), None


def _is_failed_by_pods(job: Job) -> bool:
    """Whether it failed as its pods did; at a deadline the Job's controller deletes them itself."""
    failed = job.true_condition("Failed")
    return failed is not None and failed.reason == "BackoffLimitExceeded"


def _is_being_deleted(pod: Pod) -> bool:
    return pod.metadata.deletion_timestamp is not None


def _mark_vanished(seen: tuple[PodRecord, ...], kept: set[str]) -> tuple[PodRecord, ...]:
    """Return the pods of a failed Job; those that went before they showed an end have that as their cause."""
    return tuple(
        msgspec.structs.replace(pod, cause=causes.vanished_cause(pod.name))
        if pod.name not in kept and pod.phase in ("Pending", "Running") and pod.cause is None
        else pod
        for pod in seen
    )


def _pod_seen(pod: Pod, events: Mapping[str, Event]) -> PodRecord:
    deciding = deciding_container(pod)
    entry, end, attempt = deciding or (None, None, 1)
    return PodRecord(
        name=clean(pod.metadata.name, 253),
        created_at=parse_timestamp(pod.metadata.creation_timestamp),
        node=clean(pod.spec.node_name, 253) if pod.spec.node_name else None,
        phase=pod.status.phase,
        container=clean(entry.name, 63) if entry else None,
        attempt=attempt,
        exit_code=end.exit_code if end else None,
        signal=end.signal if end else None,
        reason=clean(end.reason, 100) if end and end.reason else None,
        restarts=sum(
            entry.restart_count for entry in pod.container_statuses if entry.name not in pod.sidecars
        ),
        cause=causes.failure_cause(pod, events),
    )


def _deciding_pod(seen: tuple[PodRecord, ...], state: ExecutionStatus) -> PodRecord | None:
    """Return the newest pod that ended as its Job did, not one that was deleted with the Job's end."""
    ended = [pod for pod in seen if pod.exit_code is not None]
    if state is ExecutionStatus.SUCCEEDED:
        ended = [pod for pod in ended if pod.exit_code == 0] or ended
    elif state is ExecutionStatus.FAILED:
        failed = [pod for pod in ended if pod.exit_code]
        ended = [pod for pod in failed if not _is_deleted(pod)] or failed or ended
    return ended[-1] if ended else (seen[-1] if seen else None)


def _is_deleted(pod: PodRecord) -> bool:
    return pod.cause is not None and pod.cause.reason == Reason.POD_DELETED


def _pod_cause(seen: tuple[PodRecord, ...]) -> Cause | None:
    """Return why the newest pod failed; that one was deleted counts only where no other failed by itself."""
    newest = [pod for pod in reversed(seen) if pod.cause is not None]
    return next((pod.cause for pod in sorted(newest, key=_is_deleted)), None)


def _hold_cause(job: Job, pods: Sequence[Pod], events: EventsByObject) -> Cause | None:
    """Return what holds back the newest pod that is held back, or a Job without pods."""
    newest = sorted(pods, key=lambda pod: pod.metadata.creation_timestamp or "", reverse=True)
    cause = causes.first_known(causes.waiting_cause(pod, events) for pod in newest)
    return cause if cause or pods else causes.missing_pod_cause(events.get(job.metadata.uid, {}))


def _keep_registry_message(hold: Cause | None, waited: Cause | None) -> Cause | None:
    """Return the cause with the registry's message: the later `Back-off` says nothing about why."""
    if hold is None or waited is None or hold.reason != waited.reason:
        return hold
    return waited if "Back-off" in hold.message and "Back-off" not in waited.message else hold


def _job_cause(
    job: Job,
    state: ExecutionStatus,
    seen: tuple[PodRecord, ...],
    pods: Sequence[Pod],
    hold: Cause | None,
    waited: Cause | None,
) -> Cause | None:
    if state is ExecutionStatus.SUCCEEDED:
        return job_conditions.success_cause(job)
    if waited is not None and waited.reason in job_conditions.WAITING_REASONS:
        waited = None
    hold = _keep_registry_message(hold, waited)
    if state is ExecutionStatus.FAILED:
        return _failure(job, seen, hold or waited)
    if deletion := job_conditions.deletion_cause(job):
        return deletion
    # Deleted pods stay among `pods`; one that has a successor counts no more.
    kept = [pod for pod in pods if not _is_being_deleted(pod)] or pods
    lost = causes.first_known(map(causes.lost_node_cause, kept))
    if job.true_condition("FailureTarget") is not None:
        return hold or waited or lost or job_conditions.ending_cause(job)
    if state is ExecutionStatus.PENDING:
        return job_conditions.waiting_cause(job) or hold or lost
    return lost or job_conditions.ending_cause(job)


def _failure(job: Job, seen: tuple[PodRecord, ...], hold: Cause | None) -> Cause:
    condition = job.true_condition("Failed")
    assert condition is not None
    reason = condition.reason or Reason.FAILED
    message = clean_message(condition.message or "")
    if reason == Reason.POD_FAILURE_POLICY:
        words = f"{message.rstrip('.')}." if message else Reason.POD_FAILURE_POLICY.meaning
        return Cause(reason=reason, message=words, next_step=Reason.POD_FAILURE_POLICY.next_step)
    if reason == Reason.DEADLINE_EXCEEDED:
        return _deadline_cause(job, hold)
    cause = _pod_cause(seen) or hold
    if reason in (Reason.FAILED_INDEXES, Reason.MAX_FAILED_INDEXES_EXCEEDED):
        return _index_failure(job, Reason(reason), cause)
    if cause is None:
        return Cause(
            reason=clean(reason, 100),
            message=message or "The Job failed.",
            next_step=Reason.FAILED.next_step,
        )
    attempts = job.status.failed or 1
    if attempts > 1:
        message = f"{cause.message} The Job gave up after {attempts} attempts."
        return Cause(reason=cause.reason, message=message, next_step=cause.next_step)
    return cause


def _index_failure(job: Job, reason: Reason, cause: Cause | None) -> Cause:
    """Return which indexes failed, with what the pod shows that failed last."""
    message = job_conditions.failed_index_message(job, reason)
    if cause is None:
        return Cause(reason=reason, message=message, next_step=reason.next_step)
    return Cause(reason=reason, message=f"{message} {cause.message}", next_step=cause.next_step)


def _deadline_cause(job: Job, hold: Cause | None) -> Cause:
    limit = duration(job.spec.active_deadline_seconds)
    if hold is None:
        message = f"The run was stopped at its deadline of {limit}."
        step = "Raise activeDeadlineSeconds or make the run shorter."
        return Cause(reason=Reason.DEADLINE_EXCEEDED, message=message, next_step=step)
    message = f"The run was stopped at its deadline of {limit} while waiting: {hold.message}"
    return Cause(reason=Reason.DEADLINE_EXCEEDED, message=message, next_step=hold.next_step)
