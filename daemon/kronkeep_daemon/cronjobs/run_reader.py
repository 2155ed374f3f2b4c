"""Access to what one run left: its log, live or saved, its manifest and its Events."""

from collections.abc import AsyncIterator, Mapping
from functools import partial

from kronkeep_common.api import EventView
from kronkeep_common.clock import Clock
from kronkeep_common.errors import LogNotFound, ManifestNotFound
from kronkeep_common.models import CronJobExecution
from kronkeep_common.states import EXECUTION_TRANSITIONS, is_final
from kronkeep_common.text import clean
from kronkeep_daemon.cronjobs import run_artifacts, run_attempts, run_logs
from kronkeep_daemon.cronjobs.cluster_cache import ClusterCache
from kronkeep_daemon.cronjobs.job_to_run import job_uid
from kronkeep_daemon.cronjobs.run_attempts import AttemptNumbers, LogPart, part_of
from kronkeep_daemon.cronjobs.run_recorder import RunRecorder
from kronkeep_daemon.history import History
from kronkeep_daemon.history.removed_logs import describe_removal, refuse_removed
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.kube.container_attempts import AttemptPlace, container_ends, place_of_attempt
from kronkeep_daemon.kube.errors import InvalidObject, NotFoundInCluster
from kronkeep_daemon.kube.log_follower import LogFollower
from kronkeep_daemon.kube.objects import JsonObject, Pod

POLL_SECONDS = 0.5  # between two looks for the next container, while a log is followed
Events = list[EventView]


class _ReadParts:
    """What has been read of a run's log, and the attempt that is asked for, None for all."""

    def __init__(self, attempt: int | None) -> None:
        self.parts: set[LogPart] = set()
        self._attempt = attempt
        self._shown: LogPart | None = None
        self._ends_line = True

    def takes(self, part: LogPart, numbers: AttemptNumbers) -> bool:
        """Whether a part is asked for and is read for the first time; it counts as read from then on."""
        if part in self.parts or self._attempt not in (None, numbers.number_of(part)):
            return False
        self.parts.add(part)
        return True

    def show(self, part: LogPart, numbers: AttemptNumbers, chunk: bytes) -> bytes:
        """Return the bytes of a part, after a line of their own where another attempt begins."""
        heading = self._heading(part, numbers)
        if heading and not self._ends_line:
            heading = b"\n" + heading
        self._ends_line = chunk.endswith(b"\n")
        return heading + chunk

    def _heading(self, part: LogPart, numbers: AttemptNumbers) -> bytes:
        if part == self._shown:
            return b""
        before = self._shown
        self._shown = part
        number = numbers.number_of(part)
        if self._attempt is not None or numbers.count == 1:
            return b""
        if before is not None and numbers.number_of(before) == number:
            return b""
        return f"[kronkeep: attempt {number}, pod {part.pod}]\n".encode()


class RunReader:
    """The reader of the runs of all clusters."""

    def __init__(
        self, *, history: History, clusters: Clusters, recorders: Mapping[str, RunRecorder], clock: Clock
    ) -> None:
        self._history = history
        self._clusters = clusters
        self._recorders = recorders
        self._clock = clock

    def _recorder(self, run: CronJobExecution) -> RunRecorder:
        return self._recorders[self._clusters.of(run.cluster).id]

    async def manifest(self, run: CronJobExecution) -> JsonObject:
        """Return the run's Job as Kubernetes writes it; raises ManifestNotFound, LogRemoved."""
        manifest = await run_artifacts.read_manifest(self._recorder(run).cluster, self._history, run)
        if manifest is None:
            refuse_removed(run.logs, run.namespace, "The copy of the manifest, if there was one,")
            raise ManifestNotFound(f"The Job of run {clean(run.id, 120)} is deleted, and no copy is kept.")
        return manifest

    async def events(self, run: CronJobExecution) -> Events:
        """Return the Events about the run, oldest first; raises LogRemoved where their copy had to go."""
        events = await run_artifacts.read_events(self._recorder(run).cluster, self._history, run)
        if not events:
            refuse_removed(run.logs, run.namespace, "The copy of the Events, if there was one,")
        return events

    async def log(
        self, run: CronJobExecution, *, follow: bool, attempt: int | None = None
    ) -> AsyncIterator[bytes]:
        """Yield the log attempt by attempt, saved parts first.

        Raise LogNotFound where there is none, LogRemoved where all was removed for space.

        follow: go on until the run has ended.
        attempt: only the attempt of that number, see `run_attempts`.
        """
        reading = _ReadParts(attempt)
        self._refuse_removed(run, attempt)
        while True:
            latest = self._history.executions.get(run.id) or run
            ended = is_final(EXECUTION_TRANSITIONS, latest.status)
            async for chunk in self._new_parts(latest, reading, follow=follow and not ended):
                yield chunk
            if ended or not follow:
                break
            await self._clock.sleep(POLL_SECONDS)
        if not reading.parts:
            raise _no_log(run, attempt)

    async def _new_parts(
        self, run: CronJobExecution, reading: _ReadParts, *, follow: bool
    ) -> AsyncIterator[bytes]:
        """Yield the logs that have not been read, in the order in which they were written."""
        pods = self._pods_by_age(run)
        numbers = AttemptNumbers(run, pods)
        names = {pod.metadata.name for pod in pods}
        for part in run_attempts.saved_parts(run):
            is_removed = run_attempts.removal_of(run, part) is not None
            if not (is_removed and part.pod in names) and reading.takes(part, numbers):
                text = await self._read_saved_log(run, part)
                if text:
                    yield reading.show(part, numbers, text)
        for pod in pods:
            for part in run_attempts.live_parts(pod):
                if self._place_of(run, pod, part) is not AttemptPlace.GONE and reading.takes(part, numbers):
                    async for chunk in self._live_log(run, pod, part, follow=follow):
                        yield reading.show(part, numbers, chunk)

    def _refuse_removed(self, run: CronJobExecution, attempt: int | None) -> None:
        """Raise LogRemoved where all that was kept was removed, and the cluster has no pod either."""
        if not self._pods_by_age(run):
            numbers = AttemptNumbers(run, ())
            logs = [log for log in run.logs if attempt in (None, numbers.number_of(part_of(log)))]
            refuse_removed(logs, run.namespace)

    async def _read_saved_log(self, run: CronJobExecution, part: LogPart) -> bytes | None:
        removal = run_attempts.removal_of(run, part)
        if removal is not None:
            return f"[kronkeep: {describe_removal(removal, run.namespace)}]\n".encode()
        return await self._history.logs.read(run, run_logs.log_name(*part))

    def _pods_by_age(self, run: CronJobExecution) -> list[Pod]:
        pods = self._recorder(run).cache.pods_of(run.namespace, job_uid(run))
        return sorted(pods, key=lambda pod: pod.metadata.creation_timestamp or "")

    def _place_of(self, run: CronJobExecution, pod: Pod, part: LogPart) -> AttemptPlace:
        return _find_place(self._recorder(run).cache, job_uid(run), pod, part)

    def _end_of(self, run: CronJobExecution, pod: Pod, part: LogPart) -> str | None:
        """Return when an attempt ended, by the newest status of its pod."""
        latest = _newest_state(self._recorder(run).cache, job_uid(run), pod)
        entries = latest.container_statuses if latest is not None else ()
        ends = [end for entry in entries if entry.name == part.container for end in container_ends(entry)]
        return next((end.finished_at for _, end, attempt in ends if attempt == part.attempt), None)

    def _live_log(
        self, run: CronJobExecution, pod: Pod, part: LogPart, *, follow: bool
    ) -> AsyncIterator[bytes]:
        recorder = self._recorder(run)
        find_place = partial(self._place_of, run, pod, part)
        if not follow or part.container in pod.sidecars:
            return _current_log(recorder, pod, part, find_place())
        return LogFollower(
            cluster=recorder.cluster,
            pod=pod,
            container=part.container,
            find_place=find_place,
            find_end=partial(self._end_of, run, pod, part),
            clock=self._clock,
        ).lines()


async def _current_log(
    recorder: RunRecorder, pod: Pod, part: LogPart, place: AttemptPlace
) -> AsyncIterator[bytes]:
    """Yield the log of an attempt up to now; raises LogNotFound where its pod is deleted meanwhile."""
    meta = pod.metadata
    if place is AttemptPlace.GONE:
        return
    chunks = recorder.cluster.log_chunks(
        meta.namespace, meta.name, part.container, follow=False, previous=place is AttemptPlace.PREVIOUS
    )
    try:
        async for chunk in chunks:
            yield chunk
    except InvalidObject:  # the container has not started
        return
    except NotFoundInCluster as fault:
        raise LogNotFound(f"The pod {clean(meta.name, 253)} was deleted before its log was read.") from fault


def _find_place(cache: ClusterCache, uid: str, pod: Pod, part: LogPart) -> AttemptPlace:
    """Return where the log of an attempt is, by the newest status of its pod."""
    latest = _newest_state(cache, uid, pod)
    if latest is None or not cache.pod_exists(latest):
        return AttemptPlace.COMPLETE
    entries = (entry for entry in latest.container_statuses if entry.name == part.container)
    place = place_of_attempt(next(entries, None), part.attempt)
    if place is AttemptPlace.WRITTEN and latest.status.phase in ("Succeeded", "Failed"):
        return AttemptPlace.COMPLETE
    return place


def _newest_state(cache: ClusterCache, uid: str, pod: Pod) -> Pod | None:
    meta = pod.metadata
    return next((p for p in cache.pods_of(meta.namespace, uid) if p.metadata.uid == meta.uid), None)


def _no_log(run: CronJobExecution, attempt: int | None) -> LogNotFound:
    name = clean(run.id, 120)
    if attempt is None:
        return LogNotFound(f"No log of run {name} was saved, and it has no pod.")
    return LogNotFound(f"No log of attempt {attempt} of run {name} is kept.")
