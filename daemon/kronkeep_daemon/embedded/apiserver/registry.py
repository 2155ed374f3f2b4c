"""The kinds this server knows, as one table; discovery, routing and storage read it."""

from typing import NamedTuple

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


class Resource(NamedTuple):
    """One kind: where it is served and what it is called."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    status: bool = False
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = VERBS

    @property
    def singular(self) -> str:
        """The name in the singular, lower case."""
        return self.kind.lower()

    @property
    def api_version(self) -> str:
        """`v1`, or `batch/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """`pods`, or `jobs.batch`, as messages have it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self) -> str:
        """`Pod`, or `Job.batch`, as messages have it."""
        return f"{self.kind}.{self.group}" if self.group else self.kind


ALL = ("all",)
RESOURCES = (
    Resource("", "v1", "namespaces", "Namespace", namespaced=False, short=("ns",), status=True),
    Resource("", "v1", "nodes", "Node", namespaced=False, short=("no",), status=True),
    Resource("", "v1", "pods", "Pod", short=("po",), status=True, categories=ALL),
    Resource("", "v1", "events", "Event", short=("ev",)),
    Resource("", "v1", "secrets", "Secret"),
    Resource("", "v1", "configmaps", "ConfigMap", short=("cm",)),
    Resource("", "v1", "serviceaccounts", "ServiceAccount", short=("sa",)),
    Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", short=("pvc",), status=True),
    Resource("batch", "v1", "cronjobs", "CronJob", short=("cj",), status=True, categories=ALL),
    Resource("batch", "v1", "jobs", "Job", status=True, categories=ALL),
    Resource("storage.k8s.io", "v1", "storageclasses", "StorageClass", namespaced=False, short=("sc",)),
    Resource("coordination.k8s.io", "v1", "leases", "Lease"),
    *(
        Resource("rbac.authorization.k8s.io", "v1", f"{kind.lower()}s", kind, not kind.startswith("Cluster"))
        for kind in ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
    ),
    *(
        Resource("authorization.k8s.io", "v1", f"{kind.lower()}s", kind, namespaced=False, verbs=("create",))
        for kind in ("SelfSubjectAccessReview", "SelfSubjectRulesReview")
    ),
)
SUBRESOURCES = {"pods": ("log",), "serviceaccounts": ("token",)}
BY_PATH = {(r.group, r.version, r.plural): r for r in RESOURCES}
GROUPS = sorted({(r.group, r.version) for r in RESOURCES})
