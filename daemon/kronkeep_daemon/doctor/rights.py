"""What kronkeepd may have to do in a cluster, as one table; systemd/kubernetes grants exactly this.

`WATCHED` rights are needed in every namespace that is watched, `OWN` ones in kronkeep's own namespace.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

WATCHED, OWN = "watched", "own"


class Right(NamedTuple):
    """Verbs on one resource, where they are needed and what for; without a needed one nothing is right."""

    scope: str
    group: str
    resource: str
    verbs: tuple[str, ...]
    purpose: str
    needed: bool = True


READ = ("get", "list", "watch")
RIGHTS = (
    Right(WATCHED, "batch", "cronjobs", READ, "see CronJobs"),
    Right(WATCHED, "batch", "cronjobs", ("create", "patch", "delete"), "create and change CronJobs", False),
    Right(WATCHED, "batch", "jobs", READ, "record runs"),
    Right(WATCHED, "batch", "jobs", ("create", "delete"), "trigger, back up and cancel", False),
    Right(WATCHED, "", "pods", READ, "tell why runs fail"),
    Right(WATCHED, "", "pods/log", ("get",), "keep logs", False),
    Right(WATCHED, "", "events", READ, "tell causes in Kubernetes' own words", False),
    Right(WATCHED, "", "events", ("create",), "say on a CronJob that its policy is wrong", False),
    Right(WATCHED, "", "secrets", ("create", "delete"), "lend a backup its credentials", False),
    Right(WATCHED, "", "configmaps", ("get", "create", "delete"), "archive a configuration", False),
    Right(WATCHED, "", "persistentvolumeclaims", ("get", "create"), "restore into claims", False),
    Right(OWN, "", "secrets", ("get", "create", "delete"), "keep the repositories' passwords", False),
    Right(OWN, "batch", "jobs", ("get", "create", "delete"), "make and check repositories", False),
    Right(
        OWN, "coordination.k8s.io", "leases", ("get", "create", "update"), "let one of two daemons act", False
    ),
)


def review(right: Right, verb: str, namespace: str | None) -> dict[str, Any]:
    """The SelfSubjectAccessReview of one verb; without a namespace, in all of them."""
    resource, _, part = right.resource.partition("/")
    asked = {"group": right.group, "resource": resource, "verb": verb}
    if part:
        asked["subresource"] = part
    if namespace is not None:
        asked["namespace"] = namespace
    kind = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
    return {**kind, "spec": {"resourceAttributes": asked}}


def questions(namespaces: tuple[str, ...], own: str) -> Iterator[tuple[Right, str | None]]:
    """Each right with each namespace that it is needed in; None is all of them."""
    for right in RIGHTS:
        if right.scope == OWN:
            yield right, own
        else:
            for namespace in namespaces or (None,):
                yield right, namespace
