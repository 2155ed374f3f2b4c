"""The runner of kronkeep's own Jobs: created once, followed to their end, their logs read.

A Job has a name that its caller can say again, and a token that only this daemon can compute. So a daemon
that was killed finds the Job of its earlier life and follows that one to its end, not creating a second.
A Job of that name that somebody else created is refused.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from typing import NamedTuple

from kronkeep_common.clock import Clock
from kronkeep_common.errors import JobNotStarted, KronkeepError, NameTaken
from kronkeep_common.reasons import Reason
from kronkeep_daemon.cronjobs.run_recorder import RunRecorder
from kronkeep_daemon.jobs import logs, outcome, pods
from kronkeep_daemon.jobs.job_updates import CachedJobs, JobState, JobUpdates, follow_job
from kronkeep_daemon.jobs.logs import LONG_LOG, JobLogs, LogLimit, OnLine
from kronkeep_daemon.jobs.outcome import ContainerLog, FinishedJob
from kronkeep_daemon.jobs.owned_objects import OwnedObjects, TokenSource
from kronkeep_daemon.jobs.pods import RuntimeLimit
from kronkeep_daemon.jobs.start_watch import OnWaiting, StartWatch
from kronkeep_daemon.kube import objects, paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import Condition, Job, JsonObject, Pod
from kronkeep_daemon.settings import Settings

OnPod = Callable[[Pod], Awaitable[None]]
"""Takes each state of a Job's pod."""

SIDECAR_SECONDS = 20.0  # for Kubernetes to end a Job whose own containers have ended
GONE_SECONDS = 45.0  # for the pods of a deleted Job to go: after 30 s they are killed
ABANDONED_SECONDS = 0.5  # between two questions whether the caller still waits


class JobLimits(NamedTuple):
    """How long a Job is waited for; None is without end.

    last_container_seconds: how long its last container may run; then the Job is deleted.
    unreachable_seconds: how long its cluster may be away before ClusterUnreachable is raised.
    """

    last_container_seconds: float | None = None
    unreachable_seconds: float | None = None


WITHOUT_LIMITS = JobLimits()


class _CreatedJob(NamedTuple):
    """A Job of ours.

    containers: the names of its own containers, without those that others inject.
    created_at: the monotonic time of its creation, None where it was there before.
    """

    job: Job
    containers: frozenset[str]
    created_at: float | None


class JobRunner:
    """The runner of Jobs in one cluster.

    tokens: what tells the Jobs that this daemon created from others of the same name.
    cached: the cluster's cache, where it has one; else Jobs are polled.
    start_seconds: how long a Job may wait for its next container to start.
    """

    def __init__(
        self,
        *,
        cluster: Cluster,
        clock: Clock,
        tokens: TokenSource,
        cached: CachedJobs | None = None,
        start_seconds: float = 600,
    ) -> None:
        self._start_seconds = start_seconds
        self.cluster = cluster
        self.objects = OwnedObjects(cluster=cluster, tokens=tokens)
        self._clock = clock
        self._cached = cached

    async def run(
        self,
        manifest: JsonObject,
        *,
        on_line: OnLine | None = None,
        on_waiting: OnWaiting | None = None,
        on_pod: OnPod | None = None,
        limits: JobLimits = WITHOUT_LIMITS,
        log_limit: LogLimit = LONG_LOG,
    ) -> FinishedJob:
        """Create a Job, or adopt an existing one of that name, and return how it ended.

        on_line: is given each line of its containers once, as it comes; what it raises is raised here.
        on_waiting: called with the reason while the Job waits.
        on_pod: called with each state of its pod.
        log_limit: how much of each container's log is kept in the result.

        Raises NameTaken where a Job of that name is not this daemon's, NotFoundInCluster where the Job is
        deleted before its end, JobNotStarted where it does not start in time (it is deleted then),
        ClusterUnreachable by `limits`. A cancelled call leaves the Job running.
        """
        created = await self._create(manifest)
        async with self._outlive_pods(created.job):
            return await self._finish(
                created,
                on_line=on_line,
                on_waiting=on_waiting,
                on_pod=on_pod,
                limits=limits,
                log_limit=log_limit,
            )

    async def wait(self, namespace: str, name: str, *, limits: JobLimits = WITHOUT_LIMITS) -> FinishedJob:
        """Return how a Job that was created earlier ended; raise as `run` does."""
        existing = await self.objects.fetch(paths.jobs(namespace, name))
        job = objects.convert_object(existing, Job)
        created = _CreatedJob(job=job, containers=_container_names(existing), created_at=None)
        async with self._outlive_pods(job):
            return await self._finish(created, limits=limits)

    async def run_until_started(
        self, manifest: JsonObject, container: str, *, is_abandoned: Callable[[], bool]
    ) -> Pod | FinishedJob:
        """Create or adopt a Job; return its pod once a container has started, or how the Job ended before.

        is_abandoned: whether nobody waits for it any more; then NotFoundInCluster is raised.
        """
        created = await self._create(manifest)
        watch = self._start_watch(None)
        with self._follow(created, WITHOUT_LIMITS) as states:
            state = JobState(created.job, ())
            while True:
                await self._require_start(watch, state)
                status = pods.container_status(state.pod, container)
                if state.pod is not None and status is not None and pods.has_started(status):
                    return state.pod
                if state.ending is not None:
                    return await self._read_ended(states, state.ending)
                if is_abandoned():
                    raise NotFoundInCluster("The client disconnected before the Job's container started.")
                state = await states.next(ABANDONED_SECONDS)

    def container_chunks(self, pod: Pod, container: str) -> AsyncIterator[bytes]:
        """Yield the log of a container that has started, to its end, with the time before each line."""
        return logs.container_chunks(self.cluster, pod, container)

    async def fetch(self, namespace: str, name: str) -> Job:
        """Return a Job of ours; raise NotFoundInCluster, and NameTaken for one that is not."""
        return objects.convert_object(await self.objects.fetch(paths.jobs(namespace, name)), Job)

    async def exists(self, namespace: str, name: str) -> bool:
        """Whether the cluster has a Job of ours of that name."""
        try:
            await self.fetch(namespace, name)
        except (NotFoundInCluster, NameTaken):
            return False
        return True

    async def is_running(self, namespace: str, name: str) -> bool:
        """Whether the cluster has a Job of ours of that name that has not ended."""
        try:
            job = await self.fetch(namespace, name)
        except (NotFoundInCluster, NameTaken):
            return False
        return outcome.ending_of(job) is None

    async def remove(self, namespace: str, name: str) -> None:
        """Delete a Job of ours with its pods; one that is not there is fine, one that is not ours stays."""
        await self.objects.remove(paths.jobs(namespace, name))

    async def remove_with_pods(self, namespace: str, name: str) -> None:
        """Delete a Job as `remove` does, and return once its pods are gone, or after GONE_SECONDS."""
        try:
            job = await self.fetch(namespace, name)
        except (NotFoundInCluster, NameTaken):
            return
        await self.remove(namespace, name)
        await self._wait_until_gone(namespace, job.metadata.uid)

    @asynccontextmanager
    async def _outlive_pods(self, job: Job) -> AsyncIterator[None]:
        """Let NotFoundInCluster pass once the pods of the deleted Job are gone, or after GONE_SECONDS.

        They work on for up to their grace period: what they did is known once that is over.
        """
        try:
            yield
        except NotFoundInCluster:
            with suppress(KronkeepError):
                await self._wait_until_gone(job.metadata.namespace, job.metadata.uid)
            raise

    async def _wait_until_gone(self, namespace: str, job_uid: str) -> None:
        end = self._clock.monotonic() + GONE_SECONDS
        while self._clock.monotonic() < end:
            if not await pods.fetch_pods(self.cluster, namespace, job_uid):
                break
            await self._clock.sleep(ABANDONED_SECONDS)

    async def explain_waiting(self, namespace: str, name: str) -> str:
        """Return what keeps the Job's pod from starting; empty where nothing is known."""
        try:
            job = await self.fetch(namespace, name)
            waiting_pods = await pods.fetch_pods(self.cluster, namespace, job.metadata.uid)
        except KronkeepError:
            return ""
        cause = await pods.explain_waiting(self.cluster, job, waiting_pods)
        return cause.message if cause is not None else ""

    async def _create(self, manifest: JsonObject) -> _CreatedJob:
        """Create the Job, or adopt an existing one when it is ours; raise NameTaken otherwise."""
        collection = paths.jobs(manifest["metadata"]["namespace"])
        job, is_new = await self.objects.create(collection, manifest)
        return _CreatedJob(
            job=objects.convert_object(job, Job),
            containers=_container_names(manifest),
            created_at=self._clock.monotonic() if is_new else None,
        )

    def _start_watch(self, on_waiting: OnWaiting | None) -> StartWatch:
        return StartWatch(
            cluster=self.cluster,
            clock=self._clock,
            start_seconds=self._start_seconds,
            on_waiting=on_waiting,
        )

    async def _require_start(self, watch: StartWatch, state: JobState) -> None:
        """Delete a Job that does not start in time and raise JobNotStarted."""
        cause = await watch.check(state)
        if cause is None:
            return
        meta = state.job.metadata
        await self.cluster.delete(paths.jobs(meta.namespace, meta.name), uid=meta.uid)
        # A pod of it that starts at the last moment must have ended before the caller goes on.
        await self._wait_until_gone(meta.namespace, meta.uid)
        raise JobNotStarted(cause.message, next_step=cause.next_step, reason=cause.reason)

    def _follow(self, created: _CreatedJob, limits: JobLimits) -> AbstractContextManager[JobUpdates]:
        return follow_job(
            job=created.job,
            containers=created.containers,
            cluster=self.cluster,
            clock=self._clock,
            cached=self._cached,
            unreachable_seconds=limits.unreachable_seconds,
        )

    def _logs(self, states: JobUpdates, on_line: OnLine | None, log_limit: LogLimit) -> JobLogs:
        return JobLogs(
            cluster=self.cluster,
            clock=self._clock,
            on_line=on_line,
            limit=log_limit,
            on_failure=states.changed.set,
        )

    async def _finish(
        self,
        created: _CreatedJob,
        *,
        on_line: OnLine | None = None,
        on_waiting: OnWaiting | None = None,
        on_pod: OnPod | None = None,
        limits: JobLimits,
        log_limit: LogLimit = LONG_LOG,
    ) -> FinishedJob:
        watch = self._start_watch(on_waiting)
        runtime = RuntimeLimit(limits.last_container_seconds, created.created_at, self._clock)
        with self._follow(created, limits) as states:
            job_logs = self._logs(states, on_line, log_limit)
            if on_line is not None:
                job_logs.start()
            try:
                state = JobState(created.job, ())
                # The order matters: a Job over its runtime is stopped even if its pod waits; then the
                # start deadline; then our own containers may have ended beside a sidecar that never does.
                while (ending := state.ending) is None:
                    seconds_left = runtime.seconds_left(state.pod)
                    if seconds_left is not None and seconds_left <= 0:
                        return await self._stop(states, job_logs, created.job)
                    await self._require_start(watch, state)
                    if (watch.progress.seconds_over or 0) > SIDECAR_SECONDS:
                        return await self._end_sidecars(states, job_logs, created.job)
                    state = await states.next(seconds_left)
                    if on_pod is not None and state.pod is not None:
                        await on_pod(state.pod)
                    job_logs.require_success()
                    job_logs.update(state.pod)
                # The Job's condition can arrive before its pod's last status, which has the exit codes.
                pod = await states.final_pod()
                return _describe_end(states, ending, pod, await job_logs.finish(pod))
            finally:
                await job_logs.close()

    async def _stop(self, states: JobUpdates, job_logs: JobLogs, job: Job) -> FinishedJob:
        """Delete a Job whose last container ran too long, after its logs have been read."""
        pod = await states.final_pod()
        ending = Condition(type="Failed", status="True", reason=Reason.DEADLINE_EXCEEDED)
        finished = _describe_end(states, ending, pod, await job_logs.finish(pod))
        meta = job.metadata
        await self.cluster.delete(paths.jobs(meta.namespace, meta.name), uid=meta.uid)
        return finished

    async def _end_sidecars(self, states: JobUpdates, job_logs: JobLogs, job: Job) -> FinishedJob:
        """Delete a Job whose own containers have ended, so that those that others injected end too."""
        pod = await states.final_pod()
        ending = outcome.ending_of_containers(pod)
        finished = _describe_end(states, ending, pod, await job_logs.finish(pod))
        meta = job.metadata
        await self.cluster.delete(paths.jobs(meta.namespace, meta.name), uid=meta.uid)
        return finished

    async def _read_ended(self, states: JobUpdates, ending: Condition) -> FinishedJob:
        job_logs = self._logs(states, None, LONG_LOG)
        try:
            pod = await states.final_pod()
            return _describe_end(states, ending, pod, await job_logs.finish(pod))
        finally:
            await job_logs.close()


def _describe_end(
    states: JobUpdates, ending: Condition, pod: Pod | None, logs: Mapping[str, ContainerLog]
) -> FinishedJob:
    return outcome.describe_end(
        ending, pod, logs, rival_pods=states.rival_pods, has_injected=states.has_injected
    )


def _container_names(manifest: JsonObject) -> frozenset[str]:
    """Return the names of the containers and init containers of a Job."""
    pod = manifest["spec"]["template"]["spec"]
    every = [*(pod.get("initContainers") or ()), *(pod.get("containers") or ())]
    return frozenset(container["name"] for container in every)


class JobRunners:
    """The runners of all clusters.

    tokens: what tells the Jobs that this daemon created from others of the same name.
    recorders: by the clusters' ids, for their caches; Jobs of a cluster without one are polled.
    """

    def __init__(
        self,
        *,
        clusters: Clusters,
        clock: Clock,
        tokens: TokenSource,
        recorders: Mapping[str, RunRecorder],
        settings: Callable[[], Settings],
    ) -> None:
        self._settings = settings
        self._tokens = tokens
        self._clusters = clusters
        self._clock = clock
        self._recorders = recorders

    def on(self, cluster_id: str) -> JobRunner:
        """Return the runner of a record's cluster; raise ClusterNotFound."""
        cluster = self._clusters.of(cluster_id)
        recorder = self._recorders.get(cluster.id)
        cached = CachedJobs(recorder.cache, recorder.watches.covers) if recorder is not None else None
        return JobRunner(
            cluster=cluster,
            clock=self._clock,
            tokens=self._tokens,
            cached=cached,
            start_seconds=self._settings().archive.start_seconds,
        )
