"""Paths of the Kubernetes API, so that no other file spells one out.

Names come from annotations and pod templates of anybody, and `../../kronkeep/secrets/vault` would have the
daemon read with its own rights what that name's author may not. All raise NotFoundInCluster for a name that
no object can have.
"""

from urllib.parse import quote

from kronkeep_common.text import clean
from kronkeep_daemon.kube.errors import NotFoundInCluster


def _namespaced(base: str, plural: str, namespace: str | None, name: str | None) -> str:
    scope = f"{base}/namespaces/{_segment(namespace)}/{plural}" if namespace else f"{base}/{plural}"
    return object_path(scope, name) if name else scope


def object_path(collection: str, name: str) -> str:
    """The object of that name in a collection."""
    return f"{collection}/{_segment(name)}"


def _segment(name: str) -> str:
    """A name as a part of a path: Kubernetes has none that is . or .. or has / or % in it.

    The rule is IsValidPathSegmentName of apimachinery, which every object's name meets.
    """
    if name in (".", "..") or "/" in name or "%" in name:
        raise NotFoundInCluster(
            f"There is nothing named {clean(repr(name), 300)}: no object can have that name."
        )
    return quote(name, safe="")


def core(plural: str, namespace: str | None = None, name: str | None = None) -> str:
    """A path of the core group (v1); without a namespace, of all namespaces."""
    return _namespaced("/api/v1", plural, namespace, name)


def batch(plural: str, namespace: str | None = None, name: str | None = None) -> str:
    """A path of the group batch/v1."""
    return _namespaced("/apis/batch/v1", plural, namespace, name)


def cronjobs(namespace: str | None = None, name: str | None = None) -> str:
    """CronJobs."""
    return batch("cronjobs", namespace, name)


def jobs(namespace: str | None = None, name: str | None = None) -> str:
    """Jobs."""
    return batch("jobs", namespace, name)


def pods(namespace: str | None = None, name: str | None = None) -> str:
    """Pods."""
    return core("pods", namespace, name)


def events(namespace: str | None = None, name: str | None = None) -> str:
    """Events of the core group."""
    return core("events", namespace, name)


def secrets(namespace: str | None = None, name: str | None = None) -> str:
    """Secrets."""
    return core("secrets", namespace, name)


def configmaps(namespace: str | None = None, name: str | None = None) -> str:
    """ConfigMaps."""
    return core("configmaps", namespace, name)


def claims(namespace: str | None = None, name: str | None = None) -> str:
    """PersistentVolumeClaims."""
    return core("persistentvolumeclaims", namespace, name)


def namespaces(name: str | None = None) -> str:
    """Namespaces."""
    return core("namespaces", None, name)


def nodes(name: str | None = None) -> str:
    """Nodes."""
    return core("nodes", None, name)


def access_reviews() -> str:
    """SelfSubjectAccessReviews."""
    return "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


def leases(namespace: str, name: str | None = None) -> str:
    """Leases."""
    return _namespaced("/apis/coordination.k8s.io/v1", "leases", namespace, name)
