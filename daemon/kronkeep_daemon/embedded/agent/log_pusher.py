"""Container logs of a node of an embedded API server: pushed to it, in order, each byte once.

kube-apiserver fetches logs from the node instead, see `log_server`.
"""

import asyncio
import logging

from kronkeep_common.errors import KronkeepError
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject

log = logging.getLogger(__name__)
RETRY_SECONDS = 0.5
TRIES = 240  # two minutes without the API server; after that output is dropped and the drop is logged


class LogPusher:
    """The log of one instance of a container, pushed with offsets that make a repeated request harmless.

    `instance` is how often the container was restarted before.
    """

    def __init__(self, cluster: Cluster, pod: JsonObject, *, container: str, instance: int) -> None:
        meta = pod["metadata"]
        self._cluster = cluster
        self._path = (
            f"/kronkeep.dev/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/containers/{container}/log"
        )
        self._uid = meta["uid"]
        self._instance = instance
        self._offset = 0
        self._refused = False

    async def write(self, lines: bytes, *, final: bool) -> None:
        """Push whole lines.

        Returns once the server has them, or has refused logs for good, or was away for two minutes.
        """
        for _ in range(TRIES):
            if self._refused:
                return
            try:
                await self._push(lines, final)
                return
            except NotFoundInCluster:
                self._refused = True  # a real control plane, or the pod has been deleted
            except KronkeepError as fault:
                log.debug("log of %s: %s", self._path, fault)
                await asyncio.sleep(RETRY_SECONDS)
        log.error("the log of %s lost %d bytes: the API server cannot be reached", self._path, len(lines))

    async def _push(self, lines: bytes, final: bool) -> None:
        params = {"uid": self._uid, "instance": str(self._instance), "offset": str(self._offset)}
        answer = await self._cluster.push_log(self._path, params | {"final": str(int(final))}, lines)
        self._offset = max(int(answer["size"]), self._offset)
