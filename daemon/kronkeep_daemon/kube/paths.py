"""Paths of the Kubernetes API; no other module spells one out.

Names in annotations and pod templates may be written by anybody. With `../../kronkeep/secrets/vault` for a
name the daemon would read with its own rights what the author may not read. So every function raises
NotFoundInCluster for a name that no object can have.
"""

from urllib.parse import quote

from kronkeep_common.text import clean
from kronkeep_daemon.kube.errors import NotFoundInCluster

_SNAPSHOTS = "/apis/snapshot.storage.k8s.io/v1"


def _collection_path(base: str, plural: str, namespace: str | None, name: str | None) -> str:
    scope = f"{base}/namespaces/{_segment(namespace)}/{plural}" if namespace else f"{base}/{plural}"
    return object_path(scope, name) if name else scope


def object_path(collection: str, name: str) -> str:
    """Return the path of one object in a collection."""
    return f"{collection}/{_segment(name)}"


def _segment(name: str) -> str:
    """Return a name as a segment of a path.

    No object has a name that is `.` or `..`, or has `/` or `%` in it: IsValidPathSegmentName of apimachinery.
    """
    if name in (".", "..") or "/" in name or "%" in name:
        raise NotFoundInCluster(
            f"There is nothing named {clean(repr(name), 300)}: no object can have that name."
        )
    return quote(name, safe="")


def core(plural: str, namespace: str | None = None, name: str | None = None) -> str:
    """Return a path of the core group (v1); without a namespace, over all namespaces."""
    return _collection_path("/api/v1", plural, namespace, name)


def batch(plural: str, namespace: str | None = None, name: str | None = None) -> str:
    """Return a path of the group batch/v1; without a namespace, over all namespaces."""
    return _collection_path("/apis/batch/v1", plural, namespace, name)


def cronjobs(namespace: str | None = None, name: str | None = None) -> str:
    """Return the path of CronJobs, or of one of them."""
    return batch("cronjobs", namespace, name)


def jobs(namespace: str | None = None, name: str | None = None) -> str:
    """Return the path of Jobs, or of one of them."""
    return batch("jobs", namespace, name)


def pods(namespace: str | None = None, name: str | None = None) -> str:
    """Return the path of pods, or of one of them."""
    return core("pods", namespace, name)


def events(namespace: str | None = None, name: str | None = None) -> str:
    """Return the path of the core group's Events, or of one of them."""
    return core("events", namespace, name)


def secrets(namespace: str | None = None, name: str | None = None) -> str:
    """Return the path of Secrets, or of one of them."""
    return core("secrets", namespace, name)


def configmaps(namespace: str | None = None, name: str | None = None) -> str:
    """Return the path of ConfigMaps, or of one of them."""
    return core("configmaps", namespace, name)


def claims(namespace: str | None = None, name: str | None = None) -> str:
    """Return the path of PersistentVolumeClaims, or of one of them."""
    return core("persistentvolumeclaims", namespace, name)


def storage_classes(name: str | None = None) -> str:
    """Return the path of StorageClasses, or of one of them."""
    return _collection_path("/apis/storage.k8s.io/v1", "storageclasses", None, name)


def csi_drivers(name: str | None = None) -> str:
    """Return the path of CSIDrivers, or of one of them."""
    return _collection_path("/apis/storage.k8s.io/v1", "csidrivers", None, name)


def volume_snapshots(namespace: str | None = None, name: str | None = None) -> str:
    """Return the path of VolumeSnapshots, or of one of them."""
    return _collection_path(_SNAPSHOTS, "volumesnapshots", namespace, name)


def volume_snapshot_contents(name: str | None = None) -> str:
    """Return the path of VolumeSnapshotContents, or of one of them."""
    return _collection_path(_SNAPSHOTS, "volumesnapshotcontents", None, name)


def volume_snapshot_classes(name: str | None = None) -> str:
    """Return the path of VolumeSnapshotClasses, or of one of them."""
    return _collection_path(_SNAPSHOTS, "volumesnapshotclasses", None, name)


def namespaces(name: str | None = None) -> str:
    """Return the path of namespaces, or of one of them."""
    return core("namespaces", None, name)


def nodes(name: str | None = None) -> str:
    """Return the path of nodes, or of one of them."""
    return core("nodes", None, name)


def access_reviews() -> str:
    """Return the path to which SelfSubjectAccessReviews are posted."""
    return "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


def leases(namespace: str, name: str | None = None) -> str:
    """Return the path of a namespace's Leases, or of one of them."""
    return _collection_path("/apis/coordination.k8s.io/v1", "leases", namespace, name)
