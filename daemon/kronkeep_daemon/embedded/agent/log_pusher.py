"""Pushes a container's output to the API server, in order, each byte once."""

import asyncio
import logging
from typing import Any

from kronkeep_common.errors import KronkeepError
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import NotFoundInCluster

log = logging.getLogger(__name__)
RETRY_SECONDS = 0.5
TRIES = 240  # two minutes without the API server; after that output is dropped and the drop is logged


class LogPush:
    """Called with whole lines; the offset makes a repeated push harmless."""

    def __init__(self, cluster: Cluster, pod: dict[str, Any], container: str) -> None:
        meta = pod["metadata"]
        self._cluster = cluster
        self._path = (
            f"/kronkeep.dev/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/containers/{container}/log"
        )
        self._uid = meta["uid"]
        self._offset: int | None = None
        self._refused = False

    async def __call__(self, lines: bytes, final: bool) -> None:
        """Pushes `lines`; returns once the server has them, or has refused logs for good."""
        for _ in range(TRIES):
            if self._refused:
                return
            try:
                await self._push(lines, final)
                return
            except NotFoundInCluster:
                self._refused = True  # a real control plane reads logs from the kubelet instead
            except KronkeepError as fault:
                log.debug("log of %s: %s", self._path, fault)
                await asyncio.sleep(RETRY_SECONDS)
        log.error("the log of %s lost %d bytes: the API server is away", self._path, len(lines))

    async def _push(self, lines: bytes, final: bool) -> None:
        if self._offset is None:
            self._offset = (await self._cluster.push_log(self._path, self._uid, 0, b"", False))["size"]
        answer = await self._cluster.push_log(self._path, self._uid, self._offset, lines, final)
        self._offset = max(int(answer["size"]), self._offset)
