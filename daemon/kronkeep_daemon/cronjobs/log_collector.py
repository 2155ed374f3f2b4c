"""Copies of what Kubernetes deletes: containers' logs before their pods, Jobs' manifests and Events.

The log of an attempt that has ended is read to its end, also of one after which its container was started
again. That of a container whose pod is being deleted is followed until it ends, since nobody can ask for it
afterwards. A read that fails is tried again; after the last try what was read so far is saved.

A copier begins when something waits for it and ends when nothing does: of a hundred clusters 1,500 would wait
otherwise. Manifests and Events have a queue of their own, whose copiers begin once the first list of Jobs is
recorded: a first start on very many Jobs would otherwise ask for each before it knows them all, and logs,
which are gone with their pods, would wait for them.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import NamedTuple

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError, ReadOnlyHistory
from kronkeep_common.models import KeptLog
from kronkeep_daemon.cronjobs import run_artifacts, run_logs
from kronkeep_daemon.cronjobs.cluster_cache import BoundedDict
from kronkeep_daemon.cronjobs.fair_queue import FairQueue
from kronkeep_daemon.history import History
from kronkeep_daemon.history.kept_logs import CappedLog
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.container_attempts import LogSource, log_sources
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import Job, Pod
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
COPIERS = 12
COPIERS_PER_NAMESPACE = 4  # logs of pods that take long to end, or that do not answer, wait for each other
ARTIFACT_COPIERS = 3
QUEUE_LENGTH = 10_000  # of one namespace
MOST_QUEUED = 20_000  # of all
REMEMBERED = 50_000  # copies that were queued and are not queued again
FULL_DISK_PAUSE = 2.0  # seconds
TRIES = 5
FIRST_RETRY_SECONDS = 0.5
LONGEST_COPY = 120.0  # seconds; a pod's grace period is 30 by default
# What is kept of an attempt that is not a container's newest one.
EARLIER_HEAD_BYTES = 256 * 1024
EARLIER_TAIL_BYTES = 768 * 1024


class _LogCopy(NamedTuple):
    """The log of one attempt of a container, to be followed where that has not ended."""

    record_id: str
    namespace: str
    pod: str
    container: str
    source: LogSource

    @property
    def failed(self) -> bool:
        return self.source.end is None or self.source.end.exit_code != 0

    def __str__(self) -> str:
        again = f", attempt {self.source.attempt}" if self.source.attempt > 1 else ""
        return f"the log of {self.namespace}/{self.pod} {self.container}{again}"


class _ArtifactCopy(NamedTuple):
    """The manifest and the Events of one Job."""

    record_id: str
    namespace: str
    job: str

    def __str__(self) -> str:
        return f"the manifest and Events of {self.namespace}/{self.job}"


_Copy = _LogCopy | _ArtifactCopy
_CopyKey = tuple[str, str, int, bool]
"""The pod's uid or the record's id, container, attempt, and whether it was read as the one before."""


class LogCollector:
    """Copiers that work off two queues, of logs and of artifacts, each bounded and fair between namespaces.

    on_log_saved: called with the id of the run and each log that was saved.
    first_lists: set once what the cluster had at the start is recorded; artifacts are copied from then on.
    """

    def __init__(
        self,
        *,
        cluster: Cluster,
        history: History,
        on_log_saved: Callable[[str, KeptLog], Awaitable[None]],
        clock: Clock,
        first_lists: asyncio.Event,
    ) -> None:
        self._cluster = cluster
        self._history = history
        self.on_log_saved = on_log_saved
        self._clock = clock
        self._first_lists = first_lists
        self._logs = _new_queue()
        self._artifacts = _new_queue()
        self._queued: BoundedDict[_CopyKey, bool] = BoundedDict(REMEMBERED)
        self._supervisor: Supervisor | None = None

    def start(self, supervisor: Supervisor) -> None:
        """Start to copy, with tasks of the supervisor."""
        self._supervisor = supervisor
        for _ in range(COPIERS):
            self._start_copier(self._logs)
        name = f"artifacts of the start {self._cluster.name}"
        supervisor.start(name, self._start_artifact_copiers, death="quiet")

    async def _start_artifact_copiers(self) -> None:
        await self._first_lists.wait()
        for _ in range(ARTIFACT_COPIERS):
            self._start_copier(self._artifacts)

    def _start_copier(self, queue: FairQueue[_Copy]) -> None:
        """Start one more copier of a queue from which something can be taken, unless it has all of them."""
        is_early = queue is self._artifacts and not self._first_lists.is_set()
        if self._supervisor is None or is_early or not queue.is_ready:
            return
        kind, most = ("artifact", ARTIFACT_COPIERS) if queue is self._artifacts else ("log", COPIERS)
        names = (f"{kind} copier {self._cluster.name} {number}" for number in range(most))
        free = next((name for name in names if not self._supervisor.running(name)), None)
        if free is not None:
            self._supervisor.start(free, partial(self._work_off, queue), death="quiet")

    def collect_logs(self, record_id: str, pod: Pod) -> None:
        """Queue the attempts of a pod's containers that have ended, or run in a pod that is being deleted.

        An attempt that was copied while it was the newest is copied once more as the one before: a restart at
        that moment may have put the next one in its place.
        """
        meta = pod.metadata
        deleting = meta.deletion_timestamp is not None
        for entry in pod.container_statuses:
            for source in log_sources(entry):
                copy = _LogCopy(
                    record_id=record_id,
                    namespace=meta.namespace,
                    pod=meta.name,
                    container=entry.name,
                    source=source,
                )
                if (source.end is not None or deleting) and not self._is_saved(copy):
                    self._enqueue(self._logs, (meta.uid, entry.name, source.attempt, source.previous), copy)

    def collect_artifacts(self, record_id: str, job: Job) -> None:
        """Queue the manifest and the Events of a Job that has ended."""
        meta = job.metadata
        copy = _ArtifactCopy(record_id, meta.namespace, meta.name)
        self._enqueue(self._artifacts, (record_id, "", 0, False), copy)

    def _enqueue(self, queue: FairQueue[_Copy], key: _CopyKey, copy: _Copy) -> None:
        if key not in self._queued and queue.put(copy.namespace, copy):
            self._queued[key] = True
            self._start_copier(queue)

    def _is_saved(self, copy: _LogCopy) -> bool:
        run = self._history.executions.get(copy.record_id)
        attempt = (copy.pod, copy.container, copy.source.attempt)
        return (
            run is not None
            and not copy.source.previous
            and any((log.pod, log.container, log.attempt) == attempt for log in run.logs)
        )

    async def _work_off(self, queue: FairQueue[_Copy]) -> None:
        """Copy until nothing waits that may be copied now."""
        while (queued := queue.take()) is not None:
            namespace, copy = queued
            try:
                await self._copy(copy)
            except ReadOnlyHistory:
                if not queue.put(namespace, copy):
                    log.warning("%s could not be copied: the disk is full", copy)
                await self._clock.sleep(FULL_DISK_PAUSE)
            except KronkeepError as fault:
                log.warning("%s could not be copied: %s", copy, fault)
            finally:
                queue.done(namespace)

    async def _copy(self, copy: _Copy) -> None:
        if isinstance(copy, _LogCopy):
            await self._copy_log(copy)
        else:
            await self._copy_artifacts(copy)

    async def _copy_log(self, copy: _LogCopy) -> None:
        capped = await self._read_log(copy)
        run = self._history.executions.get(copy.record_id)
        if capped is None or run is None:
            return
        name = run_logs.log_name(copy.pod, copy.container, copy.source.attempt)
        saved = await self._history.logs.save(run, name, copy.pod, capped)
        kept = KeptLog(
            container=copy.container,
            pod=copy.pod,
            attempt=copy.source.attempt,
            bytes=saved.bytes,
            kept=saved.kept,
            truncated=saved.truncated,
            last_lines=run_logs.last_lines(capped.content()) if copy.failed else (),
        )
        await self.on_log_saved(copy.record_id, kept)

    async def _read_log(self, copy: _LogCopy) -> CappedLog | None:
        """Return the log, or the part that was read before the last try failed; None without any.

        An empty log of an attempt that has ended counts as read.
        """
        for number in range(1, TRIES + 1):
            capped = _new_log(copy)
            try:
                async with asyncio.timeout(LONGEST_COPY):
                    async for chunk in self._log_chunks(copy):
                        capped.add(chunk)
            except NotFoundInCluster:
                log.warning("%s is lost: its pod was deleted", copy)
                return None
            # Only a log of which nothing was read is tried again: a second read would begin at its start and
            # give every line twice.
            except (KronkeepError, TimeoutError) as fault:
                if number < TRIES and not capped.total:
                    await self._clock.sleep(FIRST_RETRY_SECONDS * 2 ** (number - 1))
                    continue
                log.warning("%s is incomplete: %s", copy, fault)
                return capped if capped.total else None
            return _check_log(copy, capped)
        return None

    def _log_chunks(self, copy: _LogCopy) -> AsyncIterator[bytes]:
        return self._cluster.log_chunks(
            copy.namespace,
            copy.pod,
            copy.container,
            follow=copy.source.end is None,
            previous=copy.source.previous,
        )

    async def _copy_artifacts(self, copy: _ArtifactCopy) -> None:
        run = self._history.executions.get(copy.record_id)
        if run is not None:
            await run_artifacts.save_artifacts(self._cluster, self._history, run)


def _new_queue() -> FairQueue[_Copy]:
    return FairQueue(longest=QUEUE_LENGTH, at_once=COPIERS_PER_NAMESPACE, most=MOST_QUEUED)


def _new_log(copy: _LogCopy) -> CappedLog:
    return CappedLog(EARLIER_HEAD_BYTES, EARLIER_TAIL_BYTES) if copy.source.previous else CappedLog()


def _check_log(copy: _LogCopy, capped: CappedLog) -> CappedLog | None:
    """Return the log where it is of the attempt that was asked for."""
    if not run_logs.is_of_attempt(capped.content(), copy.source.end):
        log.info("%s is lost or follows: a later attempt had taken its place", copy)
        return None
    return capped if capped.total or copy.source.end is not None else None
