"""Pod Security `restricted`: each rule by the one field that breaks it."""

import copy
from typing import Any

import pytest

from kronkeep_daemon.embedded.apiserver.pod_security import find_violations

GOOD: dict[str, Any] = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "initContainers": [],
    "containers": [
        {
            "name": "main",
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
    ],
    "volumes": [{"name": "data", "emptyDir": {}}],
}


def test_a_pod_that_follows_the_rules_passes() -> None:
    assert find_violations(GOOD) == []


@pytest.mark.parametrize(
    ("where", "fields", "violation"),
    [
        ("pod", {"runAsNonRoot": None}, "runAsNonRoot != true"),
        ("pod", {"seccompProfile": None}, "seccompProfile"),
        ("pod", {"runAsUser": 0}, "runAsUser=0"),
        ("container", {"runAsUser": 0}, "runAsUser=0"),
        ("container", {"runAsNonRoot": False}, "runAsNonRoot != true"),
        ("container", {"allowPrivilegeEscalation": None}, "allowPrivilegeEscalation != false"),
        ("container", {"capabilities": {"drop": ["NET_RAW"]}}, "unrestricted capabilities"),
        ("container", {"capabilities": {"drop": ["ALL"], "add": ["CHOWN"]}}, "unrestricted capabilities"),
        ("container", {"privileged": True}, "privileged"),
        ("spec", {"hostNetwork": True}, "host namespaces"),
        ("spec", {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, "restricted volume types"),
    ],
)
def test_each_rule_is_enforced(where: str, fields: dict[str, Any], violation: str) -> None:
    pod = copy.deepcopy(GOOD)
    targets = {
        "pod": pod["securityContext"],
        "container": pod["containers"][0]["securityContext"],
        "spec": pod,
    }
    targets[where].update(fields)
    (message,) = find_violations(pod)
    assert message.startswith(violation)
