"""The logs of a Job's containers: every line read once, in the order in which the containers run."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from functools import partial
from typing import NamedTuple

from kronkeep_common.clock import Clock
from kronkeep_common.errors import ClusterUnreachable, KronkeepError
from kronkeep_daemon.history.kept_logs import HEAD_BYTES, TAIL_BYTES, CappedLog
from kronkeep_daemon.jobs import pods
from kronkeep_daemon.jobs.outcome import ContainerLog, StepLog
from kronkeep_daemon.jobs.step_chain import ChainReader, is_chain
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.container_attempts import AttemptPlace
from kronkeep_daemon.kube.log_follower import LogFollower
from kronkeep_daemon.kube.objects import Pod

OnLine = Callable[[str, bytes], None]
"""Takes the name of a container and a line of its log, without its time and line feed."""

LONGEST_LINE = 8 * 1024 * 1024  # bytes; `restic snapshots --json` answers with one line
SILENT_SECONDS = 10.0  # a container that has ended and whose log gives nothing for so long is read again
ATTEMPTS = 3


class LogLimit(NamedTuple):
    """How many bytes are kept of a container's log: its first and its last ones."""

    head_bytes: int
    tail_bytes: int


LONG_LOG = LogLimit(HEAD_BYTES, TAIL_BYTES)
SHORT_LOG = LogLimit(64 * 1024, 64 * 1024)  # for callers that take each line as it comes


class _Reading:
    """The log of one container of one pod, as far as it is read, in the parts that its steps have printed."""

    def __init__(self, container: str, limit: LogLimit) -> None:
        self._container = container
        self._limit = limit
        self._chain = ChainReader() if is_chain(container) else None
        self._kept: dict[str, CappedLog] = {}
        self._blank: tuple[str, bytes] | None = None  # the script prints one before the line after a step
        self.fault: KronkeepError | None = None
        self.is_done = False

    def add(self, line: bytes) -> list[tuple[str, bytes]]:
        """Keep a line with its time; return the lines that are known for output now, and whose they are."""
        if self._chain is None:
            return [self._keep(self._container, line)]
        blank = self._blank
        self._blank = None
        whose = self._chain.read(without_time(line))
        if whose is None:
            return []
        lines = [self._keep(*blank)] if blank is not None else []
        if not without_time(line):
            self._blank = (whose, line)
            return lines
        return [*lines, self._keep(whose, line)]

    def _keep(self, whose: str, line: bytes) -> tuple[str, bytes]:
        if whose not in self._kept:
            self._kept[whose] = CappedLog(self._limit.head_bytes, self._limit.tail_bytes)
        self._kept[whose].add(line)
        return whose, line

    def result(self) -> ContainerLog:
        """Return what is kept; a line at its end says why it is not whole."""
        note = f"[kronkeep: this log could not be read: {self.fault}]\n" if self.fault is not None else ""
        return ContainerLog(
            text=self._content(self._container) + note.encode(), fault=self.fault, steps=self._steps(note)
        )

    def _steps(self, note: str) -> tuple[StepLog, ...]:
        if self._chain is None:
            return ()
        ended = self._chain.exit_codes
        return tuple(
            StepLog(name, ended.get(name), self._content(name) + (b"" if name in ended else note.encode()))
            for name in self._chain.steps
        )

    def _content(self, whose: str) -> bytes:
        kept = self._kept.get(whose)
        return kept.content() if kept is not None else b""


class JobLogs:
    """The logs of one Job's containers, as far as they are read.

    on_line: is given every line as it comes; what it raises ends the reading.
    limit: how much of each log is kept.
    on_failure: is called once when the reading has failed; `require_success` then raises why.
    """

    def __init__(
        self,
        *,
        cluster: Cluster,
        clock: Clock,
        on_line: OnLine | None,
        limit: LogLimit,
        on_failure: Callable[[], None],
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._on_line = on_line
        self._limit = limit
        self._on_failure = on_failure
        self._readings: dict[tuple[str, str], _Reading] = {}
        self._pod: Pod | None = None
        self._job_has_ended = False
        self._changed = asyncio.Event()
        self._deadline: asyncio.Timeout | None = None
        self._current: tuple[str, str] = ("", "")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to follow the logs beside the Job."""
        self._task = asyncio.create_task(self._read_all(), name="logs of a Job")
        self._task.add_done_callback(self._note_failure)

    def _note_failure(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._on_failure()

    def require_success(self) -> None:
        """Raise what `on_line` or the cluster raised, if anything did."""
        if self._task is not None and self._task.done():
            self._task.result()

    def update(self, pod: Pod | None, *, job_has_ended: bool = False) -> None:
        """Take the newest state of the Job's pod."""
        self._pod = pod
        self._job_has_ended = job_has_ended
        self._changed.set()
        if self._deadline is not None and self._is_over(self._current):
            self._set_deadline()

    async def finish(self, pod: Pod | None) -> dict[str, ContainerLog]:
        """Read what is left of a Job that has ended; return the logs of the pod's containers by name."""
        self.update(pod, job_has_ended=True)
        if self._task is None:
            self.start()
        assert self._task is not None
        await self._task
        if pod is None:
            return {}
        uid = pod.metadata.uid
        return {name: reading.result() for (owner, name), reading in self._readings.items() if owner == uid}

    async def close(self) -> None:
        """Stop reading; what was not read is lost."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _read_all(self) -> None:
        """Read one container after the other, until the Job has ended and none is left."""
        while True:
            self._changed.clear()
            unread = self._next_unread()
            if unread is not None:
                await self._read(*unread)
            elif self._job_has_ended:
                return
            else:
                await self._changed.wait()

    def _next_unread(self) -> tuple[Pod, str] | None:
        for status in pods.containers_with_logs(self._pod):
            assert self._pod is not None
            reading = self._readings.get((self._pod.metadata.uid, status.name))
            if reading is None or not reading.is_done:
                return self._pod, status.name
        return None

    async def _read(self, pod: Pod, container: str) -> None:
        """Read one container to its end.

        A connection that was cut without a word (a node that is gone, a load balancer's idle limit) gives
        nothing for ever. So once the container has ended, silence ends the connection, and the next one goes
        on after the last line.
        """
        key = (pod.metadata.uid, container)
        reading = self._readings.setdefault(key, _Reading(container, self._limit))
        follower = LogFollower(
            cluster=self._cluster,
            pod=pod,
            container=container,
            find_place=partial(self._find_place, key),
            clock=self._clock,
            longest_line=LONGEST_LINE,
        )
        reading.fault = ClusterUnreachable(f"The log of the container {container} stopped in the middle.")
        for _ in range(ATTEMPTS):
            try:
                reading.fault = await self._take_lines(follower, key, reading)
            except TimeoutError:
                continue
            break
        reading.is_done = True

    async def _take_lines(
        self, follower: LogFollower, key: tuple[str, str], reading: _Reading
    ) -> KronkeepError | None:
        """Return why lines are missing; raise TimeoutError after silence, and what `on_line` raises."""
        self._current = key
        try:
            async with asyncio.timeout(None) as self._deadline, aclosing(follower.lines()) as lines:
                if self._is_over(key):
                    self._set_deadline()
                while True:
                    try:
                        line = await anext(lines)
                    except StopAsyncIteration:
                        return follower.refusal
                    except KronkeepError as fault:
                        return fault
                    if self._has_ended(key):
                        self._set_deadline()
                    for whose, output_line in reading.add(line):
                        if self._on_line is not None:
                            self._on_line(whose, without_time(output_line))
        finally:
            self._deadline = None

    def _set_deadline(self) -> None:
        """Let the connection end after some silence from now on; once a second is enough."""
        assert self._deadline is not None
        now = asyncio.get_running_loop().time()
        planned = self._deadline.when()
        if planned is None or planned < now + SILENT_SECONDS - 1:
            self._deadline.reschedule(now + SILENT_SECONDS)

    def _find_place(self, key: tuple[str, str]) -> AttemptPlace:
        return AttemptPlace.COMPLETE if self._is_over(key) else AttemptPlace.WRITTEN

    def _is_over(self, key: tuple[str, str]) -> bool:
        """Whether nothing more will be written: the container or its Job has ended, or the pod is gone."""
        return self._job_has_ended or self._pod_is_gone(key) or self._has_ended(key)

    def _pod_is_gone(self, key: tuple[str, str]) -> bool:
        return self._pod is None or self._pod.metadata.uid != key[0]

    def _has_ended(self, key: tuple[str, str]) -> bool:
        """Whether the container itself has ended, so that its log has an end that is waited for."""
        if self._pod_is_gone(key):
            return False
        status = pods.container_status(self._pod, key[1])
        return status is not None and pods.has_ended(status)


def without_time(line: bytes) -> bytes:
    """Return a line without the RFC 3339 time before it and the line feed after it."""
    return line.partition(b" ")[2].removesuffix(b"\n")


def container_chunks(cluster: Cluster, pod: Pod, container: str) -> AsyncIterator[bytes]:
    """Yield the log of a container that has started, to its end, with the time before each line."""
    status = pods.container_status(pod, container)
    follow = status is None or not pods.has_ended(status)
    return cluster.log_chunks(pod.metadata.namespace, pod.metadata.name, container, follow=follow)
