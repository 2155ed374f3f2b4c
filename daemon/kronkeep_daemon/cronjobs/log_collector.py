"""Copies what Kubernetes forgets: a container's log before its pod can go, a Job's manifest and Events.

A container that has ended is read to its end. One whose pod is being deleted is followed until it ends, since
nobody can ask for its log afterwards. A copy that fails is tried again; what was read of it is kept at last.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import msgspec

from kronkeep_common.clock import Clock, SystemClock
from kronkeep_common.errors import KronkeepError, ReadOnlyHistory
from kronkeep_common.models import CronJobExecution, KeptLog
from kronkeep_common.reasons import Reason
from kronkeep_common.text import clean_lines
from kronkeep_daemon.cronjobs import run_artifacts
from kronkeep_daemon.cronjobs.cluster_cache import BoundedDict
from kronkeep_daemon.history import History
from kronkeep_daemon.history.kept_logs import CappedLog
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import ContainerStatus, Job, Pod
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
COPIERS = 8
QUEUE = 10_000
KNOWN = 100_000
FULL_DISK_PAUSE = 2.0
TRIES = 5
LONGEST_COPY = 120.0  # seconds; a pod's grace period is 30
LAST_LINES = 5
LINE_LENGTH = 300


class _Copy(NamedTuple):
    """One log to copy, or with no container the manifest and Events of a Job."""

    record_id: str
    namespace: str
    pod: str
    container: str
    follow: bool = False
    failed: bool = False


class LogCollector:
    """A few copiers over one bounded queue; `kept` is told of each log that was copied."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        history: History,
        kept: Callable[[str, KeptLog], Awaitable[None]],
        clock: Clock | None = None,
    ) -> None:
        self._cluster = cluster
        self._history = history
        self._kept = kept
        self._clock = clock or SystemClock()
        self._queue: asyncio.Queue[_Copy] = asyncio.Queue(QUEUE)
        self._known: BoundedDict[tuple[str, str], bool] = BoundedDict(KNOWN)

    def start(self, supervisor: Supervisor) -> None:
        """Starts the copiers."""
        for number in range(COPIERS):
            supervisor.start(f"log copier {self._cluster.name} {number}", self._copy_forever, death="restart")

    def collect_logs(self, record_id: str, pod: Pod) -> None:
        """Queues the containers of `pod` that have ended or are about to go."""
        meta = pod.metadata
        going = pod.metadata.deletion_timestamp is not None
        for entry in pod.container_statuses:
            ended = entry.state is not None and entry.state.terminated is not None
            began = ended or (entry.state is not None and entry.state.waiting is None)
            if (ended or (going and began)) and not self._has(record_id, meta.name, entry.name):
                failed = not ended or _failed(entry)
                copy = _Copy(
                    record_id=record_id,
                    namespace=meta.namespace,
                    pod=meta.name,
                    container=entry.name,
                    follow=not ended,
                    failed=failed,
                )
                self._want((meta.uid, entry.name), copy)

    def collect_artifacts(self, record_id: str, job: Job) -> None:
        """Queues the manifest and Events of a Job whose end is recorded."""
        meta = job.metadata
        self._want(
            (record_id, ""), _Copy(record_id=record_id, namespace=meta.namespace, pod=meta.name, container="")
        )

    def _want(self, key: tuple[str, str], copy: _Copy) -> None:
        if key not in self._known and not self._queue.full():
            self._known[key] = True
            self._queue.put_nowait(copy)

    def _has(self, record_id: str, pod: str, container: str) -> bool:
        record = self._history.executions.get(record_id)
        return record is not None and any((k.pod, k.container) == (pod, container) for k in record.logs)

    async def _copy_forever(self) -> None:
        while True:
            copy = await self._queue.get()
            try:
                await (self._copy(copy) if copy.container else self._papers(copy))
            except ReadOnlyHistory:
                self._again(copy, "the disk is full")
                await self._clock.sleep(FULL_DISK_PAUSE)
            except KronkeepError as fault:
                log.warning("what %s/%s leaves is lost: %s", copy.namespace, copy.pod, fault)

    def _again(self, copy: _Copy, why: str) -> None:
        """Queues a copy once more that the disk had no room for."""
        if self._queue.full():
            log.warning("the log of %s/%s %s is lost: %s", copy.namespace, copy.pod, copy.container, why)
        else:
            self._queue.put_nowait(copy)

    async def _copy(self, copy: _Copy) -> None:
        capped = await self._read(copy)
        if capped is None:
            return
        kept = await self._history.logs.save(copy.record_id, f"{copy.pod}.{copy.container}", copy.pod, capped)
        last = last_lines(capped.content()) if copy.failed else ()
        found = KeptLog(
            container=copy.container,
            pod=copy.pod,
            bytes=kept.bytes,
            kept=kept.kept,
            truncated=kept.truncated,
            last_lines=last,
        )
        await self._kept(copy.record_id, found)

    async def _read(self, copy: _Copy) -> CappedLog | None:
        """The log; of one that breaks off for good, what was read. None when the pod has gone unread."""
        for attempt in range(TRIES):
            capped = CappedLog()
            try:
                async with asyncio.timeout(LONGEST_COPY):
                    chunks = self._cluster.log_chunks(
                        copy.namespace, copy.pod, copy.container, follow=copy.follow
                    )
                    async for chunk in chunks:
                        capped.add(chunk)
            except NotFoundInCluster:
                log.warning(
                    "the log of %s/%s %s is lost: its pod went", copy.namespace, copy.pod, copy.container
                )
                return None
            except (KronkeepError, TimeoutError) as fault:
                if attempt + 1 < TRIES and not capped.total:
                    await self._clock.sleep(0.5 * 2**attempt)
                    continue
                log.warning("the log of %s/%s breaks off: %s", copy.namespace, copy.pod, fault)
            return capped if capped.total or copy.follow is False else None
        return None

    async def _papers(self, copy: _Copy) -> None:
        record = self._history.executions.get(copy.record_id)
        if record is not None:
            await run_artifacts.save_artifacts(self._cluster, self._history, record)


def _failed(entry: ContainerStatus) -> bool:
    end = entry.state.terminated if entry.state else None
    return end is not None and end.exit_code != 0


def last_lines(text: bytes) -> tuple[str, ...]:
    """The last lines of a log, without their timestamps."""
    tail = text[-(LAST_LINES + 1) * 4096 :].decode(errors="replace").rstrip("\n")
    lines = [line.partition(" ")[2] or line for line in tail.split("\n")[-LAST_LINES:]]
    return tuple(clean_lines("\n".join(lines), LINE_LENGTH)) if tail else ()


def with_log(record: CronJobExecution, kept: KeptLog) -> CronJobExecution:
    """The record with a log that was copied; an exit code is told with the last thing that was said."""
    others = tuple(log for log in record.logs if (log.pod, log.container) != (kept.pod, kept.container))
    message = record.message
    said = kept.last_lines[-1:]
    named = message is not None and message.startswith(f"Container {kept.container} ended with exit code ")
    if (
        said
        and said[0]
        and record.reason == Reason.EXIT_CODE
        and named
        and " Its last line: " not in (message or "")
    ):
        message = f"{message} Its last line: {said[0]}"
    return msgspec.structs.replace(record, logs=(*others, kept), message=message)
