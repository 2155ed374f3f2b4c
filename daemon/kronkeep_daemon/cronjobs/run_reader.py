"""Access to what one run left: its log, live or saved, its manifest and its Events."""

from collections.abc import AsyncIterator, Mapping
from functools import partial

from kronkeep_common.api import EventView
from kronkeep_common.clock import Clock
from kronkeep_common.errors import LogNotFound, ManifestNotFound
from kronkeep_common.models import CronJobExecution
from kronkeep_common.states import EXECUTION_TRANSITIONS, is_final
from kronkeep_common.text import clean
from kronkeep_daemon.cronjobs import run_artifacts
from kronkeep_daemon.cronjobs.cluster_cache import ClusterCache
from kronkeep_daemon.cronjobs.job_to_run import job_uid
from kronkeep_daemon.cronjobs.run_recorder import RunRecorder
from kronkeep_daemon.history import History
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.kube.errors import InvalidObject, NotFoundInCluster
from kronkeep_daemon.kube.log_follower import LogFollower
from kronkeep_daemon.kube.objects import JsonObject, ObjectMeta, Pod

POLL_SECONDS = 0.5  # between two looks for the next container, while a log is followed
Events = list[EventView]
_ContainerKey = tuple[str, str]  # names of pod and container


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
        """Return the run's Job as Kubernetes writes it; raises ManifestNotFound."""
        manifest = await run_artifacts.read_manifest(self._recorder(run).cluster, self._history, run)
        if manifest is None:
            raise ManifestNotFound(f"The Job of run {clean(run.id, 120)} is deleted and was not saved.")
        return manifest

    async def events(self, run: CronJobExecution) -> Events:
        """Return the Events about the run, oldest first."""
        return await run_artifacts.read_events(self._recorder(run).cluster, self._history, run)

    async def log(self, run: CronJobExecution, *, follow: bool) -> AsyncIterator[bytes]:
        """Yield the log pod by pod, saved parts first; raises LogNotFound where there is none.

        follow: go on until the run has ended.
        """
        read: set[_ContainerKey] = set()
        while True:
            latest = self._history.executions.get(run.id) or run
            ended = is_final(EXECUTION_TRANSITIONS, latest.status)
            async for chunk in self._new_parts(latest, read, follow=follow and not ended):
                yield chunk
            if ended or not follow:
                break
            await self._clock.sleep(POLL_SECONDS)
        if not read:
            raise LogNotFound(f"No log of run {clean(run.id, 120)} was saved, and it has no pod.")

    async def _new_parts(
        self, run: CronJobExecution, read: set[_ContainerKey], *, follow: bool
    ) -> AsyncIterator[bytes]:
        """Yield the logs of the containers that are not in `read`, in the order in which they ran."""
        for saved in run.logs:
            if (saved.pod, saved.container) not in read:
                read.add((saved.pod, saved.container))
                text = await self._history.logs.read(run.id, f"{saved.pod}.{saved.container}")
                if text is not None:
                    yield text
        for pod in self._pods_by_age(run):
            for container in _container_names(pod):
                key = (pod.metadata.name, container)
                if key not in read:
                    read.add(key)
                    async for chunk in self._live_log(run, pod, container, follow=follow):
                        yield chunk

    def _pods_by_age(self, run: CronJobExecution) -> list[Pod]:
        pods = self._recorder(run).cache.pods_of(run.namespace, job_uid(run))
        return sorted(pods, key=lambda pod: pod.metadata.creation_timestamp or "")

    def _live_log(
        self, run: CronJobExecution, pod: Pod, container: str, *, follow: bool
    ) -> AsyncIterator[bytes]:
        recorder = self._recorder(run)
        if not follow:
            return _current_log(recorder, pod, container)
        return LogFollower(
            cluster=recorder.cluster,
            pod=pod,
            container=container,
            is_over=partial(_is_over, recorder.cache, job_uid(run), pod.metadata, container),
            clock=self._clock,
        ).lines()


async def _current_log(recorder: RunRecorder, pod: Pod, container: str) -> AsyncIterator[bytes]:
    """Yield a container's log up to now; raises LogNotFound where its pod is deleted meanwhile."""
    meta = pod.metadata
    try:
        async for chunk in recorder.cluster.log_chunks(meta.namespace, meta.name, container, follow=False):
            yield chunk
    except InvalidObject:  # the container has not started
        return
    except NotFoundInCluster as fault:
        raise LogNotFound(f"The pod {clean(meta.name, 253)} was deleted before its log was read.") from fault


def _container_names(pod: Pod) -> list[str]:
    return [c.name for c in (*(pod.spec.init_containers or ()), *(pod.spec.containers or ()))]


def _is_over(cache: ClusterCache, uid: str, meta: ObjectMeta, container: str) -> bool:
    """Whether a container of a Job's pod has ended or its pod is deleted."""
    pods = cache.pods_of(meta.namespace, uid)
    pod = next((pod for pod in pods if pod.metadata.uid == meta.uid), None)
    if pod is None or not cache.pod_exists(pod) or pod.status.phase in ("Succeeded", "Failed"):
        return True
    return any(
        entry.name == container and entry.state is not None and entry.state.terminated is not None
        for entry in pod.container_statuses
    )
