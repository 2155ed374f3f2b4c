"""Fields of a Job that a real API server refuses, in its words (pkg/apis/batch/validation)."""

import copy
from typing import Any

import pytest

from kronkeep_daemon.embedded.apiserver.defaults import apply_defaults
from kronkeep_daemon.embedded.apiserver.resources import RESOURCES
from kronkeep_daemon.embedded.apiserver.status_responses import Refusal
from kronkeep_daemon.embedded.apiserver.validation import check_object
from kronkeep_daemon.kube.objects import JsonObject

(JOBS,) = (resource for resource in RESOURCES if resource.kind == "Job")
(CRONJOBS,) = (resource for resource in RESOURCES if resource.kind == "CronJob")
EXIT = {"operator": "In", "values": [1]}
INDEXED: dict[str, Any] = {"completionMode": "Indexed", "completions": 5}
RULE = "spec.successPolicy.rules[0]"


def new_job(name: str = "many", restart_policy: str = "Never", **spec: Any) -> JsonObject:
    container = {"name": "main", "image": "busybox:1.36"}
    pod = {"restartPolicy": restart_policy, "containers": [container]}
    job: JsonObject = {
        "metadata": {"name": name, "uid": "u"},
        "spec": {"template": {"spec": pod}, **copy.deepcopy(spec)},
    }
    apply_defaults(JOBS, job)
    return job


def refusals(job: JsonObject, old: JsonObject | None = None) -> list[str]:
    try:
        check_object(JOBS, job, old)
    except Refusal as refusal:
        return [f"{cause['field']}: {cause['message']}" for cause in refusal.body["details"]["causes"]]
    return []


def rules(*entries: JsonObject) -> JsonObject:
    return {"rules": list(entries)}


GOOD: dict[str, JsonObject] = {
    "suspended": {"suspend": True, "activeDeadlineSeconds": 5},
    "managed by Kueue": {"managedBy": "kueue.x-k8s.io/multikueue"},
    "per index": {**INDEXED, "backoffLimitPerIndex": 0, "maxFailedIndexes": 5},
    "success policy": {
        **INDEXED, "successPolicy": rules({"succeededIndexes": "0-2,4", "succeededCount": 4}),
    },
    "failure policy": {
        **INDEXED, "backoffLimitPerIndex": 1,
        "podFailurePolicy": rules(
            {"action": "FailIndex", "onExitCodes": {**EXIT, "containerName": "main"}},
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
        ),
    },
    "replacement": {"podReplacementPolicy": "Failed"},
}  # fmt: skip

POLICY = "spec.podFailurePolicy.rules[0]"
BAD: dict[str, tuple[JsonObject, list[str]]] = {
    "per index, not Indexed": (
        {"backoffLimitPerIndex": 1},
        ["spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"],
    ),
    "maxFailedIndexes alone": (
        {**INDEXED, "maxFailedIndexes": 1},
        ["spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified"],
    ),
    "more than completions": (
        {**INDEXED, "backoffLimitPerIndex": 1, "maxFailedIndexes": 6},
        ["spec.maxFailedIndexes: Invalid value: 6: must be less than or equal to completions"],
    ),
    "negative": (
        {**INDEXED, "backoffLimitPerIndex": -1},
        ["spec.backoffLimitPerIndex: Invalid value: -1: must be greater than or equal to 0"],
    ),
    "no completions": (
        {"completionMode": "Indexed", "parallelism": 2},
        ["spec.completions: Required value: when completion mode is Indexed"],
    ),
    "completion mode": (
        {"completionMode": "Some"},
        ['spec.completionMode: Unsupported value: "Some": supported values: "NonIndexed", "Indexed"'],
    ),
    "too parallel": (
        {**INDEXED, "parallelism": 100_001},
        ["spec.parallelism: Invalid value: 100001: must be less than or equal to 100000 when completion mode "
         "is Indexed"],
    ),
    "manager": (
        {"managedBy": "kueue"},
        ['spec.managedBy: Invalid value: "kueue": must be a domain-prefixed path (such as "acme.io/foo")'],
    ),
    "long manager": (
        {"managedBy": "acme.io/" + "x" * 60},
        ["spec.managedBy: Too long: may not be more than 63 bytes"],
    ),
    "success policy, not Indexed": (
        {"successPolicy": rules({"succeededCount": 1})},
        ["spec.successPolicy: Invalid value: batch.SuccessPolicy: requires indexed completion mode"],
    ),
    "empty success policy": (
        {**INDEXED, "successPolicy": rules()},
        ["spec.successPolicy.rules: Required value: at least one rules must be specified when the "
         "successPolicy is specified"],
    ),
    "empty success rule": (
        {**INDEXED, "successPolicy": rules({})},
        [f"{RULE}: Required value: at least one of succeededCount or succeededIndexes must "
         "be specified"],
    ),
    "success indexes": (
        {**INDEXED, "successPolicy": rules({"succeededIndexes": "2,1"})},
        [f'{RULE}.succeededIndexes: Invalid value: "2,1": error parsing succeededIndexes: '
         "non-increasing order, previous: 2, current: 1"],
    ),
    "success indexes too large": (
        {**INDEXED, "successPolicy": rules({"succeededIndexes": "0-5"})},
        [f'{RULE}.succeededIndexes: Invalid value: "0-5": error parsing succeededIndexes: '
         'too large index: "5"'],
    ),
    "success count": (
        {**INDEXED, "successPolicy": rules({"succeededIndexes": "0,1", "succeededCount": 3})},
        [f"{RULE}.succeededCount: Invalid value: 3: must be less than or equal to 2 (the "
         "number of indexes in the specified succeededIndexes field)"],
    ),
    "FailIndex without a limit": (
        {**INDEXED, "podFailurePolicy": rules({"action": "FailIndex", "onExitCodes": EXIT})},
        [f'{POLICY}.action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set'],
    ),
    "action": (
        {"podFailurePolicy": rules({"action": "Retry", "onExitCodes": EXIT})},
        [f'{POLICY}.action: Unsupported value: "Retry": supported values: "Count", "FailIndex", "FailJob", '
         '"Ignore"'],
    ),
    "no requirement": (
        {"podFailurePolicy": rules({"action": "Ignore"})},
        [f"{POLICY}: Invalid value: specifying one of OnExitCodes and OnPodConditions is required"],
    ),
    "exit code 0": (
        {"podFailurePolicy": rules({"action": "Ignore", "onExitCodes": {"operator": "In", "values": [0]}})},
        [f"{POLICY}.onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator"],
    ),
    "unknown container": (
        {"podFailurePolicy": rules({"action": "Ignore", "onExitCodes": {**EXIT, "containerName": "x"}})},
        [f'{POLICY}.onExitCodes.containerName: Invalid value: "x": must be one of the container or '
         "initContainer names in the pod template"],
    ),
    "replacement with a failure policy": (
        {"podFailurePolicy": rules({"action": "Ignore", "onExitCodes": EXIT}),
         "podReplacementPolicy": "TerminatingOrFailed"},
        ['spec.podReplacementPolicy: Unsupported value: "TerminatingOrFailed": supported values: "Failed"'],
    ),
    "replacement": (
        {"podReplacementPolicy": "Never"},
        ['spec.podReplacementPolicy: Unsupported value: "Never": supported values: "Failed", '
         '"TerminatingOrFailed"'],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_what_kubernetes_takes_is_taken(name: str) -> None:
    assert refusals(new_job(**GOOD[name])) == []


@pytest.mark.parametrize("name", BAD)
def test_what_kubernetes_refuses_is_refused_in_its_words(name: str) -> None:
    spec, causes = BAD[name]
    assert refusals(new_job(**spec)) == causes


def test_a_failure_policy_needs_pods_that_are_not_restarted() -> None:
    policy = rules({"action": "Ignore", "onExitCodes": EXIT})
    assert refusals(new_job(restart_policy="OnFailure", podFailurePolicy=policy)) == [
        'spec.template.spec.restartPolicy: Invalid value: "OnFailure": only "Never" is supported when '
        "podFailurePolicy is specified"
    ]


def test_the_host_names_of_an_indexed_job_must_fit() -> None:
    name = "n" * 62
    assert refusals(new_job(name, **INDEXED)) == [
        f'metadata.name: Invalid value: "{name}": will not able to create pod with invalid DNS label: '
        f"{name}-4"
    ]


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        (
            {},
            {"managedBy": "acme.io/foo"},
            'spec.managedBy: Invalid value: "acme.io/foo": field is immutable',
        ),
        ({"completions": 1}, {"completions": 2}, "spec.completions: Invalid value: 2: field is immutable"),
        (
            {**INDEXED, "backoffLimitPerIndex": 1, "backoffLimit": 6},
            {**INDEXED, "backoffLimitPerIndex": 2, "backoffLimit": 6},
            "spec.backoffLimitPerIndex: Invalid value: 2: field is immutable",
        ),
        (
            INDEXED,
            {**INDEXED, "completions": 6},
            "spec.completions: Invalid value: 6: can only be modified in tandem with spec.parallelism",
        ),
        (INDEXED, {**INDEXED, "completions": 6, "parallelism": 6}, None),
        ({"suspend": True}, {"suspend": False}, None),
    ],
)
def test_only_some_fields_may_be_changed(old: JsonObject, new: JsonObject, cause: str | None) -> None:
    assert refusals(new_job(**new), new_job(**old)) == ([cause] if cause else [])


def test_a_cronjob_s_template_is_held_to_the_same_rules() -> None:
    spec = new_job(backoffLimitPerIndex=1)["spec"]
    cronjob = {"metadata": {"name": "c"}, "spec": {"schedule": "@daily", "jobTemplate": {"spec": spec}}}
    apply_defaults(CRONJOBS, cronjob)
    with pytest.raises(Refusal, match=r"spec.jobTemplate.spec.backoffLimitPerIndex: .*requires indexed"):
        check_object(CRONJOBS, cronjob, None)


def test_a_cronjob_may_not_choose_the_labels_by_which_its_jobs_know_their_pods() -> None:
    job = {**new_job()["spec"], "selector": {"matchLabels": {"a": "b"}}, "manualSelector": True}
    cronjob: JsonObject = {
        "metadata": {"name": "spoof", "uid": "u"},
        "spec": {"schedule": "0 2 * * *", "jobTemplate": {"spec": job}},
    }
    apply_defaults(CRONJOBS, cronjob)
    with pytest.raises(Refusal) as refused:
        check_object(CRONJOBS, cronjob, None)
    causes = refused.value.body["details"]["causes"]
    assert [f"{cause['field']}: {cause['message']}" for cause in causes] == [
        'spec.jobTemplate.spec.selector: Invalid value: {"matchLabels":{"a":"b"}}: '
        "`selector` will be auto-generated",
        'spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: "nil", "false"',
    ]
