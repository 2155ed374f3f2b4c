"""The queue before the repositories: it keeps what waits and what works, and lets in whom the rules choose.

restic's own locks would refuse what cannot be at once; here it waits in order instead. `queue_rules` decides,
after each change and when the patience of exclusive work ends; this holds its state and wakes who is chosen.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import NamedTuple

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.reasons import Reason
from kronkeep_daemon.repositories import queue_rules
from kronkeep_daemon.repositories.queue_rules import (
    NO_DEADLINE,
    QueueLimits,
    QueueState,
    Series,
    Service,
    Work,
    WorkKind,
)
from kronkeep_daemon.repositories.queue_waits import QueueWaits
from kronkeep_daemon.settings import Settings

OnWait = Callable[[Reason], Awaitable[None]]
"""Takes why an archive waits, each time that changes."""

FIRST_EXPLANATION_SECONDS = 1.0  # most places are free at once
EXPLANATION_SECONDS = 30.0  # between two explanations


class ArchiveRequest(msgspec.Struct, frozen=True, kw_only=True):
    """An archive that needs a place.

    cluster, namespace, node: where it runs; the node is empty where any will do.
    priority, good_until: see `queue_rules.Work`.
    is_resumed: whether its Job was running when the daemon was killed.
    """

    backup_id: str
    repository: str
    cluster: str = ""
    namespace: str = ""
    node: str = ""
    priority: int = 0
    good_until: float = NO_DEADLINE
    is_resumed: bool = False


class QueuedWork(NamedTuple):
    """A work in the queue: whether it works, how long it has been there, why it waits, its place from 1."""

    work: Work
    is_working: bool
    seconds: float
    reason: Reason | None = None
    place: int | None = None


class ArchiveHold:
    """The place of one archive on its repository."""

    def __init__(self, queues: "RepositoryQueues", work: Work) -> None:
        self._queues = queues
        self._work = work

    def set_stalled(self, is_stalled: bool) -> None:
        """Say whether the archive's Job waits to start, so that others go past it meanwhile.

        Exclusive work still stays out, as the Job may start at any time.
        """
        self._queues.set_stalled(self._work, is_stalled)

    def release(self) -> None:
        """Give the place back before the end of the block, once nothing of the archive works any more."""
        self._queues.release(self._work)


class RepositoryQueues:
    """The queue before all repositories, by their ids."""

    def __init__(self, *, clock: Clock, settings: Callable[[], Settings]) -> None:
        self.waits = QueueWaits(WorkKind)
        self._clock = clock
        self._settings = settings
        self._tickets = count(1)
        self._newest_ticket = 0
        self._services_given = count(1)
        self._waiting: dict[Work, asyncio.Event] = {}
        self._working: set[Work] = set()
        self._stalled: set[int] = set()
        self._services: dict[tuple[str, str], Service] = {}
        self._series: dict[str, Series] = {}
        self._reasons: dict[int, Reason] | None = None
        self._decision: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def hold_for_hooks(
        self, request: ArchiveRequest, patience: float | None = None, on_wait: OnWait | None = None
    ) -> AsyncIterator[Work]:
        """Let a backup run its pre hooks, which hold no place; yield its work, by which its archive is next.

        Raises TimeoutError after `patience` seconds of waiting.
        """
        work = self._archive_work(request, WorkKind.HOOKS, None, "pre hooks")
        async with self._hold(work, patience, on_wait):
            yield work

    @asynccontextmanager
    async def hold_for_archive(
        self,
        request: ArchiveRequest,
        patience: float | None = None,
        on_wait: OnWait | None = None,
        *,
        hooks: Work | None = None,
        task: str = "archive",
    ) -> AsyncIterator[ArchiveHold]:
        """Hold a place of the repository for an archive; raise TimeoutError after `patience` seconds.

        hooks: what `hold_for_hooks` yielded, where it has pre hooks.
        task: what is done, in a word: a copy of a backup takes the place of an archive.
        """
        work = self._archive_work(request, WorkKind.ARCHIVE, hooks, task)
        async with self._hold(work, patience, on_wait):
            yield ArchiveHold(self, work)

    @asynccontextmanager
    async def hold_exclusively(
        self, repository: str, task: str, patience: float | None = None, *, is_urgent: bool = False
    ) -> AsyncIterator[None]:
        """Hold the repository alone; raise TimeoutError after `patience` seconds of waiting.

        task: what is done, in a word.
        is_urgent: whether archives that came before it, and have not begun, wait too.
        """
        work = Work(
            ticket=self._next_ticket(),
            kind=WorkKind.EXCLUSIVE,
            repository=repository,
            arrived_at=self._clock.monotonic(),
            task=task,
            is_urgent=is_urgent,
        )
        async with self._hold(work, patience):
            yield

    @asynccontextmanager
    async def hold_for_reading(self, repository: str, task: str) -> AsyncIterator[None]:
        """Read the repository beside archives and other readers."""
        work = Work(
            ticket=self._next_ticket(),
            kind=WorkKind.READING,
            repository=repository,
            arrived_at=self._clock.monotonic(),
            task=task,
        )
        async with self._hold(work, None):
            yield

    def list_work(self) -> list[QueuedWork]:
        """Return what works, then what waits, by the places."""
        state = self._state()
        now = self._clock.monotonic()
        reasons = self._explain_waits()
        places = queue_rules.find_places(state, self._limits())
        working = [
            QueuedWork(work=work, is_working=True, seconds=now - work.arrived_at) for work in state.working
        ]
        waiting = [
            QueuedWork(
                work=work,
                is_working=False,
                seconds=now - work.arrived_at,
                reason=reasons[work.ticket],
                place=places[work.ticket],
            )
            for work in state.waiting
        ]
        waiting.sort(key=_place_order)
        return [*working, *waiting]

    def set_stalled(self, work: Work, is_stalled: bool) -> None:
        """Say whether the Job of an archive at work waits to start."""
        if is_stalled and work in self._working:
            self._stalled.add(work.ticket)
        else:
            self._stalled.discard(work.ticket)
        self._decide_soon()

    def release(self, work: Work) -> None:
        """End a work, if it has not ended."""
        if work in self._working:
            self._leave(work)

    def _archive_work(self, request: ArchiveRequest, kind: WorkKind, hooks: Work | None, task: str) -> Work:
        return Work(
            ticket=hooks.ticket if hooks is not None else self._next_ticket(),
            kind=kind,
            arrived_at=self._clock.monotonic(),
            task=task,
            is_prepared=hooks is not None,
            backup_id=request.backup_id,
            repository=request.repository,
            cluster=request.cluster,
            namespace=request.namespace,
            node=request.node,
            priority=request.priority,
            good_until=request.good_until,
            is_resumed=request.is_resumed,
        )

    def _next_ticket(self) -> int:
        self._newest_ticket = next(self._tickets)
        return self._newest_ticket

    @asynccontextmanager
    async def _hold(
        self, work: Work, patience: float | None, on_wait: OnWait | None = None
    ) -> AsyncIterator[None]:
        with self.waits.measure(work.kind):
            await self._enter(work, patience, on_wait)
        try:
            yield
        finally:
            self.release(work)

    async def _enter(self, work: Work, patience: float | None, on_wait: OnWait | None) -> None:
        chosen = asyncio.Event()
        self._waiting[work] = chosen
        self._decide_soon()
        try:
            async with asyncio.timeout(patience):
                if on_wait is not None:
                    await self._explain_until(work, chosen, on_wait)
                await chosen.wait()
        except BaseException:
            if work in self._working:
                self._leave(work)
            else:
                del self._waiting[work]
                self._decide_soon()
            raise

    async def _explain_until(self, work: Work, chosen: asyncio.Event, on_wait: OnWait) -> None:
        """Tell why the work waits, each time that has changed, until it is chosen."""
        told: Reason | None = None
        seconds = FIRST_EXPLANATION_SECONDS
        while True:
            try:
                async with asyncio.timeout(seconds):
                    await chosen.wait()
                    return
            except TimeoutError:
                seconds = EXPLANATION_SECONDS
            if chosen.is_set():
                return
            reason = self._explain_waits()[work.ticket]
            if reason != told:
                told = reason
                await on_wait(reason)

    def _explain_waits(self) -> dict[int, Reason]:
        """Return why each work waits, found out once after each change."""
        if self._reasons is None:
            self._reasons = queue_rules.explain_waits(self._state(), self._limits(), self._clock.monotonic())
        return self._reasons

    def _leave(self, work: Work) -> None:
        self._working.remove(work)
        self._stalled.discard(work.ticket)
        if work.kind is WorkKind.EXCLUSIVE:
            series = self._series[work.repository]
            self._series[work.repository] = series._replace(ended_at=self._clock.monotonic())
        self._decide_soon()

    def _decide_soon(self) -> None:
        """Decide once for all changes of this turn of the event loop."""
        self._reasons = None
        if self._decision is None:
            self._decision = asyncio.get_running_loop().call_soon(self._decide)

    def _decide(self) -> None:
        self._decision = None
        for work in queue_rules.choose_next(self._state(), self._limits(), self._clock.monotonic()):
            self._begin(work)
        self._reasons = None
        if not self._waiting:
            self._forget_the_past()
        self._set_timer()

    def _forget_the_past(self) -> None:
        """Drop what is known of namespaces and repositories that have nothing here, when nobody waits."""
        owners = {work.owner for work in self._working}
        repositories = {work.repository for work in self._working}
        self._services = {owner: each for owner, each in self._services.items() if owner in owners}
        self._series = {name: each for name, each in self._series.items() if name in repositories}

    def _begin(self, work: Work) -> None:
        if work.kind is WorkKind.ARCHIVE:
            service = self._services.get(work.owner, Service())
            self._services[work.owner] = Service(service.places + 1, next(self._services_given))
        if work.kind is WorkKind.EXCLUSIVE:
            series = self._series.get(work.repository, Series())
            if work.ticket > series.last_ticket:
                self._series[work.repository] = series._replace(last_ticket=self._newest_ticket)
        self._working.add(work)
        self._waiting.pop(work).set()

    def _set_timer(self) -> None:
        """Decide again when the patience of exclusive work ends."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        closes_at = queue_rules.closing_time(self._state())
        seconds = closes_at - self._clock.monotonic() if closes_at is not None else 0.0
        if seconds > 0:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._decide_soon)

    def _state(self) -> QueueState:
        return QueueState(
            waiting=tuple(self._waiting),
            working=tuple(self._working),
            stalled=frozenset(self._stalled),
            services=self._services,
            series=self._series,
        )

    def _limits(self) -> QueueLimits:
        parallel = self._settings().archive.parallel
        return QueueLimits(parallel.repository, parallel.cluster, parallel.node)


def _place_order(queued: QueuedWork) -> tuple[str, str, int]:
    return queued.work.repository, queued.work.kind, queued.place or 0
