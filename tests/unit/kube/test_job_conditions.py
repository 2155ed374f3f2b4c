"""What a Job's own fields and conditions say, in words: suspension, managers, finalizers, indexes."""

from typing import Any

import pytest
from tests.unit.kube.job_objects import end_of, pod, wait_for

from kronkeep_common.states import ExecutionStatus
from kronkeep_daemon.kube import job_conditions
from kronkeep_daemon.kube.job_state import Observation, observe
from kronkeep_daemon.kube.objects import Job, Pod, convert_object

AT = "2026-01-15T10:05:00Z"
DELETED = {"deletionTimestamp": AT, "finalizers": ["example.com/hold"]}
TOO_MANY = "Job has exceeded the specified maximal number of failed indexes"


def job(
    *conditions: tuple[str, str, str],
    meta: dict[str, Any] | None = None,
    spec: dict[str, Any] | None = None,
    **status: Any,
) -> Job:
    entries = [
        {"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": AT}
        for kind, reason, message in conditions
    ]
    plain = {
        "metadata": {"name": "j", "uid": "j1"} | (meta or {}),
        "spec": spec or {},
        "status": {"conditions": entries} | status,
    }
    return convert_object(plain, Job)


SUSPENDED = ("Suspended", "JobSuspended", "Job suspended")
CASES: dict[str, tuple[Job, str, str, list[str]]] = {
    "suspended by its template": (
        job(spec={"suspend": True}), "pending", "Suspended", ["suspended (suspend: true)"],
    ),
    "suspended": (
        job(SUSPENDED, spec={"suspend": True}), "pending", "Suspended",
        ["suspended since 15 Jan 10:05:00 UTC"],
    ),
    "suspended while it ran": (
        job(SUSPENDED, spec={"suspend": True}, startTime=AT, terminating=2), "pending", "Suspended",
        ["2 pods are still ending"],
    ),
    "left to Kueue": (
        job(spec={"managedBy": "kueue.x-k8s.io/multikueue", "suspend": True}), "pending", "ManagedElsewhere",
        ["kueue.x-k8s.io/multikueue", "Kubernetes' own Job controller makes no pods for it"],
    ),
    "held by a finalizer": (
        job(meta=DELETED, startTime=AT), "pending", "BeingDeleted",
        ["being deleted since 15 Jan 10:05:00 UTC", "its finalizer example.com/hold holds it"],
    ),
    "held by two finalizers, at work": (
        job(meta=DELETED | {"finalizers": ["a.io/x", "b.io/y"]}, active=1, ready=1, startTime=AT),
        "running", "BeingDeleted", ["its finalizers a.io/x, b.io/y hold it", "One pod still is at work"],
    ),
    "deleted in the foreground": (
        job(meta=DELETED | {"finalizers": ["foregroundDeletion"]}, terminating=1), "pending", "BeingDeleted",
        ["Kubernetes waits until its pods are deleted"],
    ),
    "a pod ends before the next is made": (
        job(spec={"podReplacementPolicy": "Failed"}, startTime=AT, terminating=1, failed=1), "pending",
        "PodsEnding", ["One pod is still ending", "podReplacementPolicy: Failed"],
    ),
    "failed, pods ending": (
        job(("FailureTarget", "MaxFailedIndexesExceeded", TOO_MANY), terminating=2), "running", "PodsEnding",
        ["has failed (MaxFailedIndexesExceeded)", "2 pods are still ending"],
    ),
    "success policy met, pods ending": (
        job(("SuccessCriteriaMet", "SuccessPolicy", "Matched rules at index 0"), terminating=1), "running",
        "PodsEnding", ["has succeeded (SuccessPolicy)", "one pod is still ending"],
    ),
    "success policy met, an index failed": (
        job(
            ("SuccessCriteriaMet", "SuccessPolicy", "Matched rules at index 0"),
            ("Complete", "SuccessPolicy", "Matched rules at index 0"),
            spec={"completions": 5}, succeeded=3, failed=2, completedIndexes="0-2", failedIndexes="4",
        ),
        "succeeded", "SuccessPolicy",
        ["3 of 5 indexes succeeded: 0-2", "successPolicy (Matched rules at index 0)", "1 failed: 4."],
    ),
    "indexes failed": (
        job(
            ("Failed", "FailedIndexes", "Job has failed indexes"),
            spec={"completions": 6}, succeeded=2, failed=4, failedIndexes="0-2,5",
        ),
        "failed", "FailedIndexes", ["4 of 6 indexes failed: 0-2,5.", "ended with exit code 3."],
    ),
    "too many indexes failed": (
        job(
            ("Failed", "MaxFailedIndexesExceeded", TOO_MANY),
            spec={"completions": 6, "maxFailedIndexes": 1}, failed=2, failedIndexes="1,3",
        ),
        "failed", "MaxFailedIndexesExceeded",
        ["2 of 6 indexes failed: 1,3, more than maxFailedIndexes (1) allows.", "exit code 3."],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_job_has_words_for_what_its_pods_do_not_show(name: str) -> None:
    observed, status, reason, words = CASES[name]
    pods = [pod(end_of(3))] if status == "failed" else []
    seen = observe(observed, pods)
    assert seen.cause is not None
    assert (seen.status, seen.cause.reason) == (status, reason)
    assert [word for word in words if word not in seen.cause.message] == []
    assert seen.cause.next_step.endswith(".")


def test_a_job_that_failed_because_it_was_deleted_is_being_deleted() -> None:
    over_limit = ("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    seen = observe(job(over_limit, meta=DELETED, failed=1), [pod(end_of(143))])
    assert seen.cause is not None
    assert (seen.status, seen.ended_at, seen.cause.reason) == ("pending", None, "BeingDeleted")
    before = DELETED | {"deletionTimestamp": "2026-01-15T10:06:00Z"}
    assert observe(job(over_limit, meta=before, failed=1), [pod(end_of(143))]).status == "failed"


def test_what_held_a_job_is_no_cause_of_its_later_end() -> None:
    waited = observe(job(SUSPENDED, spec={"suspend": True}), []).cause
    late = job(("Failed", "DeadlineExceeded", ""), spec={"activeDeadlineSeconds": 60})
    cause = observe(late, [], waited=waited).cause
    assert cause is not None
    assert cause.message == "The run was stopped at its deadline of 1m00s."


def test_a_resumed_job_and_one_of_kubernetes_own_controller_wait_for_nothing() -> None:
    resumed = job(spec={"suspend": False, "managedBy": job_conditions.OWN_CONTROLLER}, active=1)
    assert observe(resumed, []).cause is None
    whole = job(("Complete", "SuccessPolicy", ""), spec={"completions": 3}, succeeded=3)
    assert observe(whole, []).cause is None


@pytest.mark.parametrize(
    ("text", "count"), [("0-2,5", 4), ("", 0), ("0-999999999", 10**9), ("5-1,x,-,7", 1), (None, 0)]
)
def test_indexes_are_counted_without_being_listed(text: str | None, count: int) -> None:
    assert job_conditions.count_indexes(text) == count


def restarted_pod(state: dict[str, Any], last: dict[str, Any], **meta: Any) -> Pod:
    plain = {
        "metadata": {"name": "p", "uid": "p1", "creationTimestamp": AT} | meta,
        "spec": {"containers": [{"name": "main"}]},
        "status": {
            "phase": "Running",
            "containerStatuses": [{"name": "main", "restartCount": 2, "state": state, "lastState": last}],
        },
    }
    return convert_object(plain, Pod)


def observe_restarts(state: dict[str, Any], *, deleted: bool) -> Observation:
    deletion = {"deletionTimestamp": AT} if deleted else {}
    failed = job(("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit"), failed=1)
    return observe(failed, [restarted_pod(state, end_of(2), **deletion)])


@pytest.mark.parametrize("end", [end_of(143), end_of(137), end_of(137, signal=9)])
def test_the_signal_of_the_deletion_is_not_why_the_restarts_were_too_many(end: dict[str, Any]) -> None:
    seen = observe_restarts(end, deleted=True)
    assert seen.cause is not None
    assert (seen.exit_code, seen.cause.message) == (2, "Container main ended with exit code 2.")
    assert seen.pods[0].attempt == 2


@pytest.mark.parametrize(
    ("end", "code"), [(end_of(7), 7), (end_of(137, "OOMKilled"), 137), (end_of(139), 139)]
)
def test_an_attempt_that_failed_by_itself_decides(end: dict[str, Any], code: int) -> None:
    seen = observe_restarts(end, deleted=True)
    assert (seen.exit_code, seen.pods[0].attempt) == (code, 3)


def test_a_container_that_waits_for_its_next_start_says_how_the_last_one_ended() -> None:
    backing_off = wait_for("CrashLoopBackOff", "back-off 20s restarting failed container=main")
    seen = observe(job(active=1), [restarted_pod(backing_off, end_of(2))])
    assert seen.cause is not None
    assert (seen.status, seen.cause.reason) == (ExecutionStatus.PENDING, "CrashLoopBackOff")
    assert seen.cause.message == (
        "Container main ended with exit code 2. Kubernetes waits before it starts attempt 4."
    )
