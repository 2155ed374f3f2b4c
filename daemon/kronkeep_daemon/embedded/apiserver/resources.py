"""The kinds that this server has, as one table that discovery, routing and storage read."""

from typing import NamedTuple

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


class Resource(NamedTuple):
    """One kind: its path, its names, and what it can do.

    `status` says that it has a status subresource; `short` and `categories` are names for kubectl. Kinds that
    nothing acts on here are `dry_run_only`, so that manifests with them can be tried. A `custom` kind is
    served while its CustomResourceDefinition is there.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    status: bool = False
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = VERBS
    dry_run_only: bool = False
    custom: bool = False

    @property
    def singular(self) -> str:
        """The kind in lower case."""
        return self.kind.lower()

    @property
    def api_version(self) -> str:
        """The apiVersion, such as `v1` or `batch/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """The plural in messages, such as `pods` or `jobs.batch`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self) -> str:
        """The kind in messages, such as `Pod` or `Job.batch`."""
        return f"{self.kind}.{self.group}" if self.group else self.kind


ALL = ("all",)
SNAPSHOT_GROUP = "snapshot.storage.k8s.io"
RESOURCES = (
    Resource(
        group="",
        version="v1",
        plural="namespaces",
        kind="Namespace",
        namespaced=False,
        short=("ns",),
        status=True,
    ),
    Resource(
        group="", version="v1", plural="nodes", kind="Node", namespaced=False, short=("no",), status=True
    ),
    Resource(group="", version="v1", plural="pods", kind="Pod", short=("po",), status=True, categories=ALL),
    Resource(group="", version="v1", plural="events", kind="Event", short=("ev",)),
    Resource(group="", version="v1", plural="secrets", kind="Secret"),
    Resource(group="", version="v1", plural="configmaps", kind="ConfigMap", short=("cm",)),
    Resource(group="", version="v1", plural="serviceaccounts", kind="ServiceAccount", short=("sa",)),
    Resource(
        group="",
        version="v1",
        plural="persistentvolumeclaims",
        kind="PersistentVolumeClaim",
        short=("pvc",),
        status=True,
    ),
    Resource(
        group="batch",
        version="v1",
        plural="cronjobs",
        kind="CronJob",
        short=("cj",),
        status=True,
        categories=ALL,
    ),
    Resource(group="batch", version="v1", plural="jobs", kind="Job", status=True, categories=ALL),
    Resource(
        group="storage.k8s.io",
        version="v1",
        plural="storageclasses",
        kind="StorageClass",
        namespaced=False,
        short=("sc",),
    ),
    Resource(group="storage.k8s.io", version="v1", plural="csidrivers", kind="CSIDriver", namespaced=False),
    Resource(
        group="apiextensions.k8s.io",
        version="v1",
        plural="customresourcedefinitions",
        kind="CustomResourceDefinition",
        namespaced=False,
        short=("crd", "crds"),
    ),
    Resource(
        group=SNAPSHOT_GROUP,
        version="v1",
        plural="volumesnapshots",
        kind="VolumeSnapshot",
        short=("vs",),
        status=True,
        custom=True,
    ),
    Resource(
        group=SNAPSHOT_GROUP,
        version="v1",
        plural="volumesnapshotcontents",
        kind="VolumeSnapshotContent",
        namespaced=False,
        short=("vsc",),
        status=True,
        custom=True,
    ),
    Resource(
        group=SNAPSHOT_GROUP,
        version="v1",
        plural="volumesnapshotclasses",
        kind="VolumeSnapshotClass",
        namespaced=False,
        custom=True,
    ),
    Resource(group="coordination.k8s.io", version="v1", plural="leases", kind="Lease"),
    Resource(
        group="apps",
        version="v1",
        plural="deployments",
        kind="Deployment",
        short=("deploy",),
        dry_run_only=True,
    ),
    Resource(group="", version="v1", plural="services", kind="Service", short=("svc",), dry_run_only=True),
    Resource(
        group="networking.k8s.io",
        version="v1",
        plural="networkpolicies",
        kind="NetworkPolicy",
        short=("netpol",),
        dry_run_only=True,
    ),
    *(
        Resource(
            group="rbac.authorization.k8s.io",
            version="v1",
            plural=f"{kind.lower()}s",
            kind=kind,
            namespaced=not kind.startswith("Cluster"),
        )
        for kind in ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
    ),
    *(
        Resource(
            group="authorization.k8s.io",
            version="v1",
            plural=f"{kind.lower()}s",
            kind=kind,
            namespaced=False,
            verbs=("create",),
        )
        for kind in ("SelfSubjectAccessReview", "SelfSubjectRulesReview")
    ),
)
SUBRESOURCES = {"pods": ("log",), "serviceaccounts": ("token",)}
BY_PATH = {(r.group, r.version, r.plural): r for r in RESOURCES}
GROUPS = sorted({(r.group, r.version) for r in RESOURCES})
