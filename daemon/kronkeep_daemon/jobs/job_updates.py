"""The states of one Job as they change: from the cluster's cache where it is watched, else by polling."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple, TypeVar

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_daemon.cronjobs.cluster_cache import ClusterCache
from kronkeep_daemon.jobs import outcome, pods
from kronkeep_daemon.kube import objects, paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import Condition, Job, Pod

T = TypeVar("T")
FIRST_POLL_SECONDS = 0.5
LONGEST_POLL_SECONDS = 5.0
# A change wakes the reader of a watched Job; this is how often it asks whether the watch is still live.
RECHECK_SECONDS = 5.0
MOST_PODS = 10  # of one Job that are remembered; more than one is one too many
AWAY_SECONDS = 2.0  # between two requests to a cluster that does not answer


class CachedJobs(NamedTuple):
    """A cluster's cache, and whether it shows the Jobs and pods of a namespace live."""

    cache: ClusterCache
    covers: Callable[[str], bool]


class JobState(NamedTuple):
    """A Job and its pods at one moment."""

    job: Job
    pods: tuple[Pod, ...]

    @property
    def ending(self) -> Condition | None:
        """The condition that ended the Job; None while it has not ended."""
        return outcome.ending_of(self.job)

    @property
    def pod(self) -> Pod | None:
        """The pod that was created first."""
        return pods.first_pod(self.pods)


class JobUpdates:
    """One Job, whose states are read one after the other.

    containers: the names of the Job's own containers; others are not seen.
    job: as it was created or found; a Job of the same name with another uid is not it.
    changed: is set when the cache has news of it; may be set by others to wake the reader.
    unreachable_seconds: how long the cluster may be away; None for any time.

    has_injected: whether a pod was seen with containers that are not the Job's own.
    """

    def __init__(
        self,
        *,
        job: Job,
        containers: frozenset[str],
        cluster: Cluster,
        clock: Clock,
        cached: CachedJobs | None,
        changed: asyncio.Event,
        unreachable_seconds: float | None,
    ) -> None:
        self._latest = JobState(job, ())
        self._containers = containers
        self._uid = job.metadata.uid
        self._namespace = job.metadata.namespace
        self._name = job.metadata.name
        self._cluster = cluster
        self._clock = clock
        self._cached = cached
        self.changed = changed
        self._unreachable_seconds = unreachable_seconds
        self._poll_seconds = FIRST_POLL_SECONDS
        self._pods_seen: dict[str, str] = {}  # names by uid
        self.has_injected = False

    @property
    def rival_pods(self) -> tuple[str, ...]:
        """The names of all pods that ever claimed to be of the Job, where they are several."""
        return tuple(self._pods_seen.values()) if len(self._pods_seen) > 1 else ()

    async def next(self, longest_wait: float | None = None) -> JobState:
        """Return the state after the next change, or after a while; `longest_wait` in seconds.

        Raises NotFoundInCluster for a Job that was deleted before it ended, ClusterUnreachable.
        """
        pause = RECHECK_SECONDS if self._read_cache() is not None else self._next_poll_pause()
        await self._wait(pause if longest_wait is None else min(pause, longest_wait))
        # Cleared before the cache is read, without an await between: a change after this wakes the next wait.
        self.changed.clear()
        state = self._read_cache()
        if state is None:
            state = await self._retry(self._poll)
        if state != self._latest:
            self._poll_seconds = FIRST_POLL_SECONDS
        self._latest = state
        return state

    async def final_pod(self) -> Pod | None:
        """Return the first pod of a Job that has ended, asked of the cluster.

        Jobs and pods are watched apart, so the cache may show the end of a Job before that of its containers.
        The cached pod counts where the pod is deleted already.
        """
        current = await self._retry(self._fetch_pods)
        return pods.first_pod(current or self._read_cached_pods() or self._latest.pods)

    def _next_poll_pause(self) -> float:
        pause = self._poll_seconds
        self._poll_seconds = min(1.5 * pause, LONGEST_POLL_SECONDS)
        return pause

    async def _wait(self, seconds: float) -> None:
        waits = [
            asyncio.ensure_future(self.changed.wait()),
            asyncio.ensure_future(self._clock.sleep(max(0.0, seconds))),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _read_cache(self) -> JobState | None:
        """Return the state in the cache; None where the Job is not watched, or not yet in the cache.

        Raises NotFoundInCluster for a Job that the watch saw deleted before its end.
        """
        if self._cached is None or not self._cached.covers(self._namespace):
            return None
        cache = self._cached.cache
        job = cache.jobs.get(self._uid)
        if job is None:
            return None
        state = JobState(job, self._read_cached_pods())
        if self._uid in cache.deleted_jobs and state.ending is None:
            raise NotFoundInCluster(f"The Job {self._namespace}/{self._name} was deleted.")
        return state

    async def _poll(self) -> JobState:
        job = objects.convert_object(await self._cluster.get(paths.jobs(self._namespace, self._name)), Job)
        if job.metadata.uid != self._uid:
            raise NotFoundInCluster(f"The Job {self._namespace}/{self._name} was replaced by another.")
        return JobState(job, await self._fetch_pods())

    async def _fetch_pods(self) -> tuple[Pod, ...]:
        return self._own(await pods.fetch_pods(self._cluster, self._namespace, self._uid))

    def _read_cached_pods(self) -> tuple[Pod, ...]:
        if self._cached is None:
            return ()
        cached = self._cached.cache.pods_of(self._namespace, self._uid)
        return self._own(pods.pods_of_job(cached, self._namespace, self._uid))

    def _own(self, every_container: tuple[Pod, ...]) -> tuple[Pod, ...]:
        for pod in every_container[:MOST_PODS]:
            self._pods_seen.setdefault(pod.metadata.uid, pod.metadata.name)
            every = (*(pod.spec.init_containers or ()), *(pod.spec.containers or ()))
            injected = {entry.name for entry in every} - self._containers
            self.has_injected = self.has_injected or bool(injected)
        return tuple(pods.with_containers(pod, self._containers) for pod in every_container)

    async def _retry(self, read: Callable[[], Awaitable[T]]) -> T:
        """Wait for a cluster that does not answer, for `unreachable_seconds` at most."""
        start = self._clock.monotonic()
        while True:
            try:
                return await read()
            except KronkeepError as fault:
                away = self._clock.monotonic() - start
                limit = self._unreachable_seconds
                if not fault.retryable or (limit is not None and away > limit):
                    raise
            await self._clock.sleep(AWAY_SECONDS)


@contextmanager
def follow_job(
    *,
    job: Job,
    containers: frozenset[str],
    cluster: Cluster,
    clock: Clock,
    cached: CachedJobs | None,
    unreachable_seconds: float | None,
) -> Iterator[JobUpdates]:
    """Give the states of a Job, subscribed to the cache's changes until the end of the block."""
    with ExitStack() as stack:
        changed = stack.enter_context(cached.cache.subscribe(job.metadata.uid)) if cached else asyncio.Event()
        yield JobUpdates(
            job=job,
            containers=containers,
            cluster=cluster,
            clock=clock,
            cached=cached,
            changed=changed,
            unreachable_seconds=unreachable_seconds,
        )
