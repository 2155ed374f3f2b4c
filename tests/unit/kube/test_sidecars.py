"""A native sidecar is never the cause of a run's end, nor its exit code."""

from typing import Any

import pytest
from tests.unit.kube.job_objects import FAILED, job

from kronkeep_daemon.kube import causes
from kronkeep_daemon.kube.job_state import observe
from kronkeep_daemon.kube.objects import Event, Pod, convert_object


def pod_with_sidecar(main: int, sidecar: dict[str, Any]) -> Pod:
    plain = {
        "metadata": {"name": "p", "uid": "p1", "creationTimestamp": "2026-01-15T10:00:00Z"},
        "spec": {
            "containers": [{"name": "main"}],
            "initContainers": [{"name": "setup"}, {"name": "istio-proxy", "restartPolicy": "Always"}],
        },
        "status": {
            "phase": "Failed" if main else "Succeeded",
            "initContainerStatuses": [
                {"name": "setup", "state": {"terminated": {"exitCode": 0}}},
                {"name": "istio-proxy", "restartCount": 4, "state": {"terminated": sidecar}},
            ],
            "containerStatuses": [{"name": "main", "state": {"terminated": {"exitCode": main}}}],
        },
    }
    return convert_object(plain, Pod)


SIDECAR_ENDS = [{"exitCode": 137, "signal": 9}, {"exitCode": 143}, {"exitCode": 0}, {"exitCode": 1}]


@pytest.mark.parametrize("sidecar", SIDECAR_ENDS)
def test_a_failed_run_has_the_exit_code_and_the_cause_of_its_own_container(sidecar: dict[str, Any]) -> None:
    seen = observe(FAILED, [pod_with_sidecar(5, sidecar)])
    assert seen.cause is not None
    assert (seen.exit_code, seen.restarts, seen.cause.reason) == (5, 0, "ExitCode")
    assert seen.cause.message == "Container main ended with exit code 5."


@pytest.mark.parametrize("sidecar", SIDECAR_ENDS)
def test_a_good_run_has_exit_code_0(sidecar: dict[str, Any]) -> None:
    done = job(("Complete", "CompletionsReached"), succeeded=1)
    seen = observe(done, [pod_with_sidecar(0, sidecar)])
    assert (seen.exit_code, seen.cause) == (0, None)


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ('configmap "nope" not found. not found', 'configmap "nope" not found'),
        ('secret "a" not found: not found', 'secret "a" not found'),
        ("exceeded quota: q, exceeded quota: q", "exceeded quota: q"),
        ("manifest unknown: manifest unknown", "manifest unknown"),
        ("pull access denied, repository does not exist", "pull access denied, repository does not exist"),
        ("version 1.1", "version 1.1"),
    ],
)
def test_no_sentence_says_a_thing_twice(message: str, sentence: str) -> None:
    event = convert_object({"reason": "FailedCreate", "message": message}, Event)
    cause = causes.missing_pod_cause({"FailedCreate": event})
    assert cause is not None
    assert cause.message == f"The Job cannot make its pod: {sentence}"
