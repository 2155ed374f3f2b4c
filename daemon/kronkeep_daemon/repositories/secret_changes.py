"""Changes of the data of a Secret or ConfigMap that do not undo those that others make at the same time."""

from collections.abc import Callable

from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import ConflictInCluster

EncodedData = dict[str, str]
MOST_TRIES = 20


async def change_data(cluster: Cluster, path: str, change: Callable[[EncodedData], EncodedData]) -> None:
    """Replace an object's data, again where somebody else has changed it since it was read.

    change: takes the data by key, of a Secret in base64, and returns what it is to be.

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
