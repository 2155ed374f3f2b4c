"""Why a run waits or failed, in words: a table of what a cluster shows and what is made of it."""

import pytest
from tests.unit.kube.job_objects import FAILED, end_of, job, pod, wait_for

from kronkeep_daemon.kube.job_state import observe
from kronkeep_daemon.kube.objects import Event, Job, Pod, convert_object

PULL = 'Failed to pull image "x:1": rpc error: code = NotFound desc = no such manifest'


def event_of(uid: str, reason: str, message: str) -> dict[str, dict[str, Event]]:
    return {uid: {reason: convert_object({"reason": reason, "message": message}, Event)}}


LATE = job(("Failed", "DeadlineExceeded"), failed=1)
CASES: dict[str, tuple[Job, list[Pod], dict[str, dict[str, Event]], str, str]] = {
    "exit code": (FAILED, [pod(end_of(3))], {}, "ExitCode", "exit code 3"),
    "memory": (FAILED, [pod(end_of(137, "OOMKilled"))], {}, "OOMKilled", "its limit of 64Mi"),
    "killed, but not for memory": (FAILED, [pod(end_of(137))], {}, "Signal", "signal 9"),
    "cannot run": (
        FAILED, [pod(end_of(128, "StartError", message="no such file"))], {}, "CannotRun", "no such file",
    ),
    "lost sight": (FAILED, [pod(end_of(137, "ContainerStatusUnknown"))], {}, "NodeLost", "lost sight"),
    "evicted": (FAILED, [pod(reason="Evicted", message="low on memory")], {}, "Evicted", "low on memory"),
    "node gone": (
        FAILED,
        [pod(conditions=[{"type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC",
                          "message": "node is gone"}])],
        {}, "NodeLost", "node is gone",
    ),
    "preempted": (
        FAILED,
        [pod(conditions=[{"type": "DisruptionTarget", "status": "True",
                          "reason": "PreemptionByScheduler"}])],
        {}, "Preempted", "taken away",
    ),
    "attempts": (
        job(("Failed", "BackoffLimitExceeded"), failed=4), [pod(end_of(3))],
        {}, "ExitCode", "after 4 attempts",
    ),
    "pod failure policy": (
        job(("Failed", "PodFailurePolicy"), message="Container main failed with exit code 42"),
        [pod(end_of(42))], {}, "PodFailurePolicy", "exit code 42",
    ),
    "deadline": (LATE, [], {}, "DeadlineExceeded", "deadline of 1m00s"),
    "deadline while an image was pulled": (
        LATE, [pod(wait_for("ErrImagePull", "manifest unknown"))], {}, "DeadlineExceeded", "manifest unknown",
    ),
    "image": (job(), [pod(wait_for("ErrImagePull", PULL))], {}, "ImagePullFailed", "no such manifest"),
    "image, backing off": (
        job(), [pod(wait_for("ImagePullBackOff", 'Back-off pulling image "x:1"'))],
        event_of("p1", "Failed", PULL), "ImagePullFailed", "no such manifest",
    ),
    "secret": (
        job(), [pod(wait_for("CreateContainerConfigError", 'secret "token" not found'))],
        {}, "ConfigurationMissing", 'secret "token" not found',
    ),
    "mounted config map": (
        job(), [pod(wait_for("ContainerCreating"))],
        event_of("p1", "FailedMount", 'MountVolume.SetUp failed for volume "v" : configmap "app" not found'),
        "ConfigurationMissing", 'configmap "app" not found',
    ),
    "mount": (job(), [pod()], event_of("p1", "FailedMount", "timed out"), "MountFailed", "timed out"),
    "claim": (
        job(),
        [pod(conditions=[{"type": "PodScheduled", "status": "False",
                          "message": 'persistentvolumeclaim "data" not found'}])],
        {}, "ConfigurationMissing", '"data" not found',
    ),
    "unschedulable": (
        job(),
        [pod(conditions=[{"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}])],
        {}, "Unschedulable", "0/3 nodes",
    ),
    "quota": (
        job(), [], event_of("j1", "FailedCreate", 'Error creating: pods "p" is forbidden: exceeded quota: q'),
        "CannotCreatePod", "exceeded quota",
    ),
    "service account": (
        job(), [], event_of("j1", "FailedCreate", 'Error creating: serviceaccount "robot" not found'),
        "CannotCreatePod", '"robot" not found',
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_cause_is_reported_with_what_to_do(name: str) -> None:
    observed, pods, events, reason, words = CASES[name]
    cause = observe(observed, pods, events).cause
    assert cause is not None
    assert cause.reason == reason
    assert words in cause.message
    assert cause.next_step.endswith(".")


def test_a_cause_is_kept_when_its_pod_is_gone() -> None:
    before = observe(FAILED, [pod(end_of(3))]).pods
    cause = observe(FAILED, [], recorded=before).cause
    assert cause is not None
    assert (cause.reason, "exit code 3" in cause.message) == ("ExitCode", True)


def test_what_held_a_run_up_is_reported_with_its_deadline() -> None:
    waited = observe(job(), [pod(wait_for("ErrImagePull", PULL))]).cause
    cause = observe(LATE, [], waited=waited).cause
    assert cause is not None
    assert cause.reason == "DeadlineExceeded"
    assert "no such manifest" in cause.message


def test_the_registry_s_words_are_kept_while_it_backs_off() -> None:
    said = observe(job(), [pod(wait_for("ErrImagePull", PULL))]).cause
    backing_off = [pod(wait_for("ImagePullBackOff", 'Back-off pulling image "x:1"'))]
    assert observe(job(), backing_off, waited=said).cause == said


def test_a_run_that_goes_on_has_no_cause() -> None:
    assert observe(job(ready=1), [pod({"running": {}}, phase="Running")]).cause is None
    assert (
        observe(job(("Complete", "CompletionsReached"), succeeded=1), [pod(end_of(0, "Completed"))]).cause
        is None
    )


def _pods_of_a_run(codes: list[int]) -> list[Pod]:
    pods = [pod(end_of(code), phase="Failed" if code else "Succeeded") for code in codes]
    for number, each in enumerate(pods):
        each.metadata.name = f"p-{number:03}"
        each.metadata.uid = f"u-{number}"
    return pods


def test_a_record_has_the_newest_pods_and_counts_all() -> None:
    seen = observe(job(("Failed", "BackoffLimitExceeded"), failed=200), _pods_of_a_run([3] * 240))
    assert [seen.pods[0].name, seen.pods[-1].name, len(seen.pods)] == ["p-220", "p-239", 20]
    assert (seen.attempts, seen.exit_code) == (240, 3)


@pytest.mark.parametrize(("failed", "kept"), [(3, 3), (40, 10)])
def test_the_pods_that_failed_are_not_pushed_out_by_those_that_succeeded(failed: int, kept: int) -> None:
    pods = _pods_of_a_run([3] * failed + [0] * 200)
    seen = observe(job(), pods)
    assert len(seen.pods) == 20
    assert [each.name for each in seen.pods if each.exit_code] == [
        f"p-{number:03}" for number in range(failed - kept, failed)
    ]
    assert seen.pods[-1].name == f"p-{failed + 199:03}"
    assert observe(job(), pods, recorded=seen.pods).pods == seen.pods
