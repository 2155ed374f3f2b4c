"""Messages of kubelets, runtimes, registries, webhooks and schedulers: nothing stands in them twice."""

import time

import pytest

from kronkeep_daemon.kube.nested_messages import LONGEST, clean_message

CASES = {
    "containerd, no such tag": (
        'Failed to pull image "reg.io/x:1": failed to pull and unpack image "reg.io/x:1": failed to resolve '
        'reference "reg.io/x:1": reg.io/x:1: not found',
        'Failed to pull image "reg.io/x:1": not found',
    ),
    "containerd, denied": (
        'Failed to pull image "x:1": rpc error: code = Unknown desc = failed to pull and unpack image '
        '"docker.io/library/x:1": failed to resolve reference "docker.io/library/x:1": pull access denied, '
        "repository does not exist",
        'Failed to pull image "x:1": rpc error: code = Unknown desc = failed to pull and unpack image '
        '"docker.io/library/x:1": pull access denied, repository does not exist',
    ),
    "twice not found": (
        'failed to resolve image "docker.io/library/busybox:nope": not found: not found',
        'failed to resolve image "docker.io/library/busybox:nope": not found',
    ),
    "certificate": (
        'Get "https://r/v2/": x509: signed by unknown authority: x509: signed by unknown authority',
        'Get "https://r/v2/": x509: signed by unknown authority',
    ),
    "unauthorized": (
        "unauthorized: authentication required; unauthorized: authentication required",
        "unauthorized: authentication required",
    ),
    "mount, in several lines": (
        "mount: /v: unknown filesystem type 'nfs'.\n       dmesg(1) may have more information.\r\n",
        "mount: /v: unknown filesystem type 'nfs'. dmesg(1) may have more information.",
    ),
    "Kyverno": (
        "policies require-limits: validation error: limits are required. rule limits failed: "
        "validation error: limits are required. rule limits failed",
        "policies require-limits: validation error: limits are required. rule limits failed",
    ),
    "Gatekeeper": (
        'denied the request: [owner] you must provide labels: {"owner"}\n[owner] you must provide labels: '
        '{"owner"}',
        'denied the request: [owner] you must provide labels: {"owner"}',
    ),
    "thrice": ("timed out: timed out: timed out.", "timed out"),
    "scheduler": (
        "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient memory. preemption: 0/3 "
        "nodes are available: 1 Preemption is not helpful for scheduling, 2 No preemption victims found.",
        "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient memory.",
    ),
    "a missing claim": (
        '0/1 nodes are available: persistentvolumeclaim "data" not found. not found',
        '0/1 nodes are available: persistentvolumeclaim "data" not found',
    ),
    "nothing twice": (
        'pods "p" is forbidden: violates PodSecurity "restricted:latest": a != false (container "main" must '
        'set a=false), b (container "main" must set b=["ALL"])',
        'pods "p" is forbidden: violates PodSecurity "restricted:latest": a != false (container "main" must '
        'set a=false), b (container "main" must set b=["ALL"])',
    ),
    "a number": ("version 1.1, 1", "version 1.1, 1"),
    "only a name": ("x", "x"),
    "empty": ("", ""),
}


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_said_twice(name: str) -> None:
    message, expected = CASES[name]
    assert clean_message(message) == expected


@pytest.mark.parametrize("text", ['"x": ' * 100_000, "a, " * 100_000, '"' * 100_000, "not found: " * 100_000])
def test_a_hostile_message_takes_no_time(text: str) -> None:
    start = time.process_time()
    assert len(clean_message(text)) <= LONGEST
    assert time.process_time() - start < 1
