"""Maintenances: CronJobs are suspended by a filter, and exactly those are resumed, also after any stop.

What a maintenance suspended is written on the CronJobs themselves (`cronjobs/maintenance_marks`); its record
says why and until when, in the history and in what the daemons of a cluster share. Nothing else need survive:
every few seconds the marks are compared with the records, and what differs is done. So a start that was
interrupted goes on, and an end that was missed is made up for, by this daemon or by another that acts then.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import InvalidFilter, KronkeepError, MaintenanceNotFound, NotAllowedNow
from kronkeep_common.models.maintenance import (
    Maintenance,
    MaintenanceRequest,
    MaintenanceStatus,
    MaintenanceView,
)
from kronkeep_common.record_filter import parse_filter, write_filter
from kronkeep_common.text import clean
from kronkeep_daemon.alerts.rule_results import HeldCronJob
from kronkeep_daemon.alerts.shared_alerts import SharedAlerts
from kronkeep_daemon.alerts.shared_state import MOST_MAINTENANCES, SharedState, join_maintenances
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.cronjobs.maintenance_marks import read_marks
from kronkeep_daemon.cronjobs_with_backups import ExtendedCronJobService
from kronkeep_daemon.history import History, Records
from kronkeep_daemon.history.record_ids import new_id
from kronkeep_daemon.kube.objects import CronJobObject, CronJobRef
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
LOOK_SECONDS = 5.0
PARALLEL = 8  # requests to a cluster at once
RETRY_AFTER = timedelta(seconds=30)  # a CronJob that could not be suspended or resumed
MOST_TRIES = 3  # to suspend one, before the start goes on without it
MOST_FAULTS = 20  # that an answer names
MOST_KEPT = 200  # records; the oldest that have ended are dropped
LATE_END = timedelta(minutes=5)  # after which a CronJob that is still suspended is an alert


class FailedStep(NamedTuple):
    """A CronJob that could not be suspended or resumed: why, how often that was tried, and when last."""

    why: str
    tries: int
    at: datetime


class MaintenanceService:
    """The maintenances of this daemon and of those that share a cluster with it."""

    def __init__(
        self,
        *,
        cronjobs: CronJobService,
        extended: ExtendedCronJobService,
        history: History,
        clock: Clock,
        supervisor: Supervisor,
        shared: SharedAlerts,
    ) -> None:
        self._cronjobs = cronjobs
        self._extended = extended
        self._history = history
        self._clock = clock
        self._supervisor = supervisor
        self._shared = shared
        self._wake = asyncio.Event()
        self._requested: set[str] = set()  # ids that people asked for here: done also while standing by
        self._unknown_since: dict[str, datetime] = {}
        self._failed: dict[tuple[str, CronJobRef], FailedStep] = {}
        self.records: Records[Maintenance] = Records(history.table("maintenances"), Maintenance)

    def start(self) -> None:
        """Start to compare marks with records."""
        self._supervisor.start("maintenance", self._follow, death="restart")

    async def _follow(self) -> None:
        await self._shared.wait_until_tried()
        while True:
            self._wake.clear()
            try:
                await self.reconcile()
            except KronkeepError as fault:
                log.warning("maintenances wait: %s", fault)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._wake.wait()

    async def create(self, request: MaintenanceRequest, user: str) -> Maintenance:
        """Record a maintenance, which then begins; raise NotAllowedNow where there are too many."""
        now = self._clock.now()
        if sum(not each.is_over(now) for each in self.records.all()) >= MOST_MAINTENANCES:
            raise NotAllowedNow(
                f"{MOST_MAINTENANCES} maintenances have not ended, which is the most.",
                next_step="End some: kronkeep maintenance end ID.",
            )
        ends_at = None if request.for_seconds is None else now + timedelta(seconds=request.for_seconds)
        maintenance = Maintenance(
            id=new_id(),
            filter=write_filter(request.filter),
            because=clean(request.because, 300),
            created_at=now,
            created_by=clean(user, 100),
            ends_at=ends_at,
        )
        self._drop_old(now)
        await self._record(maintenance)
        return maintenance

    async def end(self, maintenance_id: str, user: str) -> Maintenance:
        """End a maintenance now; raise MaintenanceNotFound, and NotAllowedNow where it has ended.

        One of which only the marks are left can be ended too.
        """
        now = self._clock.now()
        known = self.records.get(maintenance_id)
        if known is None:
            marked = self._cronjobs.subjects.marked()
            if not any(maintenance_id in read_marks(cronjob) for cronjob in marked):
                raise _not_found_error(maintenance_id)
            known = Maintenance(
                id=maintenance_id,
                filter="",
                because="its record is lost",
                created_at=now,
                created_by="",
                started_at=now,
            )
        if known.is_over(now):
            raise NotAllowedNow(
                "The maintenance has ended already.",
                next_step="Nothing is left to end: kronkeep get maintenance --filter status:active.",
            )
        ended = msgspec.structs.replace(known, ended_at=now, ended_by=clean(user, 100))
        await self._record(ended)
        return ended

    async def _record(self, maintenance: Maintenance) -> None:
        self.records.put(maintenance)
        await self._history.commit()
        self._requested.add(maintenance.id)
        self._share([maintenance])
        self._wake.set()

    def _share(self, maintenances: Sequence[Maintenance]) -> None:
        part = SharedState(maintenances={each.id: each for each in maintenances})
        for cluster in self._shared.all():
            cluster.change(part)

    def _drop_old(self, now: datetime) -> None:
        known = sorted(self.records.all(), key=lambda each: each.created_at)
        for each in known[: max(0, len(known) - MOST_KEPT)]:
            if each.is_over(now):
                self.records.remove(each.id)

    def get(self, maintenance_id: str) -> Maintenance:
        """Return one maintenance; raise MaintenanceNotFound."""
        known = self.records.get(maintenance_id)
        if known is None:
            raise _not_found_error(maintenance_id)
        return known

    def newest(self) -> list[Maintenance]:
        """Return all maintenances that are kept, newest first."""
        return list(self.records.all())[::-1]

    def views(self, maintenances: Sequence[Maintenance]) -> list[MaintenanceView]:
        """Return maintenances with their statuses, and how many CronJobs each suspends."""
        marked: dict[str, int] = {}
        for cronjob in self._cronjobs.subjects.marked():
            for mark in read_marks(cronjob):
                marked[mark] = marked.get(mark, 0) + 1
        return [self._view(each, marked.get(each.id, 0)) for each in maintenances]

    def _view(self, maintenance: Maintenance, cronjobs: int) -> MaintenanceView:
        fields = {field: getattr(maintenance, field) for field in maintenance.__struct_fields__}
        faults = [
            f"{self._cronjobs.clusters.title(ref.cluster, str(ref))}: {step.why}"
            for (maintenance_id, ref), step in self._failed.items()
            if maintenance_id == maintenance.id
        ]
        return MaintenanceView(
            **fields,
            status=self._status_of(maintenance, cronjobs),
            cronjobs=cronjobs,
            faults=tuple(faults[:MOST_FAULTS]),
        )

    def _status_of(self, maintenance: Maintenance, cronjobs: int) -> MaintenanceStatus:
        if maintenance.is_over(self._clock.now()):
            return "ending" if cronjobs else "ended"
        return "starting" if maintenance.started_at is None else "active"

    async def reconcile(self) -> None:
        """Do what differs between records and marks; raise ReadOnlyHistory while the disk is full."""
        self._exchange()
        now = self._clock.now()
        for maintenance in list(self.records.all()):
            if maintenance.started_at is None and not maintenance.is_over(now):
                try:
                    await self._begin(maintenance)
                except InvalidFilter as fault:  # of a daemon of another version, which begins it itself
                    log.warning("maintenance %s is not begun here: %s", maintenance.id, fault)
        await self._release(now)
        self._forget_failures()
        self._note_unknown(now)
        await self._history.commit()

    def _exchange(self) -> None:
        """Share what is known here, and record what others know until the next commit."""
        self._share(list(self.records.all()))
        for cluster in self._shared.all():
            for maintenance in cluster.state.maintenances.values():
                known = self.records.get(maintenance.id)
                self.records.put(join_maintenances(known, maintenance) if known else maintenance)

    async def _begin(self, maintenance: Maintenance) -> None:
        """Suspend what matches, and record the start once each CronJob was suspended or given up."""
        if self._cronjobs.pending_clusters() or not self._acts_anywhere(maintenance.id):
            return
        clusters = {cluster.name: cluster.id for cluster in self._cronjobs.clusters}
        accepted = parse_filter(maintenance.filter, clusters)
        now = self._clock.now()
        matching = [
            CronJobRef(cronjob.cluster, cronjob.namespace, cronjob.name)
            async for cronjob in self._extended.iter_cronjobs()
            if not cronjob.is_claim
            and self._acts(maintenance.id, cronjob.cluster)
            and accepted.matches(cronjob, now)
        ]
        steps = [
            (ref, partial(self._cronjobs.suspend_for, ref, maintenance.id))
            for ref in matching
            if maintenance.id not in self._marks_of(ref)
        ]
        await self._run_steps(maintenance.id, steps)
        waiting = [
            step
            for (maintenance_id, _), step in self._failed.items()
            if maintenance_id == maintenance.id and step.tries < MOST_TRIES
        ]
        if not waiting:
            current = self.records.get(maintenance.id) or maintenance
            self.records.put(msgspec.structs.replace(current, started_at=self._clock.now()))

    def _acts(self, maintenance_id: str, cluster_id: str) -> bool:
        """Whether this daemon suspends and resumes on a cluster: it was asked, or acts there anyway."""
        return maintenance_id in self._requested or not self._cronjobs.leads.stands_by(cluster_id)

    def _acts_anywhere(self, maintenance_id: str) -> bool:
        return any(self._acts(maintenance_id, cluster.id) for cluster in self._cronjobs.clusters)

    def _is_live(self, ref: CronJobRef) -> bool:
        try:
            self._cronjobs.find(ref)
        except KronkeepError:  # it was deleted
            return False
        return True

    def _marks_of(self, ref: CronJobRef) -> tuple[str, ...]:
        try:
            return read_marks(self._cronjobs.find(ref))
        except KronkeepError:  # it was deleted meanwhile
            return ()

    async def _release(self, now: datetime) -> None:
        """Take the marks of maintenances that are over away, and resume what has none left.

        A mark on a CronJob that runs is taken away too: somebody resumed it, and may suspend it again.
        """
        over = {each.id for each in self.records.all() if each.is_over(now)}
        steps: dict[str, list[tuple[CronJobRef, Callable[[], Awaitable[None]]]]] = {}
        for cronjob in list(self._cronjobs.subjects.marked()):
            ended = over.intersection(read_marks(cronjob))
            done = ended if cronjob.spec.suspend else set(read_marks(cronjob))
            if not done:
                continue
            first = min(done)
            if any(self._acts(each, cronjob.cluster) for each in done):
                step = partial(self._cronjobs.release_from, cronjob.ref, frozenset(done))
                steps.setdefault(first, []).append((cronjob.ref, step))
        for maintenance_id, group in steps.items():
            await self._run_steps(maintenance_id, group)

    async def _run_steps(
        self, maintenance_id: str, steps: Sequence[tuple[CronJobRef, Callable[[], Awaitable[None]]]]
    ) -> None:
        """Carry out steps, some at once; those that failed a moment ago wait."""
        places = asyncio.Semaphore(PARALLEL)
        now = self._clock.now()
        due = [(ref, step) for ref, step in steps if self._is_due(maintenance_id, ref, now)]

        async def run(ref: CronJobRef, step: Callable[[], Awaitable[None]]) -> None:
            async with places:
                await self._run_step(maintenance_id, ref, step)

        await asyncio.gather(*(run(ref, step) for ref, step in due))

    def _is_due(self, maintenance_id: str, ref: CronJobRef, now: datetime) -> bool:
        failed = self._failed.get((maintenance_id, ref))
        return failed is None or now - failed.at >= RETRY_AFTER

    async def _run_step(
        self, maintenance_id: str, ref: CronJobRef, step: Callable[[], Awaitable[None]]
    ) -> None:
        key = (maintenance_id, ref)
        try:
            await step()
        except KronkeepError as fault:
            tries = self._failed[key].tries + 1 if key in self._failed else 1
            self._failed[key] = FailedStep(clean(fault.message, 300), tries, self._clock.now())
            log.warning("maintenance %s: %s: %s", maintenance_id, ref, fault)
        else:
            self._failed.pop(key, None)

    def _forget_failures(self) -> None:
        """Forget failures about CronJobs that are gone, and of maintenances that have nothing left to do."""
        self._requested = {each for each in self._requested if each in self.records}
        now = self._clock.now()
        for maintenance_id, ref in list(self._failed):
            known = self.records.get(maintenance_id)
            is_idle = known is None or (known.is_over(now) and maintenance_id not in self._marks_of(ref))
            if not self._is_live(ref) or is_idle:
                del self._failed[maintenance_id, ref]

    def list_held_cronjobs(self) -> Iterator[HeldCronJob]:
        """Yield the CronJobs that have been suspended for minutes although their maintenance is over.

        CronJobs whose maintenance no daemon knows, or names, are among them.
        """
        late = self._clock.now() - LATE_END
        for cronjob in self._cronjobs.subjects.marked():
            marks = read_marks(cronjob) if cronjob.spec.suspend else ()
            since = [self._end_of(mark) for mark in marks]
            if marks and all(end is not None and end < late for end in since):
                last = max(end for end in since if end is not None)
                yield _describe_held(cronjob, marks[0], is_known=marks[0] in self.records, since=last)

    def _end_of(self, mark: str) -> datetime | None:
        """Return when a maintenance ended or ends, or since when its mark has no record; None for neither."""
        known = self.records.get(mark)
        return self._unknown_since.get(mark) if known is None else known.last_at

    def _note_unknown(self, now: datetime) -> None:
        """Note since when marks have no record: that of another daemon comes some seconds later."""
        marks = {mark for cronjob in self._cronjobs.subjects.marked() for mark in read_marks(cronjob)}
        self._unknown_since = {
            mark: self._unknown_since.get(mark, now) for mark in marks if mark not in self.records
        }


def _describe_held(cronjob: CronJobObject, mark: str, *, is_known: bool, since: datetime) -> HeldCronJob:
    return HeldCronJob(
        cluster=cronjob.cluster,
        namespace=cronjob.namespace,
        cronjob=clean(cronjob.name, 253),
        cronjob_id=cronjob.uid,
        maintenance_id=mark,
        is_known=is_known,
        since=since,
    )


def _not_found_error(maintenance_id: str) -> MaintenanceNotFound:
    return MaintenanceNotFound(f"There is no maintenance {clean(maintenance_id, 80)}.")
