"""The rights that kronkeepd needs in a cluster, in one table; systemd/kubernetes grants exactly these.

`WATCHED` rights are needed in every namespace that is watched, `OWN` ones in kronkeep's own namespace, and
`CLUSTER` ones for kinds that are in no namespace.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

WATCHED = "watched"
OWN = "own"
CLUSTER = "cluster"


class Right(NamedTuple):
    """Verbs on one resource, where they are needed and what for; without a `needed` one nothing works."""

    scope: str
    group: str
    resource: str
    verbs: tuple[str, ...]
    purpose: str
    needed: bool = True


READ = ("get", "list", "watch")
RIGHTS = (
    Right(scope=WATCHED, group="batch", resource="cronjobs", verbs=READ, purpose="see CronJobs"),
    Right(
        scope=WATCHED,
        group="batch",
        resource="cronjobs",
        verbs=("create", "patch", "delete"),
        purpose="create and change CronJobs",
        needed=False,
    ),
    Right(scope=WATCHED, group="batch", resource="jobs", verbs=READ, purpose="record runs"),
    Right(
        scope=WATCHED,
        group="batch",
        resource="jobs",
        verbs=("create", "delete"),
        purpose="trigger, back up and cancel",
        needed=False,
    ),
    Right(scope=WATCHED, group="", resource="pods", verbs=READ, purpose="find out why runs fail"),
    Right(scope=WATCHED, group="", resource="pods/log", verbs=("get",), purpose="keep logs", needed=False),
    Right(
        scope=WATCHED,
        group="",
        resource="events",
        verbs=READ,
        purpose="report causes in Kubernetes' own words",
        needed=False,
    ),
    Right(
        scope=WATCHED,
        group="",
        resource="events",
        verbs=("create", "patch"),
        purpose="report backups and invalid policies on their CronJob",
        needed=False,
    ),
    Right(
        scope=WATCHED,
        group="",
        resource="secrets",
        verbs=("create", "delete"),
        purpose="copy credentials for a backup",
        needed=False,
    ),
    Right(
        scope=WATCHED,
        group="",
        resource="configmaps",
        verbs=("get", "create", "delete"),
        purpose="archive a configuration",
        needed=False,
    ),
    Right(
        scope=WATCHED,
        group="",
        resource="persistentvolumeclaims",
        verbs=("get", "create"),
        purpose="restore into claims",
        needed=False,
    ),
    Right(
        scope=WATCHED,
        group="",
        resource="persistentvolumeclaims",
        verbs=("list",),
        purpose="say which claims nobody backs up",
        needed=False,
    ),
    Right(
        scope=WATCHED,
        group="",
        resource="persistentvolumeclaims",
        verbs=("delete",),
        purpose="remove the volumes that were made for an archive (source.consistency)",
        needed=False,
    ),
    Right(
        scope=WATCHED,
        group="snapshot.storage.k8s.io",
        resource="volumesnapshots",
        verbs=("get", "list", "create", "delete"),
        purpose="archive snapshots of claims (source.consistency)",
        needed=False,
    ),
    Right(
        scope=CLUSTER,
        group="snapshot.storage.k8s.io",
        resource="volumesnapshotclasses",
        verbs=("list",),
        purpose="find out how a claim can be snapshotted (source.consistency)",
        needed=False,
    ),
    Right(
        scope=CLUSTER,
        group="storage.k8s.io",
        resource="storageclasses",
        verbs=("get",),
        purpose="find out which driver a claim has (source.consistency)",
        needed=False,
    ),
    Right(
        scope=CLUSTER,
        group="storage.k8s.io",
        resource="csidrivers",
        verbs=("get",),
        purpose="find out whether a claim's driver is there (source.consistency)",
        needed=False,
    ),
    Right(
        scope=WATCHED,
        group="",
        resource="persistentvolumeclaims",
        verbs=("watch", "patch"),
        purpose="see and set the policies of claims",
        needed=False,
    ),
    Right(
        scope=OWN,
        group="",
        resource="secrets",
        verbs=("get", "create", "update", "delete"),
        purpose="keep and change the repositories' passwords",
        needed=False,
    ),
    Right(
        scope=OWN,
        group="",
        resource="secrets",
        verbs=("list",),
        purpose="offer the Secrets that a storage may name",
        needed=False,
    ),
    Right(
        scope=OWN,
        group="batch",
        resource="jobs",
        verbs=("get", "create", "delete"),
        purpose="create and check repositories",
        needed=False,
    ),
    Right(
        scope=OWN,
        group="",
        resource="pods",
        verbs=("patch",),
        purpose="send folders as tar archives",
        needed=False,
    ),
    Right(
        scope=OWN,
        group="coordination.k8s.io",
        resource="leases",
        verbs=("get", "create", "update"),
        purpose="let one of several daemons act",
        needed=False,
    ),
    Right(
        scope=OWN,
        group="",
        resource="configmaps",
        verbs=("get", "create", "update"),
        purpose="share silences and acknowledgements with other daemons",
        needed=False,
    ),
)


def access_review(right: Right, verb: str, namespace: str | None) -> dict[str, Any]:
    """Return the SelfSubjectAccessReview of one verb; without a namespace, in all of them."""
    resource, _, subresource = right.resource.partition("/")
    attributes = {"group": right.group, "resource": resource, "verb": verb}
    if subresource:
        attributes["subresource"] = subresource
    if namespace is not None:
        attributes["namespace"] = namespace
    kind = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
    return {**kind, "spec": {"resourceAttributes": attributes}}


def rights_by_namespace(namespaces: tuple[str, ...], own: str) -> Iterator[tuple[Right, str | None]]:
    """Yield each right with each namespace that it is needed in; None stands for all of them."""
    for right in RIGHTS:
        if right.scope == OWN:
            yield right, own
        elif right.scope == CLUSTER:
            yield right, None
        else:
            for namespace in namespaces or (None,):
                yield right, namespace
