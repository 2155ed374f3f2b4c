"""The watches of one cluster: CronJobs, Jobs and pods are needed; Events only tell more."""

import asyncio
from collections.abc import Callable
from typing import Any

from kronkeep_common.clock import Clock
from kronkeep_daemon.cronjobs.cluster_cache import ClusterCache
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.objects import CronJobObject, Event, Job, Pod
from kronkeep_daemon.kube.watch import ListWatch, WatchState
from kronkeep_daemon.supervisor import Supervisor

OF_JOBS = {"labelSelector": "batch.kubernetes.io/job-name"}  # every pod of a Job has it since Kubernetes 1.27
ABOUT = (
    "involvedObject.kind=CronJob",
    "involvedObject.kind=Job",
    "involvedObject.kind=Pod,type=Warning",
)


class ClusterWatches:
    """Feeds what is seen of the chosen namespaces, or of all."""

    def __init__(
        self, *, cluster: Cluster, seen: ClusterCache, clock: Clock, namespaces: tuple[str, ...]
    ) -> None:
        self._cluster = cluster
        self._seen = seen
        self._clock = clock
        self.namespaces = namespaces
        self._namespaces: list[str | None] = list(namespaces) or [None]
        self._watches: list[ListWatch[Any]] = []
        self._unlisted: dict[bool, int] = {True: 0, False: 0}
        self._told = asyncio.Event()
        self._first_list: Callable[[], None] = lambda: None

    def start(self, supervisor: Supervisor, first_list: Callable[[], None]) -> None:
        """Starts them; `first_list` is called once every collection that is needed has been listed."""
        self._first_list = first_list
        for namespace in self._namespaces:
            self._start_needed(supervisor, namespace)
        for namespace in self._namespaces:
            for selector in ABOUT:
                self._watch(
                    supervisor,
                    paths.events(namespace),
                    Event,
                    self._seen.sync_events,
                    self._seen.update_event,
                    {"fieldSelector": selector},
                    needed=False,
                )

    def _start_needed(self, supervisor: Supervisor, namespace: str | None) -> None:
        seen = self._seen

        def cronjobs(items: list[CronJobObject]) -> None:
            seen.sync_cronjobs(namespace, items)

        def jobs(items: list[Job]) -> None:
            seen.sync_jobs(namespace, items)

        self._watch(supervisor, paths.cronjobs(namespace), CronJobObject, cronjobs, seen.update_cronjob)
        self._watch(supervisor, paths.pods(namespace), Pod, seen.sync_pods, seen.update_pod, OF_JOBS)
        self._watch(supervisor, paths.jobs(namespace), Job, jobs, seen.update_job)

    def _watch(
        self,
        supervisor: Supervisor,
        path: str,
        kind: type[Any],
        sync: Callable[[list[Any]], None],
        event: Callable[[str, Any], None],
        params: dict[str, str] | None = None,
        *,
        needed: bool = True,
    ) -> None:
        self._unlisted[needed] += 1
        first = [True]

        def synced(items: list[Any]) -> None:
            sync(items)
            if first[0]:
                first[0] = False
                self._listed(needed)

        watch: ListWatch[Any] = ListWatch(
            self._cluster,
            path,
            kind=kind,
            on_sync=synced,
            on_event=event,
            clock=self._clock,
            params=params,
            needed=needed,
        )
        self._watches.append(watch)
        supervisor.start(f"watch {self._cluster.name} {watch.state.name}", watch.run, death="restart")

    def _listed(self, needed: bool) -> None:
        self._unlisted[needed] -= 1
        if self._unlisted[needed] == 0:
            if needed:
                self._first_list()
            else:
                self._told.set()

    async def wait_for_events(self, patience: float) -> None:
        """Returns once Events have been listed, or after `patience` seconds: they may be forbidden."""
        try:
            async with asyncio.timeout(patience):
                await self._told.wait()
        except TimeoutError:
            return

    def states(self) -> list[WatchState]:
        """How fresh each watch is."""
        return [watch.state for watch in self._watches]

    def covers(self, namespace: str) -> bool:
        """Whether the cache shows the Jobs and pods of a namespace live."""
        return (not self.namespaces or namespace in self.namespaces) and self.is_live()

    def is_live(self) -> bool:
        """Whether everything that is needed is watched live."""
        return all(state.status == "live" for state in self.states() if state.needed)
