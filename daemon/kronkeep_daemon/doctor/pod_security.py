"""The check whether Pod Security admits kronkeep's Jobs to the namespaces where they run."""

from collections.abc import AsyncIterator, Iterable

from kronkeep_common.api import Check
from kronkeep_common.errors import KronkeepError
from kronkeep_common.text import clean
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster

MOST_NAMESPACES = 50
ENFORCED = "pod-security.kubernetes.io/enforce"  # Kubernetes: Pod Security Admission labels for namespaces


async def check_pod_security(
    cluster: Cluster, namespaces: Iterable[str], run_as_user: int | None
) -> AsyncIterator[Check]:
    """Yield a warning for each namespace that refuses pods which run as root, while Jobs do.

    Nothing is said of a namespace that cannot be read.
    """
    if run_as_user:
        return
    for namespace in sorted(set(namespaces))[:MOST_NAMESPACES]:
        try:
            body = await cluster.get(paths.namespaces(namespace))
        except KronkeepError:
            continue
        if ((body.get("metadata") or {}).get("labels") or {}).get(ENFORCED) == "restricted":
            yield Check(
                name=f"cluster {clean(cluster.name, 80)} namespace {clean(namespace, 63)} pods",
                status="warn",
                message="It enforces the Pod Security level restricted, and kronkeep's Jobs run as root.",
                next_step="Set archive.run_as_user, such as 65534; docs/configuration.md has more.",
            )
