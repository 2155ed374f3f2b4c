"""The Job controller's plans for fields that the recordings lack: indexes, policies, managers, finalizers.

What is expected is what the controller of Kubernetes 1.36 does by its source (pkg/controller/job).
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kronkeep_daemon.embedded.controllers.job_plan import JobPlan, plan_job
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.kube.timestamps import format_timestamp

START = datetime(2026, 11, 24, 3, 36, 39, tzinfo=UTC)
INDEX = "batch.kubernetes.io/job-completion-index"
FAILURES = "batch.kubernetes.io/job-index-failure-count"
IGNORED = "batch.kubernetes.io/job-index-ignored-failure-count"


def _index_of(pod: JsonObject) -> str:
    return str(pod["metadata"].get("annotations", {}).get(INDEX))


class Controller:
    """A Job, its pods and a clock; plans are carried out until nothing is left to do."""

    def __init__(self, **spec: Any) -> None:
        template = {"metadata": {}, "spec": {"restartPolicy": "Never", "containers": [{"name": "main"}]}}
        self.job: JsonObject = {
            "metadata": {"name": "many", "namespace": "default", "uid": "job"},
            "spec": {"parallelism": 10, "backoffLimit": 100, "template": template, **spec},
            "status": {},
        }
        self.pods: list[JsonObject] = []
        self.now = START

    def run(self, seconds: float = 0) -> JobPlan:
        """Let time pass and carry out plans; return the last one that did something."""
        self.now += timedelta(seconds=seconds)
        last = JobPlan()
        while (plan := plan_job(self.job, self.pods, self.now)) != JobPlan(requeue=plan.requeue):
            last = plan
            self._carry_out(plan)
        return last

    def _carry_out(self, plan: JobPlan) -> None:
        for pod in plan.create:
            uid = f"pod-{len(self.pods)}"
            pod["metadata"] |= {"uid": uid, "name": uid, "creationTimestamp": format_timestamp(self.now)}
            self.pods.append({**pod, "status": {"phase": "Running"}})
        for pod in [*plan.release, *plan.discard]:
            pod["metadata"]["finalizers"] = []
        for pod in [*plan.delete, *plan.discard]:
            pod["metadata"]["deletionTimestamp"] = "now"
            pod["status"]["phase"] = "Failed"
        for status in (plan.status_before_release, plan.status_after_release):
            if status is not None:
                self.job["status"] = status

    def pod_of(self, index: int) -> JsonObject:
        """Return the newest pod of an index."""
        return [pod for pod in self.pods if pod["metadata"].get("annotations", {}).get(INDEX) == str(index)][
            -1
        ]

    def end(self, index: int, code: int) -> None:
        """Let the newest pod of an index end now."""
        end = {"exitCode": code, "finishedAt": format_timestamp(self.now)}
        self.pod_of(index)["status"] = {
            "phase": "Failed" if code else "Succeeded",
            "containerStatuses": [{"name": "main", "state": {"terminated": end}}],
        }

    @property
    def outcome(self) -> list[str]:
        """The types of the conditions and the last one's reason and message."""
        conditions = self.job["status"].get("conditions") or []
        last = conditions[-1] if conditions else {}
        return [*(c["type"] for c in conditions), last.get("reason", ""), last.get("message", "")]


def indexed(completions: int, **spec: Any) -> Controller:
    return Controller(completionMode="Indexed", completions=completions, **spec)


def exit_code_rule(action: str, code: int) -> JsonObject:
    return {"action": action, "onExitCodes": {"operator": "In", "values": [code]}}


def test_an_index_fails_after_its_own_retries_and_the_others_go_on() -> None:
    controller = indexed(3, backoffLimitPerIndex=1)
    controller.run()
    assert controller.job["status"]["failedIndexes"] == ""
    controller.end(0, 0)
    controller.end(1, 5)
    plan = controller.run(1)
    assert (plan.requeue, len(controller.pods)) == (9.0, 3)
    controller.run(10)
    assert controller.pod_of(1)["metadata"]["annotations"][FAILURES] == "1"
    controller.end(1, 5)
    controller.run(1)
    assert controller.job["status"]["failedIndexes"] == "1"
    assert controller.outcome == ["", ""]
    controller.end(2, 0)
    controller.run(1)
    assert controller.outcome == ["FailureTarget", "Failed", "FailedIndexes", "Job has failed indexes"]
    status = controller.job["status"]
    assert (status["completedIndexes"], status["failedIndexes"]) == ("0,2", "1")
    assert (status["succeeded"], status["failed"]) == (2, 2)


def test_too_many_failed_indexes_end_the_job_and_its_pods() -> None:
    controller = indexed(5, backoffLimitPerIndex=0, maxFailedIndexes=1)
    controller.run()
    controller.end(1, 5)
    controller.run(1)
    assert controller.outcome == ["", ""]
    controller.end(3, 5)
    controller.run(1)
    message = "Job has exceeded the specified maximal number of failed indexes"
    assert controller.outcome == ["FailureTarget", "Failed", "MaxFailedIndexesExceeded", message]
    assert all("deletionTimestamp" in controller.pod_of(index)["metadata"] for index in (0, 2, 4))


def test_a_rule_fails_an_index_without_retries_or_ignores_its_failure() -> None:
    rules = [exit_code_rule("FailIndex", 42), exit_code_rule("Ignore", 43)]
    controller = indexed(2, backoffLimitPerIndex=3, podFailurePolicy={"rules": rules})
    controller.run()
    controller.end(0, 42)
    controller.end(1, 43)
    controller.run(11)
    assert controller.job["status"]["failedIndexes"] == "0"
    annotations = controller.pod_of(1)["metadata"]["annotations"]
    assert (annotations[FAILURES], annotations[IGNORED]) == ("0", "1")
    assert controller.job["status"]["failed"] == 1


@pytest.mark.parametrize(
    ("rule", "succeeded"),
    [
        ({"succeededIndexes": "0"}, [0]),
        ({"succeededCount": 2}, [1, 3]),
        ({"succeededIndexes": "1-3", "succeededCount": 2}, [1, 3]),
    ],
)
def test_a_success_policy_ends_the_job_early(rule: JsonObject, succeeded: list[int]) -> None:
    unmet = {"succeededIndexes": "0-4"}
    controller = indexed(5, successPolicy={"rules": [unmet, rule]})
    controller.run()
    for index in succeeded:
        assert controller.outcome == ["", ""]
        controller.end(index, 0)
        controller.run(1)
    end = ["SuccessCriteriaMet", "Complete", "SuccessPolicy", "Matched rules at index 1"]
    assert controller.outcome == end
    assert controller.job["status"]["succeeded"] == len(succeeded)
    assert "completionTime" in controller.job["status"]


def test_a_pod_condition_fails_the_job() -> None:
    pattern = {"type": "DisruptionTarget", "status": "True"}
    rules = [{"action": "FailJob", "onPodConditions": [pattern]}]
    controller = indexed(1, podFailurePolicy={"rules": rules})
    controller.run()
    controller.end(0, 137)
    controller.pod_of(0)["status"]["conditions"] = [pattern]
    controller.run(1)
    message = "Pod default/pod-0 has condition DisruptionTarget matching FailJob rule at index 0"
    assert controller.outcome == ["FailureTarget", "Failed", "PodFailurePolicy", message]


def test_a_deleted_job_that_a_finalizer_holds_makes_no_pods_and_shows_when_its_own_have_ended() -> None:
    controller = Controller(completions=1, parallelism=1)
    controller.run()
    assert controller.job["status"]["active"] == 1
    controller.job["metadata"] |= {"deletionTimestamp": "now", "finalizers": ["example.com/hold"]}
    controller.run(1)
    (pod,) = controller.pods
    assert pod["metadata"]["finalizers"] == []
    pod["status"]["phase"] = "Failed"
    controller.run(1)
    assert len(controller.pods) == 1
    assert "active" not in controller.job["status"]
    assert controller.outcome == ["", ""]


def test_a_foreign_pod_without_an_index_stops_nothing() -> None:
    controller = indexed(1, backoffLimitPerIndex=0)
    foreign = {"name": "x", "namespace": "default", "uid": "x", "creationTimestamp": format_timestamp(START)}
    controller.pods.append({"metadata": foreign, "status": {"phase": "Failed"}})
    controller.run()
    controller.end(0, 0)
    controller.run(1)
    assert controller.outcome[1] == "Complete"
