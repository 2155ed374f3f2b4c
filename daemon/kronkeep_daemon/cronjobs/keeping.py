"""Copies a pod's logs when its containers have ended, before the pod can go."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from kronkeep_common.errors import KronkeepError, ReadOnlyHistory
from kronkeep_common.models import KeptLog
from kronkeep_daemon.history import History
from kronkeep_daemon.history.logs import Capped
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
Object = dict[str, Any]
COPIERS = 8
QUEUE = 10_000
FULL_DISK_PAUSE = 2.0


class LogKeeper:
    """A few copiers over one bounded queue; `kept` is told of each log that was copied."""

    def __init__(
        self, cluster: Cluster, history: History, kept: Callable[[str, KeptLog], Awaitable[None]]
    ) -> None:
        self._cluster = cluster
        self._history = history
        self._kept = kept
        self._queue: asyncio.Queue[tuple[str, str, str, str]] = asyncio.Queue(QUEUE)
        self._known: set[tuple[str, str]] = set()

    def start(self, supervisor: Supervisor) -> None:
        """Starts the copiers."""
        for number in range(COPIERS):
            supervisor.start(f"log copier {self._cluster.name} {number}", self._copy_forever, death="restart")

    def look(self, uid: str, pod: Object) -> None:
        """Queues the containers of `pod` that have ended; `uid` is the record they belong to."""
        meta, status = pod["metadata"], pod.get("status") or {}
        if meta.get("deleted"):
            self._known = {key for key in self._known if key[0] != meta["uid"]}
            return
        for entry in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
            key = (meta["uid"], entry["name"])
            if (
                "terminated" in (entry.get("state") or {})
                and key not in self._known
                and not self._queue.full()
            ):
                self._known.add(key)
                if not self._has(uid, meta["name"], entry["name"]):
                    self._queue.put_nowait((uid, meta["namespace"], meta["name"], entry["name"]))

    def _has(self, uid: str, pod: str, container: str) -> bool:
        record = self._history.executions.get(uid)
        return record is not None and any((k.pod, k.container) == (pod, container) for k in record.logs)

    async def _copy_forever(self) -> None:
        while True:
            uid, namespace, pod, container = await self._queue.get()
            try:
                await self._copy(uid, namespace, pod, container)
            except ReadOnlyHistory:
                self._again(uid, namespace, pod, container)
                await asyncio.sleep(FULL_DISK_PAUSE)
            except KronkeepError as fault:
                log.warning("the log of %s/%s %s is lost: %s", namespace, pod, container, fault)

    def _again(self, uid: str, namespace: str, pod: str, container: str) -> None:
        """Queues a log once more that the disk had no room for."""
        if self._queue.full():
            log.warning("the log of %s/%s %s is lost: the disk is full", namespace, pod, container)
        else:
            self._queue.put_nowait((uid, namespace, pod, container))

    async def _copy(self, uid: str, namespace: str, pod: str, container: str) -> None:
        capped = Capped()
        async for chunk in self._cluster.log_chunks(namespace, pod, container, follow=False):
            capped.add(chunk)
        kept = await self._history.logs.save(uid, f"{pod}.{container}", pod, capped)
        await self._kept(
            uid,
            KeptLog(container=container, pod=pod, bytes=kept.bytes, kept=kept.kept, truncated=kept.truncated),
        )
