"""Copies of what Kubernetes deletes: containers' logs before their pods, Jobs' manifests and Events.

The log of a container that has ended is read to its end. That of a container whose pod is being deleted is
followed until it ends, since nobody can ask for it afterwards. A read that fails is tried again; after the
last try what was read so far is saved.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import msgspec

from kronkeep_common.clock import Clock
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
QUEUE_LENGTH = 10_000
REMEMBERED = 100_000  # copies that were queued and are not queued again
FULL_DISK_PAUSE = 2.0  # seconds
TRIES = 5
FIRST_RETRY_SECONDS = 0.5
LONGEST_COPY = 120.0  # seconds; a pod's grace period is 30 by default
LAST_LINES = 5
LINE_LENGTH = 300
_LAST_LINE = " Its last line: "


class _LogCopy(NamedTuple):
    """The log of one container, to be followed where the container has not ended."""

    record_id: str
    namespace: str
    pod: str
    container: str
    follow: bool
    failed: bool

    def __str__(self) -> str:
        return f"the log of {self.namespace}/{self.pod} {self.container}"


class _ArtifactCopy(NamedTuple):
    """The manifest and the Events of one Job."""

    record_id: str
    namespace: str
    job: str

    def __str__(self) -> str:
        return f"the manifest and Events of {self.namespace}/{self.job}"


_Copy = _LogCopy | _ArtifactCopy


class LogCollector:
    """Several copiers that work off one bounded queue.

    on_log_saved: called with the id of the run and each log that was saved.
    """

    def __init__(
        self,
        *,
        cluster: Cluster,
        history: History,
        on_log_saved: Callable[[str, KeptLog], Awaitable[None]],
        clock: Clock,
    ) -> None:
        self._cluster = cluster
        self._history = history
        self._on_log_saved = on_log_saved
        self._clock = clock
        self._queue: asyncio.Queue[_Copy] = asyncio.Queue(QUEUE_LENGTH)
        self._queued: BoundedDict[tuple[str, str], bool] = BoundedDict(REMEMBERED)

    def start(self, supervisor: Supervisor) -> None:
        """Start the copiers as tasks of the supervisor."""
        for number in range(COPIERS):
            supervisor.start(f"log copier {self._cluster.name} {number}", self._copy_forever, death="restart")

    def collect_logs(self, record_id: str, pod: Pod) -> None:
        """Queue the containers of a pod that have ended, or run in a pod that is being deleted."""
        meta = pod.metadata
        deleting = meta.deletion_timestamp is not None
        for entry in pod.container_statuses:
            ended = entry.state is not None and entry.state.terminated is not None
            began = ended or (entry.state is not None and entry.state.waiting is None)
            if not (ended or (deleting and began)) or self._is_saved(record_id, meta.name, entry.name):
                continue
            copy = _LogCopy(
                record_id=record_id,
                namespace=meta.namespace,
                pod=meta.name,
                container=entry.name,
                follow=not ended,
                failed=not ended or _has_failed(entry),
            )
            self._enqueue((meta.uid, entry.name), copy)

    def collect_artifacts(self, record_id: str, job: Job) -> None:
        """Queue the manifest and the Events of a Job that has ended."""
        meta = job.metadata
        self._enqueue((record_id, ""), _ArtifactCopy(record_id, meta.namespace, meta.name))

    def _enqueue(self, key: tuple[str, str], copy: _Copy) -> None:
        if key not in self._queued and not self._queue.full():
            self._queued[key] = True
            self._queue.put_nowait(copy)

    def _is_saved(self, record_id: str, pod: str, container: str) -> bool:
        run = self._history.executions.get(record_id)
        return run is not None and any((log.pod, log.container) == (pod, container) for log in run.logs)

    async def _copy_forever(self) -> None:
        while True:
            copy = await self._queue.get()
            try:
                if isinstance(copy, _LogCopy):
                    await self._copy_log(copy)
                else:
                    await self._copy_artifacts(copy)
            except ReadOnlyHistory:
                self._requeue(copy)
                await self._clock.sleep(FULL_DISK_PAUSE)
            except KronkeepError as fault:
                log.warning("%s could not be copied: %s", copy, fault)

    def _requeue(self, copy: _Copy) -> None:
        """Queue a copy again for which the disk had no space."""
        if self._queue.full():
            log.warning("%s could not be copied: the disk is full", copy)
        else:
            self._queue.put_nowait(copy)

    async def _copy_log(self, copy: _LogCopy) -> None:
        capped = await self._read_log(copy)
        if capped is None:
            return
        saved = await self._history.logs.save(
            copy.record_id, f"{copy.pod}.{copy.container}", copy.pod, capped
        )
        kept = KeptLog(
            container=copy.container,
            pod=copy.pod,
            bytes=saved.bytes,
            kept=saved.kept,
            truncated=saved.truncated,
            last_lines=last_lines(capped.content()) if copy.failed else (),
        )
        await self._on_log_saved(copy.record_id, kept)

    async def _read_log(self, copy: _LogCopy) -> CappedLog | None:
        """Return the log, or the part that was read before the last try failed; None without any.

        An empty log of a container that has ended counts as read.
        """
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
                log.warning("%s is lost: its pod was deleted", copy)
                return None
            # Only a log of which nothing was read is tried again: a second read would begin at its start and
            # give every line twice.
            except (KronkeepError, TimeoutError) as fault:
                if attempt + 1 < TRIES and not capped.total:
                    await self._clock.sleep(FIRST_RETRY_SECONDS * 2**attempt)
                    continue
                log.warning("%s is incomplete: %s", copy, fault)
            return capped if capped.total or not copy.follow else None
        return None

    async def _copy_artifacts(self, copy: _ArtifactCopy) -> None:
        run = self._history.executions.get(copy.record_id)
        if run is not None:
            await run_artifacts.save_artifacts(self._cluster, self._history, run)


def _has_failed(entry: ContainerStatus) -> bool:
    terminated = entry.state.terminated if entry.state else None
    return terminated is not None and terminated.exit_code != 0


def last_lines(text: bytes) -> tuple[str, ...]:
    """Return the last lines of a log, without their timestamps."""
    tail = text[-(LAST_LINES + 1) * 4096 :].decode(errors="replace").rstrip("\n")
    lines = [line.partition(" ")[2] or line for line in tail.split("\n")[-LAST_LINES:]]
    return tuple(clean_lines("\n".join(lines), LINE_LENGTH)) if tail else ()


def with_log(run: CronJobExecution, saved: KeptLog) -> CronJobExecution:
    """Return the run with a log that was saved, see `with_last_line`."""
    others = tuple(log for log in run.logs if (log.pod, log.container) != (saved.pod, saved.container))
    return with_last_line(msgspec.structs.replace(run, logs=(*others, saved)))


def with_last_line(run: CronJobExecution) -> CronJobExecution:
    """Return the run whose message about an exit code has the last line of the container's newest log.

    The log may be saved before the end is recorded or after it; both writers of the record call this.
    """
    message = run.message or ""
    if run.reason != Reason.EXIT_CODE or _LAST_LINE in message:
        return run
    for saved in reversed(run.logs):
        if saved.last_lines and message.startswith(f"Container {saved.container} ended with exit code "):
            return msgspec.structs.replace(run, message=f"{message}{_LAST_LINE}{saved.last_lines[-1]}")
    return run
