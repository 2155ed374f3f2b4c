"""Changes of a Secret's data that do not undo those that others make at the same time."""

from collections.abc import Callable

from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import ConflictInCluster

EncodedData = dict[str, str]
MOST_TRIES = 20


async def change_secret(cluster: Cluster, path: str, change: Callable[[EncodedData], EncodedData]) -> None:
    """Replace a Secret's data, again where somebody else has changed it since it was read.

    change: takes the data, base64 by key, and returns what it is to be.

    Raises NotFoundInCluster, and ConflictInCluster where it changes all the time.
    """
    for number in range(MOST_TRIES):
        secret = await cluster.get(path)
        before = secret.get("data") or {}
        after = change(before)
        if after == before:
            return
        try:
            await cluster.replace(path, secret | {"data": after})
        except ConflictInCluster:
            if number == MOST_TRIES - 1:
                raise
        else:
            return
