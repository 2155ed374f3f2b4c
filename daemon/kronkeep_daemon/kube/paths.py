"""Paths of the Kubernetes API, so that no other file spells one out."""


def _namespaced(base: str, plural: str, namespace: str | None, name: str | None) -> str:
    scope = f"{base}/namespaces/{namespace}/{plural}" if namespace else f"{base}/{plural}"
    return f"{scope}/{name}" if name else scope


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
