"""What the Job controller of Kubernetes 1.36 does, as a function of the Job, its pods and the time.

The end of a pod is counted in three steps, so that a crash between them neither loses nor doubles it: the
ended pods are listed in `uncountedTerminatedPods`, together with SuccessCriteriaMet or FailureTarget once the
outcome is decided; then their finalizers are removed; then they are counted, and the final condition is
written once no pod is terminating any more. Successes of Indexed Jobs are not listed: their set of indexes
can be written again without harm.

A Job that is being deleted makes no pods; those that it has go on, and are no longer counted.
"""

from datetime import datetime, timedelta

import msgspec

from kronkeep_daemon.embedded.controllers import completion_indexes, index_failures, job_pods
from kronkeep_daemon.embedded.controllers.job_pods import JobPods
from kronkeep_daemon.embedded.controllers.job_policies import match_failure_policy, match_success_policy
from kronkeep_daemon.embedded.controllers.object_fields import (
    PlannedEvent,
    build_condition,
    end_of_job,
    find_true_condition,
    is_deleting,
    is_tracked,
    uid_of,
)
from kronkeep_daemon.embedded.controllers.pod_template import build_pod
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.kube.timestamps import format_timestamp, parse_timestamp

MOST_PODS_AT_ONCE = 500  # created or discarded in one plan, as upstream
_COMPLETIONS_REACHED = ("CompletionsReached", "Reached expected number of succeeded pods")
_BACKOFF_LIMIT_EXCEEDED = ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
_DEADLINE_EXCEEDED = ("DeadlineExceeded", "Job was active longer than specified deadline")
_FAILED_INDEXES = ("FailedIndexes", "Job has failed indexes")
_TOO_MANY_FAILED_INDEXES = (
    "MaxFailedIndexesExceeded",
    "Job has exceeded the specified maximal number of failed indexes",
)


class JobPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The next steps, in the order of the fields.

    Pods in `discard` lose their finalizer before they are deleted, so that they are not counted. Pods in
    `release` lose it after they have been listed in the status. The Job is looked at again after `requeue`
    seconds.
    """

    create: list[JsonObject] = []
    discard: list[JsonObject] = []
    delete: list[JsonObject] = []
    status_before_release: JsonObject | None = None
    release: list[JsonObject] = []
    status_after_release: JsonObject | None = None
    events: list[PlannedEvent] = []
    requeue: float | None = None


class _JobView(msgspec.Struct, frozen=True, kw_only=True):
    """A Job and its pods at one time, as every step of a plan reads them.

    `old` is the Job's status. `succeeded` and `failed` are the uids of pods to count, those of an interrupted
    earlier plan first. `done` are the completion indexes that have been reached, `lost` those that have
    failed for good, None where the Job has no backoffLimitPerIndex.
    """

    job: JsonObject
    old: JsonObject
    pods: JobPods
    now: datetime
    start: datetime | None
    succeeded: list[str]
    failed: list[str]
    done: set[int]
    lost: set[int] | None

    @property
    def spec(self) -> JsonObject:
        spec: JsonObject = self.job["spec"]
        return spec

    @property
    def is_indexed(self) -> bool:
        return bool(self.spec.get("completionMode") == "Indexed")

    @property
    def is_suspended(self) -> bool:
        return bool(self.spec.get("suspend"))

    @property
    def success_count(self) -> int:
        if self.is_indexed:
            return len(self.done)
        return int(self.old.get("succeeded", 0)) + len(self.succeeded)

    @property
    def failure_count(self) -> int:
        return int(self.old.get("failed", 0)) + len(self.failed)


class _PodChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What is done to the pods; `requeue` is the time until more may be created."""

    create: list[JsonObject] = []
    discard: list[JsonObject] = []
    delete: list[JsonObject] = []
    requeue: float | None = None


def plan_job(job: JsonObject, pods: list[JsonObject], now: datetime) -> JobPlan:
    """Return the next steps for a Job; `pods` are those that it controls."""
    if end_of_job(job):
        return JobPlan(release=[pod for pod in pods if is_tracked(pod)])
    view = _view_job(job, pods, now)
    outcome = _earlier_outcome(view) or _find_failure(view) or _find_early_success(view)
    if outcome is not None:
        changes = _PodChanges(delete=view.pods.active)
    else:
        changes = _PodChanges() if is_deleting(job) else _plan_pods(view)
        outcome = _find_completion(view, changes)
    if outcome is not None and outcome["type"] == "FailureTarget":
        view = _fail_remaining_pods(view)
    return _build_plan(view, changes, outcome)


def _view_job(job: JsonObject, pods: list[JsonObject], now: datetime) -> _JobView:
    old = job.get("status") or {}
    sorted_pods = job_pods.sort_pods(job, pods)
    is_indexed = job["spec"].get("completionMode") == "Indexed"
    uncounted = old.get("uncountedTerminatedPods") or {}
    start = parse_timestamp(old.get("startTime"))
    was_suspended = find_true_condition(old.get("conditions") or [], "Suspended") is not None
    if not job["spec"].get("suspend") and (start is None or was_suspended):
        start = now
    new_indexes = {job_pods.index_of(pod) for pod in sorted_pods.succeeded} if is_indexed else set()
    return _JobView(
        job=job,
        old=old,
        pods=sorted_pods,
        now=now,
        start=start,
        succeeded=_merge_uids(uncounted.get("succeeded"), [] if is_indexed else sorted_pods.succeeded),
        failed=_merge_uids(uncounted.get("failed"), sorted_pods.failed),
        done=completion_indexes.parse_indexes(old.get("completedIndexes")) | new_indexes,
        lost=_find_lost_indexes(job, pods),
    )


def _find_lost_indexes(job: JsonObject, pods: list[JsonObject]) -> set[int] | None:
    if not index_failures.has_limit_per_index(job):
        return None
    earlier = completion_indexes.parse_indexes((job.get("status") or {}).get("failedIndexes"))
    return earlier | index_failures.find_failed_indexes(job, pods)


def _fail_remaining_pods(view: _JobView) -> _JobView:
    """Count every pod that has not ended as failed, because the Job has failed."""
    remaining = [pod for pod in [*view.pods.active, *view.pods.terminating] if is_tracked(pod)]
    return msgspec.structs.replace(view, failed=_merge_uids(view.failed, remaining))


def _merge_uids(earlier: list[str] | None, pods: list[JsonObject]) -> list[str]:
    return list(dict.fromkeys([*(earlier or []), *map(uid_of, pods)]))


def _earlier_outcome(view: _JobView) -> JsonObject | None:
    """Return the outcome that an earlier plan has decided and written."""
    conditions = view.old.get("conditions") or []
    success = find_true_condition(conditions, "SuccessCriteriaMet")
    return success or find_true_condition(conditions, "FailureTarget")


def _find_failure(view: _JobView) -> JsonObject | None:
    failure = _failure_reason(view)
    return build_condition("FailureTarget", *failure, view.now) if failure else None


def _failure_reason(view: _JobView) -> tuple[str, str] | None:
    """Return the reason and message by which the Job fails now."""
    if message := _failure_policy_message(view):
        return "PodFailurePolicy", message
    limit = view.spec.get("backoffLimit", 6)
    if view.failure_count > limit or _has_too_many_restarts(view, limit):
        return _BACKOFF_LIMIT_EXCEEDED
    seconds_left = _seconds_to_deadline(view)
    if seconds_left is not None and seconds_left <= 0:
        return _DEADLINE_EXCEEDED
    return _index_failure_reason(view)


def _index_failure_reason(view: _JobView) -> tuple[str, str] | None:
    if not view.lost:
        return None
    most = view.spec.get("maxFailedIndexes")
    if most is not None and len(view.lost) > most:
        return _TOO_MANY_FAILED_INDEXES
    return _FAILED_INDEXES if len(view.lost | view.done) >= view.spec["completions"] else None


def _failure_policy_message(view: _JobView) -> str | None:
    matches = (match_failure_policy(view.job, pod) for pod in view.pods.failed)
    return next((match.message for match in matches if match and match.action == "FailJob"), None)


def _find_early_success(view: _JobView) -> JsonObject | None:
    """Return the success that the successPolicy gives before all indexes have succeeded."""
    message = match_success_policy(view.job, view.done) if view.is_indexed else None
    if message is None:
        return None
    return build_condition("SuccessCriteriaMet", "SuccessPolicy", message, view.now)


def _has_too_many_restarts(view: _JobView, limit: int) -> bool:
    """Whether the restarts of running pods (restartPolicy OnFailure) exceed backoffLimit."""
    if view.spec["template"]["spec"].get("restartPolicy") != "OnFailure":
        return False
    return job_pods.count_restarts(view.pods.active) >= max(limit, 1)


def _seconds_to_deadline(view: _JobView) -> float | None:
    """Return what is left of activeDeadlineSeconds; None without one, or while suspended."""
    seconds = view.spec.get("activeDeadlineSeconds")
    if seconds is None or view.start is None or view.is_suspended:
        return None
    return (view.start + timedelta(seconds=seconds) - view.now).total_seconds()


def _plan_pods(view: _JobView) -> _PodChanges:
    """Create or discard pods until as many are active as should be; after failures new ones wait."""
    active = view.pods.active
    if view.is_suspended:
        return _PodChanges(discard=active)
    target = _target_count(view)
    if len(active) > target:
        surplus = _sort_by_progress(active)[: len(active) - target]
        return _PodChanges(discard=surplus[:MOST_PODS_AT_ONCE])
    still_terminating = len(view.pods.terminating) if job_pods.replaces_only_failed(view.job) else 0
    missing = min(target - len(active) - still_terminating, MOST_PODS_AT_ONCE)
    if missing <= 0:
        return _PodChanges()
    if view.lost is not None:
        return _plan_independent_indexes(view, missing)
    wait = job_pods.backoff_seconds(view.pods.all, view.now)
    if wait > 0:
        return _PodChanges(requeue=wait)
    indexes = _free_indexes(view)[:missing] if view.is_indexed else [None] * missing
    return _PodChanges(create=[build_pod(view.job, index) for index in indexes])


def _plan_independent_indexes(view: _JobView, missing: int) -> _PodChanges:
    """Create pods for indexes that wait for no pause of their own."""
    free = [index for index in _free_indexes(view) if index is not None]
    pauses = {
        index: index_failures.seconds_to_retry(view.job, index, view.pods.all, view.now) for index in free
    }
    ready = [index for index in free if pauses[index] <= 0][:missing]
    pods = view.pods.all
    return _PodChanges(
        create=[
            build_pod(view.job, index, index_failures.failure_annotations(view.job, index, pods))
            for index in ready
        ],
        requeue=min((pause for pause in pauses.values() if pause > 0), default=None),
    )


def _target_count(view: _JobView) -> int:
    """Return the number of pods that should be active."""
    parallelism = int(view.spec.get("parallelism", 1))
    completions = view.spec.get("completions")
    if completions is None:
        # A work queue: after the first success no pods are created, and those that run go on.
        return len(view.pods.active) if view.success_count else parallelism
    return max(0, min(parallelism, int(completions) - view.success_count - len(view.lost or ())))


def _sort_by_progress(pods: list[JsonObject]) -> list[JsonObject]:
    """Return the pods that have done least first: not ready before ready, younger before older."""
    youngest_first = sorted(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), reverse=True)
    return sorted(youngest_first, key=job_pods.is_ready)


def _free_indexes(view: _JobView) -> list[int | None]:
    """Return the completion indexes that are neither reached, nor lost, nor worked on, lowest first."""
    taken = view.done | (view.lost or set()) | {job_pods.index_of(pod) for pod in view.pods.active}
    if job_pods.replaces_only_failed(view.job):
        taken |= {job_pods.index_of(pod) for pod in view.pods.terminating}
    return [index for index in range(view.spec["completions"]) if index not in taken]


def _find_completion(view: _JobView, changes: _PodChanges) -> JsonObject | None:
    if len(view.pods.active) + len(changes.create) > len(changes.discard):
        return None
    completions = view.spec.get("completions")
    is_complete = view.success_count > 0 if completions is None else view.success_count >= completions
    return build_condition("SuccessCriteriaMet", *_COMPLETIONS_REACHED, view.now) if is_complete else None


def _build_plan(view: _JobView, changes: _PodChanges, outcome: JsonObject | None) -> JobPlan:
    """Add the statuses, in order, and the Events to the changes of pods."""
    conditions, events = _update_conditions(view, outcome)
    base = _status_before_count(view, changes, conditions)
    lists = {"succeeded": view.succeeded, "failed": view.failed}
    uncounted = {key: uids for key, uids in lists.items() if uids}
    counted = base | _counts(view)
    first = base | {"uncountedTerminatedPods": uncounted} if uncounted else counted
    last = counted
    if outcome is not None and not base["terminating"]:
        last = _with_end(counted, outcome, view.now)
        events = [*events, _end_event(outcome)]
    return JobPlan(
        create=changes.create,
        discard=changes.discard,
        delete=changes.delete,
        status_before_release=first if first != view.old else None,
        release=_pods_to_release(view, outcome),
        status_after_release=last if last != first else None,
        events=events,
        requeue=_earliest(changes.requeue, None if outcome else _seconds_to_deadline(view)),
    )


def _update_conditions(
    view: _JobView, outcome: JsonObject | None
) -> tuple[list[JsonObject], list[PlannedEvent]]:
    """Return the conditions with the outcome or the present suspension, and Events about the suspension."""
    old: list[JsonObject] = view.old.get("conditions") or []
    if outcome is not None:
        return (old if find_true_condition(old, outcome["type"]) else [*old, outcome]), []
    others = [entry for entry in old if entry["type"] != "Suspended"]
    was_suspended = find_true_condition(old, "Suspended") is not None
    if view.is_suspended and not was_suspended:
        suspended = build_condition("Suspended", "JobSuspended", "Job suspended", view.now)
        return [*others, suspended], [PlannedEvent("Normal", "Suspended", "Job suspended")]
    if was_suspended and not view.is_suspended:
        resumed = build_condition("Suspended", "JobResumed", "Job resumed", view.now, status="False")
        return [*others, resumed], [PlannedEvent("Normal", "Resumed", "Job resumed")]
    return old, []


def _status_before_count(view: _JobView, changes: _PodChanges, conditions: list[JsonObject]) -> JsonObject:
    """Return the status before the listed pods are counted."""
    removed = [*changes.discard, *changes.delete]
    remaining = [pod for pod in view.pods.active if pod not in removed]
    status: JsonObject = {
        "conditions": conditions,
        "startTime": format_timestamp(view.start) if view.start else None,
        "active": len(remaining) + len(changes.create),
        "succeeded": len(view.done) if view.is_indexed else view.old.get("succeeded"),
        "failed": view.old.get("failed"),
        "completedIndexes": completion_indexes.format_indexes(view.done),
    }
    lost = {} if view.lost is None else {"failedIndexes": completion_indexes.format_indexes(view.lost)}
    return (
        {key: value for key, value in status.items() if value}
        | lost
        | {
            "terminating": len(view.pods.terminating) + len(removed),
            "uncountedTerminatedPods": {},
            "ready": sum(map(job_pods.is_ready, remaining)),
        }
    )


def _counts(view: _JobView) -> JsonObject:
    counts = {"succeeded": view.success_count, "failed": view.failure_count}
    return {key: count for key, count in counts.items() if count}


def _with_end(status: JsonObject, outcome: JsonObject, now: datetime) -> JsonObject:
    """Return the status with the final condition, Complete or Failed."""
    is_failure = outcome["type"] == "FailureTarget"
    end = build_condition("Failed" if is_failure else "Complete", outcome["reason"], outcome["message"], now)
    final = status | {"conditions": [*status["conditions"], end]}
    return final if is_failure else final | {"completionTime": format_timestamp(now)}


def _end_event(outcome: JsonObject) -> PlannedEvent:
    if outcome["type"] == "FailureTarget":
        return PlannedEvent("Warning", outcome["reason"], outcome["message"])
    return PlannedEvent("Normal", "Completed", "Job completed")


def _pods_to_release(view: _JobView, outcome: JsonObject | None) -> list[JsonObject]:
    """Return the pods that need no counting any more: those listed; with an outcome, or a deletion, all."""
    if outcome is None and not is_deleting(view.job):
        return [*view.pods.succeeded, *view.pods.failed, *view.pods.ignored]
    return [pod for pod in view.pods.all if is_tracked(pod)]


def _earliest(*waits: float | None) -> float | None:
    return min((seconds for seconds in waits if seconds is not None), default=None)
