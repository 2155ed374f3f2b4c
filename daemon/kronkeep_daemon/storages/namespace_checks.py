"""Whether the namespaces that a storage serves exist, so far as kronkeepd may look."""

from collections.abc import Iterable

from kronkeep_common.errors import KronkeepError
from kronkeep_common.models.storage import EVERY_NAMESPACE
from kronkeep_common.text import clean
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import NotFoundInCluster

MOST_NAMESPACES = 20  # that are looked at


async def find_warnings(clusters: Iterable[Cluster], namespaces: Iterable[str]) -> tuple[str, ...]:
    """Return a sentence about each namespace that no cluster has; none where one of them cannot tell."""
    known = list(clusters)
    names = sorted(set(namespaces) - {EVERY_NAMESPACE})[:MOST_NAMESPACES]
    missing = [name for name in names if await _is_nowhere(known, name)]
    return tuple(
        f"There is no namespace {clean(name, 63)} in any cluster that is watched: nobody there can use the "
        "storage until it is made."
        for name in missing
    )


async def _is_nowhere(clusters: list[Cluster], name: str) -> bool:
    for cluster in clusters:
        try:
            await cluster.get(paths.namespaces(name))
        except NotFoundInCluster:
            continue
        except KronkeepError:
            return False
        return False
    return bool(clusters)
