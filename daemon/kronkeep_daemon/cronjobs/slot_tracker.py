"""Tracker of the slots of one cluster's CronJobs: judges each and records those that were missed.

Slots are judged only while CronJobs and Jobs are watched live. The time up to which they were is kept in the
history every half minute, so that after a stop, or a cut of more than a minute, the gap is known and
recorded.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import CronJobExecution
from kronkeep_daemon.cronjobs import missed_runs, slot_rules
from kronkeep_daemon.cronjobs.cluster_cache import ClusterCache
from kronkeep_daemon.cronjobs.run_changes import RunChanges
from kronkeep_daemon.cronjobs.slot_rules import MISSED, SlotOutcome, SlotPlan
from kronkeep_daemon.events import Bus
from kronkeep_daemon.history import History
from kronkeep_daemon.history.facts import watch_key
from kronkeep_daemon.kube.objects import CronJobObject
from kronkeep_daemon.loop_turns import LoopTurn

log = logging.getLogger(__name__)
TICK_SECONDS = 10.0
SAVE_INTERVAL = timedelta(seconds=30)
SHORTEST_GAP = timedelta(seconds=60)
EXTRA_RUNS = 20  # runs that are read besides one for each due slot: manual ones, and runs that began late


class OpenSlots(NamedTuple):
    """The oldest slot of a CronJob that is late, and the oldest one that Forbid holds back."""

    late_since: datetime | None = None
    delayed_since: datetime | None = None


class _TrackedSlots(NamedTuple):
    """The slots of one CronJob: those up to `judged_until` are judged; more may be due at `next_check_at`."""

    plan: SlotPlan
    judged_until: datetime
    next_check_at: datetime | None = None
    open_slots: OpenSlots = OpenSlots()


def always_trusted() -> bool:
    """Return True: the time of a cluster whose clock nobody measures."""
    return True


class SlotTracker:
    """The slots of one cluster.

    is_live: whether everything that is needed is watched live.
    is_time_trusted: whether slots may be judged by the time now.
    grace: how late a run may begin before its slot is late.
    """

    def __init__(
        self,
        *,
        cluster_id: Callable[[], str],
        cache: ClusterCache,
        history: History,
        bus: Bus,
        clock: Clock,
        is_live: Callable[[], bool],
        is_time_trusted: Callable[[], bool] = always_trusted,
        grace: Callable[[], timedelta],
        controller_zone: Callable[[], str],
    ) -> None:
        self._cluster_id = cluster_id
        self._cache = cache
        self._history = history
        self._bus = bus
        self._clock = clock
        self._is_live = is_live
        self._is_time_trusted = is_time_trusted
        self._looked_at: float | None = None  # by the monotonic clock, while the watches were live
        self._paused = timedelta()  # watched since the last judgement, while the time was not trusted
        self._grace = grace
        self._controller_zone = controller_zone
        self._tracked: dict[str, _TrackedSlots] = {}
        self._watched_until: datetime | None = None
        self._watched_since = clock.now()
        self._saved_at: datetime | None = None

    async def update(self) -> None:
        """Judge the slots up to now and record those that are over.

        Does nothing without live watches, or while the time cannot be trusted: a clock that is wrong for half
        a minute must not leave records of runs that were missed. Meanwhile slots are watched all the same,
        for as long as the monotonic clock goes on: not while the machine sleeps, nor before a start.
        """
        if not self._is_live():
            return
        step = self._measure_step()
        if not self._is_time_trusted():
            self._paused += step
            return
        now = self._clock.now()
        since = self._watched_until or self._load_watched_until(now)
        if since > now:  # written by a clock that was ahead
            since = now
            self._tracked.clear()
        is_gap = now - since - self._paused > SHORTEST_GAP
        self._paused = timedelta()
        changes = RunChanges(self._history, self._bus)
        turn = LoopTurn()
        if is_gap:
            for cronjob in list(self._cache.cronjobs.values()):
                self._put_new(self._judge_gap(cronjob, since, now), changes)
                await turn.give_way()
        for cronjob in list(self._cache.cronjobs.values()):
            self._put_new(self._judge_one(cronjob, since, now), changes)
            await turn.give_way()
        self._forget_removed()
        self._watched_until = now
        await self._save(changes, now)

    def _measure_step(self) -> timedelta:
        """Return the time since the last look at live watches; none after a cut or at the first look."""
        before = self._looked_at
        self._looked_at = self._clock.monotonic()
        step = timedelta(seconds=self._looked_at - before) if before is not None else timedelta()
        return step if step <= SHORTEST_GAP else timedelta()

    def open_slots_of(self, cronjob_id: str) -> OpenSlots:
        """Return how a CronJob's slots stand as of the last update."""
        tracked = self._tracked.get(cronjob_id)
        return tracked.open_slots if tracked else OpenSlots()

    def _load_watched_until(self, now: datetime) -> datetime:
        """Return until when an earlier process watched; set since when this cluster has been watched."""
        fact = self._history.facts.get(watch_key(self._cluster_id()))
        if fact is None:
            self._watched_since = now
            return now
        self._watched_since = min(fact.since or now, now)
        return fact.created_at

    def _judge_gap(self, cronjob: CronJobObject, since: datetime, now: datetime) -> list[CronJobExecution]:
        """Return the records of a time without a watch; `_judge_one` judges slots that may still start."""
        tracked = self._tracked.get(cronjob.uid) or self._begin_tracking(cronjob, since)
        plan = self._plan(cronjob)
        ran = self._slots_with_runs(cronjob.uid, tracked.judged_until)
        unwatched = missed_runs.judge_unwatched(
            cronjob=cronjob,
            due=[slot for slot in slot_rules.due_slots(plan, tracked.judged_until, now) if slot not in ran],
            since=since,
            until=now,
            events=self._cache.events_about(cronjob.namespace, cronjob.uid),
        )
        settled = unwatched.open[0] - timedelta(seconds=1) if unwatched.open else now
        self._tracked[cronjob.uid] = _TrackedSlots(plan=plan, judged_until=settled)
        return list(unwatched.records)

    def _judge_one(self, cronjob: CronJobObject, since: datetime, now: datetime) -> list[CronJobExecution]:
        records: list[CronJobExecution] = []
        tracked = self._tracked.get(cronjob.uid) or self._begin_tracking(cronjob, since)
        plan = self._plan(cronjob)
        if tracked.plan != plan:
            records += self._records_of_old_plan(cronjob, tracked)
            tracked = _TrackedSlots(plan=plan, judged_until=now)
        if tracked.next_check_at is None or now >= tracked.next_check_at:
            tracked, more = self._judge(cronjob, tracked, now)
            records += more
        self._tracked[cronjob.uid] = tracked
        return records

    def _forget_removed(self) -> None:
        present = {cronjob.uid for cronjob in self._cache.cronjobs.values()}
        for uid in self._tracked.keys() - present:
            del self._tracked[uid]

    def _begin_tracking(self, cronjob: CronJobObject, since: datetime) -> _TrackedSlots:
        """Begin with a CronJob; the slot before `since` may still be open if it was watched before."""
        plan = self._plan(cronjob)
        created = cronjob.created_at or self._clock.now()
        before = plan.schedule.previous(since) if plan.schedule else None
        has_runs = bool(self._history.executions.newest(limit=1, cronjob_id=cronjob.uid).items)
        watched_before = has_runs or created >= self._watched_since
        start = before - timedelta(seconds=1) if before is not None and watched_before else since
        return _TrackedSlots(plan=plan, judged_until=max(created, start, self._watched_since))

    def _judge(
        self, cronjob: CronJobObject, tracked: _TrackedSlots, now: datetime
    ) -> tuple[_TrackedSlots, list[CronJobExecution]]:
        """Judge the slots that are due; slots that are still open are judged again at each update."""
        plan = tracked.plan
        due = slot_rules.due_slots(plan, tracked.judged_until, now)
        runs: Sequence[CronJobExecution] = ()
        if due:
            limit = len(due) + EXTRA_RUNS
            runs = self._history.executions.newest(limit=limit, cronjob_id=cronjob.uid).items
        outcomes = slot_rules.judge_slots(
            plan=plan,
            slots=due,
            ran={run.scheduled_at for run in runs if run.scheduled_at},
            now=now,
            grace=self._grace(),
            was_running_at=partial(slot_rules.was_running, runs),
        )
        records = [self._record(cronjob, slot, outcome) for slot, outcome in outcomes if outcome in MISSED]
        still_open = [(slot, outcome) for slot, outcome in outcomes if outcome not in MISSED]
        # Slots are settled from the oldest on: one that is still open holds back all that follow, which are
        # judged again at the next update. Their records are put by slot, so nothing is recorded twice.
        settled = due[-1] if due else tracked.judged_until
        next_look = now + timedelta(days=1)
        if plan.schedule and not plan.suspended:
            next_look = plan.schedule.next(now) or next_look
        if still_open:
            settled = still_open[0][0] - timedelta(seconds=1)
            next_look = now
        standing = _find_open_slots(cronjob, still_open)
        return _TrackedSlots(
            plan=plan, judged_until=settled, next_check_at=next_look, open_slots=standing
        ), records

    def _records_of_old_plan(self, cronjob: CronJobObject, tracked: _TrackedSlots) -> list[CronJobExecution]:
        """Return the record of the slot that was late when the plan changed: it cannot start any more."""
        late = tracked.open_slots.late_since
        if late is None or late in self._slots_with_runs(cronjob.uid, late):
            return []
        return [self._record(cronjob, late, SlotOutcome.NOT_STARTED)]

    def _record(self, cronjob: CronJobObject, slot: datetime, outcome: SlotOutcome) -> CronJobExecution:
        """Return the record of a slot without a Job: missed, unless the cluster shows that it was started."""
        events = self._cache.events_about(cronjob.namespace, cronjob.uid)
        if missed_runs.was_started(cronjob, slot, events):
            return missed_runs.build_started_record(cronjob, slot, events)
        return missed_runs.build_missed_record(cronjob, slot, outcome, events)

    def _plan(self, cronjob: CronJobObject) -> SlotPlan:
        return slot_rules.plan_slots(cronjob, self._controller_zone())

    def _slots_with_runs(self, cronjob_id: str, since: datetime) -> set[datetime]:
        """Return the slots of the runs that were created since a day before `since`."""
        day = timedelta(days=1)
        page = self._history.executions.newest(limit=10_000, since=since - day, cronjob_id=cronjob_id)
        return {run.scheduled_at for run in page.items if run.scheduled_at}

    def _put_new(self, records: Sequence[CronJobExecution], changes: RunChanges) -> None:
        """Put what is new, in the turn in which it was judged: a run that begins later takes its place."""
        for record in records:
            if self._history.executions.get(record.id) is None:
                changes.put(None, record)

    async def _save(self, changes: RunChanges, now: datetime) -> None:
        """Record the changes, and up to when the cluster was watched, in one commit."""
        if changes.is_empty and self._saved_at is not None and now - self._saved_at < SAVE_INTERVAL:
            return
        self._history.facts.set(watch_key(self._cluster_id()), now, since=self._watched_since)
        try:
            await changes.commit()
        except KronkeepError as fault:
            log.error("missed slots cannot be recorded now: %s", fault)
            self._saved_at = None
        else:
            self._saved_at = now


def _find_open_slots(cronjob: CronJobObject, still_open: Sequence[tuple[datetime, SlotOutcome]]) -> OpenSlots:
    """A slot that the CronJob's status says was started is not late: only its Job has not been seen yet."""
    started = cronjob.last_scheduled_at
    late = [slot for slot, outcome in still_open if outcome is SlotOutcome.LATE and slot != started]
    delayed = [slot for slot, outcome in still_open if outcome is SlotOutcome.DELAYED]
    return OpenSlots(late[0] if late else None, delayed[0] if delayed else None)
