"""The watches that keep a ClusterCache current; those of Events and of claims are optional.

Without Events, which a role may forbid, causes are less precise; without claims those with a policy of their
own are not backed up. Everything else works.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple

from kronkeep_common.api import CONNECTION
from kronkeep_common.clock import Clock
from kronkeep_common.errors import ClusterUnreachable
from kronkeep_daemon.cronjobs.claim_cache import PolicyClaimCache
from kronkeep_daemon.cronjobs.cluster_cache import ClusterCache
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.claims import ClaimObject
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.objects import CronJobObject, CronJobRef, Event, Job, Pod
from kronkeep_daemon.kube.silence_monitor import SilenceMonitor
from kronkeep_daemon.kube.watch import (
    SILENT_WATCH_SECONDS,
    WATCH_SECONDS,
    ListReceiver,
    ListWatch,
    WatchState,
    WholeList,
)
from kronkeep_daemon.loop_turns import LoopTurn
from kronkeep_daemon.supervisor import Supervisor

PODS_OF_JOBS = {
    "labelSelector": "batch.kubernetes.io/job-name"
}  # on every pod of a Job since Kubernetes 1.27
EVENT_SELECTORS = (
    "involvedObject.kind=CronJob",
    "involvedObject.kind=Job",
    "involvedObject.kind=Pod,type=Warning",
)


class _WatchTarget(NamedTuple):
    """One collection to watch, and what takes its lists and events."""

    path: str
    kind: type[Any]
    receiver: ListReceiver[Any]
    update: Callable[[str, Any], None]
    params: dict[str, str] | None = None
    needed: bool = True
    watch_seconds: tuple[int, int] = WATCH_SECONDS


class _FirstLists:
    """Counter of the collections that have not been listed yet; calls back once none is left."""

    def __init__(self, count: int, on_complete: Callable[[], None]) -> None:
        self._unlisted = set(range(count))
        self._on_complete = on_complete

    def mark_listed(self, index: int) -> None:
        """Take note of a list of one collection; only its first one counts."""
        if index in self._unlisted:
            self._unlisted.remove(index)
            if not self._unlisted:
                self._on_complete()


class _CountedList:
    """A receiver that takes note of each list that has ended."""

    def __init__(self, receiver: ListReceiver[Any], on_end: Callable[[], None]) -> None:
        self._receiver = receiver
        self._on_end = on_end

    def begin(self) -> None:
        self._receiver.begin()

    async def add_page(self, items: list[Any]) -> None:
        await self._receiver.add_page(items)

    def end(self) -> None:
        self._receiver.end()
        self._on_end()


class CronJobList:
    """A receiver of a namespace's CronJobs that takes each page at once."""

    def __init__(self, cache: ClusterCache, namespace: str | None) -> None:
        self._cache = cache
        self._namespace = namespace
        self._listed: set[CronJobRef] = set()

    def begin(self) -> None:
        self._listed = set()

    async def add_page(self, items: list[CronJobObject]) -> None:
        turn = LoopTurn()
        for item in items:
            self._listed.add(item.ref)
            self._cache.put_listed_cronjob(item)
            await turn.give_way()

    def end(self) -> None:
        listed = self._listed
        self._listed = set()
        self._cache.keep_listed_cronjobs(self._namespace, listed)


class JobList:
    """A receiver of a namespace's Jobs that waits, after each page, until most of them are recorded.

    So a list of any length takes the memory of some pages.
    """

    def __init__(
        self, cache: ClusterCache, namespace: str | None, wait_for_records: Callable[[], Awaitable[None]]
    ) -> None:
        self._cache = cache
        self._namespace = namespace
        self._wait_for_records = wait_for_records
        self._listed: set[str] = set()

    def begin(self) -> None:
        self._listed = set()

    async def add_page(self, items: list[Job]) -> None:
        turn = LoopTurn()
        for item in items:
            self._listed.add(item.metadata.uid)
            self._cache.put_listed_job(item)
            await turn.give_way()
        await self._wait_for_records()

    def end(self) -> None:
        listed = self._listed
        self._listed = set()
        self._cache.keep_listed_jobs(self._namespace, listed)


class _PodList:
    """A receiver of pods that waits, after each page, until most of their Jobs are recorded."""

    def __init__(self, cache: ClusterCache, wait_for_records: Callable[[], Awaitable[None]]) -> None:
        self._cache = cache
        self._wait_for_records = wait_for_records

    def begin(self) -> None:
        """Do nothing: pods that a list lacks stay."""

    async def add_page(self, items: list[Pod]) -> None:
        turn = LoopTurn()
        for item in items:
            self._cache.put_listed_pod(item)
            await turn.give_way()
        await self._wait_for_records()

    def end(self) -> None:
        """Do nothing: each page is taken at once."""


class ClusterWatches:
    """The watches of one cluster, of the given namespaces or, for none, of all.

    wait_for_records: returns once few Jobs of the cache are not recorded.
    """

    def __init__(
        self,
        *,
        cluster: Cluster,
        cache: ClusterCache,
        claims: PolicyClaimCache,
        clock: Clock,
        namespaces: tuple[str, ...],
        wait_for_records: Callable[[], Awaitable[None]],
    ) -> None:
        self._wait_for_records = wait_for_records
        self._cluster = cluster
        self._cache = cache
        self._claims = claims
        self._clock = clock
        self.namespaces = namespaces
        self._watches: list[ListWatch[Any]] = []
        self._events_listed = asyncio.Event()
        self._claims_listed = asyncio.Event()
        self._claim_watches: list[ListWatch[Any]] = []

    def start(self, supervisor: Supervisor, on_first_lists: Callable[[], None]) -> None:
        """Start to watch; `on_first_lists` is called once every needed collection has been listed."""
        namespaces: tuple[str | None, ...] = self.namespaces or (None,)
        needed = [target for namespace in namespaces for target in self._core_targets(namespace)]
        extra = [target for namespace in namespaces for target in self._event_targets(namespace)]
        silence = SilenceMonitor(self._cluster, self._end_all)
        supervisor.start(f"silence {self._cluster.name}", silence.run, death="restart")
        self._watch_all(supervisor, needed, _FirstLists(len(needed), on_first_lists))
        self._watch_all(supervisor, extra, _FirstLists(len(extra), self._events_listed.set))
        claims = [self._claim_target(namespace) for namespace in namespaces]
        self._claim_watches = self._watch_all(
            supervisor, claims, _FirstLists(len(claims), self._claims_listed.set)
        )

    def _end_all(self, error: ClusterUnreachable) -> None:
        """End the watches of a cluster that does not answer."""
        for watch in self._watches:
            watch.mark_silent(error.message)
        self._cluster.contact.end_watches(error)

    def _core_targets(self, namespace: str | None) -> list[_WatchTarget]:
        cache = self._cache
        return [
            _WatchTarget(
                path=paths.cronjobs(namespace),
                kind=CronJobObject,
                receiver=CronJobList(cache, namespace),
                update=cache.update_cronjob,
            ),
            _WatchTarget(
                path=paths.pods(namespace),
                kind=Pod,
                receiver=_PodList(cache, self._wait_for_records),
                update=cache.update_pod,
                params=PODS_OF_JOBS,
            ),
            _WatchTarget(
                path=paths.jobs(namespace),
                kind=Job,
                receiver=JobList(cache, namespace, self._wait_for_records),
                update=cache.update_job,
            ),
        ]

    def _event_targets(self, namespace: str | None) -> list[_WatchTarget]:
        return [
            _WatchTarget(
                path=paths.events(namespace),
                kind=Event,
                receiver=WholeList(self._cache.sync_events),
                update=self._cache.update_event,
                params={"fieldSelector": selector},
                needed=False,
                watch_seconds=SILENT_WATCH_SECONDS,
            )
            for selector in EVENT_SELECTORS
        ]

    def _claim_target(self, namespace: str | None) -> _WatchTarget:
        return _WatchTarget(
            path=paths.claims(namespace),
            kind=ClaimObject,
            receiver=self._claims.receiver(namespace),
            update=self._claims.update,
            needed=False,
        )

    def _watch_all(
        self, supervisor: Supervisor, targets: list[_WatchTarget], first_lists: _FirstLists
    ) -> list[ListWatch[Any]]:
        watches = []
        for index, target in enumerate(targets):
            watch: ListWatch[Any] = ListWatch(
                self._cluster,
                target.path,
                kind=target.kind,
                receiver=_CountedList(target.receiver, partial(first_lists.mark_listed, index)),
                on_event=target.update,
                clock=self._clock,
                params=target.params,
                needed=target.needed,
                watch_seconds=target.watch_seconds,
            )
            watches.append(watch)
            supervisor.start(f"watch {self._cluster.name} {watch.state.name}", watch.run, death="restart")
        self._watches += watches
        return watches

    def knows_claims(self) -> bool:
        """Whether every claim with a policy is known: the claims of each namespace were listed."""
        return self._claims_listed.is_set()

    def awaits_claims(self) -> bool:
        """Whether claims have neither been listed nor forbidden yet."""
        is_unknown = self._cluster.fault is not None
        return is_unknown or any(watch.awaits_first_list() for watch in self._claim_watches)

    async def wait_for_events(self, patience: float) -> None:
        """Wait until Events have been listed, at most `patience` seconds: a role may forbid them."""
        try:
            async with asyncio.timeout(patience):
                await self._events_listed.wait()
        except TimeoutError:
            return

    def states(self) -> list[WatchState]:
        """Return how fresh each watch is; of a cluster that has never answered one state says so."""
        fault = self._cluster.fault
        if fault is None:
            return [watch.state for watch in self._watches]
        return [
            WatchState(
                name=CONNECTION,
                cluster=self._cluster.id,
                status="failing",
                since=fault.since,
                why=fault.error.message,
                next_step=fault.error.next_step,
            )
        ]

    def covers(self, namespace: str) -> bool:
        """Whether the cache shows the Jobs and pods of a namespace live."""
        return (not self.namespaces or namespace in self.namespaces) and self.is_live()

    def is_live(self) -> bool:
        """Whether every needed collection is watched live."""
        return all(state.status == "live" for state in self.states() if state.needed)
