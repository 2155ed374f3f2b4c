"""What is to be read of one run: its log, live or kept, its manifest, its Events."""

from collections.abc import AsyncIterator, Mapping

from kronkeep_common.api import EventView
from kronkeep_common.clock import Clock
from kronkeep_common.errors import LogNotFound, ManifestNotFound
from kronkeep_common.models import CronJobExecution, KeptLog
from kronkeep_common.states import EXECUTION_TRANSITIONS, is_final
from kronkeep_common.text import clean
from kronkeep_daemon.cronjobs import run_artifacts
from kronkeep_daemon.cronjobs.run_recorder import RunRecorder
from kronkeep_daemon.history import History
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.kube.errors import InvalidObject, NotFoundInCluster
from kronkeep_daemon.kube.log_follower import LogFollower
from kronkeep_daemon.kube.objects import JsonObject, Pod

LOOK_SECONDS = 0.5
Events = list[EventView]


class RunReader:
    """Reads of the runs of all clusters."""

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
        """The run's Job as Kubernetes writes it; raises ManifestNotFound."""
        found = await run_artifacts.read_manifest(self._recorder(run).cluster, self._history, run)
        if found is None:
            raise ManifestNotFound(f"The Job of run {clean(run.id, 120)} is gone and was not kept.")
        return found

    async def events(self, run: CronJobExecution) -> Events:
        """What Kubernetes said about the run, oldest first."""
        return await run_artifacts.read_events(self._recorder(run).cluster, self._history, run)

    async def log(self, run: CronJobExecution, *, follow: bool) -> AsyncIterator[bytes]:
        """The log pod by pod: as it was kept, else live; raises LogNotFound where there is none.

        With `follow` it goes on until the run has ended.
        """
        given: set[tuple[str, str]] = set()
        while True:
            now = self._history.executions.get(run.id) or run
            over = is_final(EXECUTION_TRANSITIONS, now.status)
            async for chunk in self._once(now, given, follow and not over):
                yield chunk
            if over or not follow:
                break
            await self._clock.sleep(LOOK_SECONDS)
        if not given:
            words = f"No log of run {clean(run.id, 120)} is kept, and no pod of it is there."
            raise LogNotFound(words)

    async def _once(
        self, run: CronJobExecution, given: set[tuple[str, str]], follow: bool
    ) -> AsyncIterator[bytes]:
        """What was not given before: of each container, in the order in which they ran."""
        for kept in run.logs:
            if (kept.pod, kept.container) not in given:
                given.add((kept.pod, kept.container))
                if (text := await self._kept(run, kept)) is not None:
                    yield text
        pods = self._recorder(run).cache.pods_of(RunRecorder.job_uid(run))
        for pod in sorted(pods, key=lambda pod: pod.metadata.creation_timestamp or ""):
            for container in _containers(pod):
                key = (pod.metadata.name, container)
                if key not in given:
                    given.add(key)
                    async for chunk in self._live(run, pod, container, follow):
                        yield chunk

    async def _kept(self, run: CronJobExecution, kept: KeptLog) -> bytes | None:
        return await self._history.logs.read(run.id, f"{kept.pod}.{kept.container}")

    def _live(self, run: CronJobExecution, pod: Pod, container: str, follow: bool) -> AsyncIterator[bytes]:
        recorder = self._recorder(run)
        if not follow:
            return self._now(recorder, pod, container)

        def over() -> bool:
            pods = {p.metadata.uid: p for p in recorder.cache.pods_of(RunRecorder.job_uid(run))}
            found = pods.get(pod.metadata.uid)
            return found is None or not recorder.cache.pod_exists(found) or _ended(found, container)

        return LogFollower(
            cluster=recorder.cluster, pod=pod, container=container, is_over=over, clock=self._clock
        ).lines()

    async def _now(self, recorder: RunRecorder, pod: Pod, container: str) -> AsyncIterator[bytes]:
        meta = pod.metadata
        try:
            async for chunk in recorder.cluster.log_chunks(
                meta.namespace, meta.name, container, follow=False
            ):
                yield chunk
        except InvalidObject:  # it has not started
            return
        except NotFoundInCluster as gone:
            raise LogNotFound(f"The pod {clean(meta.name, 253)} went before its log was read.") from gone


def _containers(pod: Pod) -> list[str]:
    return [c.name for c in (*(pod.spec.init_containers or ()), *(pod.spec.containers or ()))]


def _ended(pod: Pod, container: str) -> bool:
    if pod.status.phase in ("Succeeded", "Failed"):
        return True
    return any(
        entry.name == container and entry.state is not None and entry.state.terminated is not None
        for entry in pod.container_statuses
    )
