"""What a kubelet, scheduler and Job controller of Kubernetes 1.36.2 showed, and what is said of it."""

from typing import Any

import pytest

from kronkeep_daemon.kube.job_state import observe
from kronkeep_daemon.kube.objects import Event, Job, Pod, convert_object

SINCE = "2026-11-30T08:10:05Z"
EXIT_3 = {"terminated": {"exitCode": 3, "reason": "Error"}}
KILLED = {"terminated": {"exitCode": 137, "reason": "Error"}}
RUNNING = {"running": {"startedAt": SINCE}}
DONE = {"terminated": {"exitCode": 0, "reason": "Completed"}}


def job(*conditions: tuple[str, str], **status: Any) -> Job:
    entries = [
        {"type": kind, "status": "True", "reason": reason, "lastTransitionTime": SINCE}
        for kind, reason in conditions
    ]
    plain = {"metadata": {"name": "j", "uid": "j1"}, "status": {"conditions": entries, **status}}
    return convert_object(plain, Job)


def pod(name: str, phase: str, state: dict[str, Any], *, deleted: bool = False, **conditions: str) -> Pod:
    metadata = {"name": name, "uid": name, "creationTimestamp": f"2026-11-30T08:00:0{len(name)}Z"}
    entry = {"name": "main", "restartCount": 0, "state": state}
    plain = {
        "metadata": {**metadata, **({"deletionTimestamp": SINCE} if deleted else {})},
        "spec": {"containers": [{"name": "main"}], "nodeName": "node-1"},
        "status": {
            "phase": phase,
            "containerStatuses": [entry],
            "conditions": [
                {"type": kind, "status": status, "lastTransitionTime": SINCE}
                for kind, status in conditions.items()
            ],
        },
    }
    return convert_object(plain, Pod)


def events_of(uid: str, **messages: str) -> dict[str, dict[str, Event]]:
    return {
        uid: {
            reason: convert_object({"reason": reason, "message": message}, Event)
            for reason, message in messages.items()
        }
    }


FAILED = job(("Failed", "BackoffLimitExceeded"), failed=1)


@pytest.mark.parametrize(
    ("events", "reason", "words"),
    [
        ({"FailedPostStartHook": "PostStartHook failed"}, "PostStartHookError", "its postStart hook failed"),
        ({"Unhealthy": "Liveness probe failed: "}, "ProbeFailed", "its liveness probe failed"),
        (
            {"Unhealthy": "Startup probe failed: cat: can't open '/up'"},
            "ProbeFailed",
            "its startup probe failed: cat: can't open '/up'",
        ),
        ({"Unhealthy": "Readiness probe failed: no"}, "Signal", "ended by signal 9"),
        ({}, "Signal", "ended by signal 9"),
    ],
)
def test_what_the_kubelet_ended_a_container_for_is_its_cause(
    events: dict[str, str], reason: str, words: str
) -> None:
    cause = observe(FAILED, [pod("a", "Failed", KILLED)], events_of("a", **events)).cause
    assert cause is not None
    assert cause.reason == reason
    assert words in cause.message


def test_a_program_that_failed_by_itself_is_not_blamed_on_its_probe() -> None:
    events = events_of("a", Unhealthy="Liveness probe failed: ")
    cause = observe(FAILED, [pod("a", "Failed", EXIT_3)], events).cause
    assert cause is not None
    assert cause.reason == "ExitCode"


@pytest.mark.parametrize("others", [[("bb", KILLED)], [("bb", KILLED), ("ccc", KILLED)]])
def test_pods_that_the_job_controller_deleted_are_neither_cause_nor_exit_code(
    others: list[tuple[str, dict[str, Any]]],
) -> None:
    deleted = [pod(name, "Failed", state, deleted=True) for name, state in others]
    seen = observe(FAILED, [pod("a", "Failed", EXIT_3), *deleted])
    assert seen.cause is not None
    assert "exit code 3" in seen.cause.message
    assert seen.exit_code == 3


def test_a_run_that_succeeded_has_the_exit_code_of_a_pod_that_did() -> None:
    by_policy = job(("Complete", "SuccessPolicy"), succeeded=1)
    pods = [pod("a", "Succeeded", DONE), pod("bb", "Failed", KILLED, deleted=True)]
    assert observe(by_policy, pods).exit_code == 0


def test_a_run_that_failed_has_the_exit_code_of_a_pod_that_did() -> None:
    failed = job(("Failed", "FailedIndexes"), failed=1, succeeded=1, failedIndexes="0")
    assert observe(failed, [pod("a", "Failed", EXIT_3), pod("bb", "Succeeded", DONE)]).exit_code == 3


def test_a_deleted_pod_is_named_where_nothing_else_failed() -> None:
    cause = observe(FAILED, [pod("a", "Failed", KILLED, deleted=True)]).cause
    assert cause is not None
    assert cause.reason == "PodDeleted"
    assert cause.message == "The pod a was deleted while its container main was running (signal 9)."


@pytest.mark.parametrize("state", [RUNNING, {"waiting": {"reason": "ContainerCreating"}}])
def test_a_pod_that_was_removed_at_once_is_named(state: dict[str, Any]) -> None:
    phase = "Running" if "running" in state else "Pending"
    before = observe(job(active=1, ready=1), [pod("a", phase, state)]).pods
    for last_seen in ([], [pod("a", phase, state, deleted=True)]):  # the cache keeps what is deleted
        cause = observe(FAILED, last_seen, recorded=before).cause
        assert cause is not None
        assert cause.reason == "PodDeleted"
        assert "The pod a was deleted before it ended" in cause.message


def test_a_pod_whose_end_was_not_seen_yet_is_not_called_deleted() -> None:
    cause = observe(FAILED, [pod("a", "Running", RUNNING)]).cause
    assert cause is not None
    assert cause.reason == "BackoffLimitExceeded"


@pytest.mark.parametrize(
    ("phase", "state"), [("Succeeded", DONE), ("Failed", EXIT_3), ("Running", RUNNING), ("Running", DONE)]
)
def test_a_run_whose_pod_has_begun_waits_no_more(phase: str, state: dict[str, Any]) -> None:
    assert observe(job(active=1, ready=0), [pod("a", phase, state)]).status == "running"


def test_a_run_that_waits_for_its_deleted_pod_says_so() -> None:
    plain = {
        "metadata": {"name": "j", "uid": "j1"},
        "spec": {"podReplacementPolicy": "Failed"},
        "status": {"terminating": 1, "ready": 0},
    }
    seen = observe(convert_object(plain, Job), [pod("a", "Running", RUNNING, deleted=True)])
    assert seen.status == "pending"
    assert seen.cause is not None
    assert seen.cause.reason == "PodsEnding"


def test_a_run_whose_next_pod_cannot_start_waits_and_says_why() -> None:
    held = pod("bb", "Pending", {"waiting": {"reason": "ErrImagePull", "message": "no such manifest"}})
    seen = observe(job(active=1, ready=0), [pod("a", "Failed", EXIT_3), held])
    assert seen.status == "pending"
    assert seen.cause is not None
    assert seen.cause.reason == "ImagePullFailed"


def test_a_run_on_a_node_that_does_not_answer_says_so() -> None:
    lost = pod("a", "Running", RUNNING, Ready="False", ContainersReady="True")
    seen = observe(job(active=1, ready=0), [lost])
    assert seen.status == "running"
    assert seen.cause is not None
    assert seen.cause.reason == "NodeNotReady"
    said = "The node node-1 does not answer, as Kubernetes noticed at 30 Nov 08:10:05 UTC"
    assert said in seen.cause.message
    gone = pod("a", "Running", RUNNING, deleted=True, Ready="False", ContainersReady="True")
    successor = pod("bb", "Running", RUNNING, Ready="True", ContainersReady="True")
    assert observe(job(active=1, ready=1), [gone, successor]).cause is None
    again = pod("a", "Running", RUNNING, Ready="True", ContainersReady="True")
    assert observe(job(active=1, ready=1), [again]).cause is None


@pytest.mark.parametrize(
    ("message", "reason", "step"),
    [
        (
            'container has runAsNonRoot and image will run as root (pod: "p_shop(1)", container: main)',
            "CreateContainerError",
            "runAsUser",
        ),
        (
            "container has runAsNonRoot and image has non-numeric user (app), cannot verify user is non-root",
            "CreateContainerError",
            "runAsUser",
        ),
        ('secret "nope" not found', "ConfigurationMissing", "Create what"),
        ("couldn't find key k in Secret shop/token", "ConfigurationMissing", "Create what"),
        ("failed to prepare subPath for volumeMount", "CreateContainerError", "Correct what"),
    ],
)
def test_a_container_that_is_not_created_says_what_to_do(message: str, reason: str, step: str) -> None:
    state = {"waiting": {"reason": "CreateContainerConfigError", "message": message}}
    cause = observe(job(active=1), [pod("a", "Pending", state)]).cause
    assert cause is not None
    assert cause.reason == reason
    assert step in cause.next_step


@pytest.mark.parametrize(
    ("message", "told", "step"),
    [
        (
            "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found",
            "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims",
            "claim",
        ),
        (
            "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes "
            "are available: 1 Preemption is not helpful for scheduling.",
            "0/1 nodes are available: 1 Insufficient cpu.",
            "node",
        ),
        (
            "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector. "
            "no new claims to deallocate",
            "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector",
            "node",
        ),
    ],
)
def test_the_scheduler_s_words_are_reported_without_its_remarks_on_other_claims(
    message: str, told: str, step: str
) -> None:
    plain = {
        "metadata": {"name": "a", "uid": "a"},
        "status": {
            "phase": "Pending",
            "conditions": [{"type": "PodScheduled", "status": "False", "message": message}],
        },
    }
    cause = observe(job(active=1), [convert_object(plain, Pod)]).cause
    assert cause is not None
    assert cause.message.removeprefix("No node takes the pod: ").rstrip(".") == told.rstrip(".")
    assert step in cause.next_step


def test_pod_security_says_where_the_fields_are_set() -> None:
    refusal = 'pods "j-1" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true'
    cause = observe(job(), [], events_of("j1", FailedCreate=f"Error creating: {refusal}")).cause
    assert cause is not None
    assert "archive.run_as_user" in cause.next_step
