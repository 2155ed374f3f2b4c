"""Creation of an object where the response may get lost: then the cluster is asked whether it exists."""

from typing import Any

from kronkeep_common.errors import ClusterUnreachable, KronkeepError, Unavailable
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.objects import JsonObject


async def create(cluster: Cluster, path: str, body: JsonObject, *, strict: bool = False) -> JsonObject:
    """POST `body`, which has a name, to the collection `path`; raises what Cluster.create raises.

    Where no response arrives, or a 5xx as when etcd times out, the object may have been created all the same.
    An existing one that has every field of `body` counts as created; otherwise the first error is raised.
    """
    try:
        return await cluster.create(path, body, strict=strict)
    except (ClusterUnreachable, Unavailable) as lost:
        existing = await _fetch_existing(cluster, paths.object_path(path, body["metadata"]["name"]), lost)
        if not includes(existing, body):
            raise
        return existing


async def _fetch_existing(cluster: Cluster, path: str, lost: ClusterUnreachable | Unavailable) -> JsonObject:
    try:
        return await cluster.get(path)
    except KronkeepError as fault:
        raise lost from fault


def includes(existing: Any, sent: Any) -> bool:
    """Whether `found` has every field of `sent`; fields that the server added do not matter."""
    if isinstance(sent, dict) and isinstance(existing, dict):
        return all(key in existing and includes(existing[key], value) for key, value in sent.items())
    if isinstance(sent, list) and isinstance(existing, list):
        return len(existing) == len(sent) and all(map(includes, existing, sent))
    return bool(existing == sent)
