"""Keeps account of every slot of one cluster's CronJobs: it ran, is late, was missed, or nobody watched.

Slots are only judged while CronJobs and Jobs are watched live. How far that reaches is kept every half
minute, so that after a stop, or a cut of more than a minute, the interval without a watch is known and told.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import CronJobExecution
from kronkeep_daemon.cronjobs import missed_runs, slot_rules
from kronkeep_daemon.cronjobs.cluster_cache import ClusterCache
from kronkeep_daemon.cronjobs.slot_rules import SlotOutcome, SlotPlan
from kronkeep_daemon.events import Bus, ExecutionChanged
from kronkeep_daemon.history import History
from kronkeep_daemon.history.facts import watch_key
from kronkeep_daemon.kube.objects import CronJobObject

log = logging.getLogger(__name__)
TICK_SECONDS = 10.0
KEEP_SECONDS = timedelta(seconds=30)
AWAY = timedelta(seconds=60)
MORE = 20  # runs that are read besides those of the slots that are due


class SlotStanding(NamedTuple):
    """How a CronJob stands: the oldest slot that is late, and the one that Forbid holds back."""

    late_since: datetime | None = None
    delayed_since: datetime | None = None


class _Account(NamedTuple):
    """One CronJob: its plan, the instant up to which its slots are settled, when to look again."""

    plan: SlotPlan
    settled: datetime
    next: datetime | None
    standing: SlotStanding


class SlotTracker:
    """The account of one cluster."""

    def __init__(
        self,
        *,
        cluster_id: str,
        seen: ClusterCache,
        history: History,
        bus: Bus,
        clock: Clock,
        live: Callable[[], bool],
        grace: Callable[[], timedelta],
        controller_zone: Callable[[], str],
    ) -> None:
        self._cluster = cluster_id
        self._seen = seen
        self._history = history
        self._bus = bus
        self._clock = clock
        self._live = live
        self._grace = grace
        self._zone = controller_zone
        self._accounts: dict[str, _Account] = {}
        self._watched_until: datetime | None = None
        self._watched_since = clock.now()
        self._kept: datetime | None = None

    async def run(self) -> None:
        """Looks every ten seconds, for ever."""
        while True:
            await self.update()
            await self._clock.sleep(TICK_SECONDS)

    async def update(self) -> None:
        """Brings the account up to now, where everything needed is watched."""
        if not self._live():
            return
        now = self._clock.now()
        since = self._watched_until or self._remembered(now)
        found = self._after_away(since, now) if now - since > AWAY else []
        found += self._settle_all(since, now)
        self._watched_until = now
        await self._keep(found, now)

    def standing(self, cronjob_id: str) -> SlotStanding:
        """How a CronJob stands as of the last look."""
        account = self._accounts.get(cronjob_id)
        return account.standing if account else SlotStanding()

    def _remembered(self, now: datetime) -> datetime:
        """How far the last life of the daemon watched; also since when this cluster is watched at all."""
        fact = self._history.facts.get(watch_key(self._cluster))
        if fact is None:
            self._watched_since = now
            return now
        self._watched_since = fact.since or now
        return fact.created_at

    def _after_away(self, since: datetime, now: datetime) -> list[CronJobExecution]:
        """The records that an interval without a watch leaves; what may still start is settled later."""
        found: list[CronJobExecution] = []
        for cronjob in list(self._seen.cronjobs.values()):
            uid = cronjob.uid
            account = self._accounts.get(uid) or self._opened(cronjob, since)
            plan = self._plan(cronjob)
            after = account.settled
            ran = self._ran(uid, after)
            due = [slot for slot in slot_rules.due_slots(plan, after, now) if slot not in ran]
            left = missed_runs.judge_unwatched(
                cronjob=cronjob, due=due, since=since, until=now, told=self._seen.events_about(uid)
            )
            found += left.records
            settled = left.open[0] - timedelta(seconds=1) if left.open else now
            self._accounts[uid] = _Account(plan=plan, settled=settled, next=None, standing=SlotStanding())
        return found

    def _settle_all(self, since: datetime, now: datetime) -> list[CronJobExecution]:
        found: list[CronJobExecution] = []
        present = set()
        for cronjob in list(self._seen.cronjobs.values()):
            uid = cronjob.uid
            present.add(uid)
            account = self._accounts.get(uid) or self._opened(cronjob, since)
            plan = self._plan(cronjob)
            if account.plan != plan:
                found += self._closed(cronjob, account)
                account = _Account(plan=plan, settled=now, next=None, standing=SlotStanding())
            if account.next is None or now >= account.next:
                account, more = self._settled(cronjob, account, now)
                found += more
            self._accounts[uid] = account
        for uid in self._accounts.keys() - present:
            del self._accounts[uid]
        return found

    def _opened(self, cronjob: CronJobObject, since: datetime) -> _Account:
        """A CronJob met for the first time: the slot before may still be open when it was watched before."""
        plan = self._plan(cronjob)
        born = self._born(cronjob)
        before = plan.schedule.previous(since) if plan.schedule else None
        known = self._history.executions.newest(limit=1, cronjob_id=cronjob.uid).items
        watched = bool(known) or born >= self._watched_since
        start = before - timedelta(seconds=1) if before is not None and watched else since
        return _Account(
            plan=plan, settled=max(born, start, self._watched_since), next=None, standing=SlotStanding()
        )

    def _settled(
        self, cronjob: CronJobObject, account: _Account, now: datetime
    ) -> tuple[_Account, list[CronJobExecution]]:
        plan = account.plan
        uid = cronjob.uid
        due = slot_rules.due_slots(plan, account.settled, now)
        runs = self._history.executions.newest(limit=len(due) + MORE, cronjob_id=uid).items if due else []
        ran = {run.scheduled_at for run in runs if run.scheduled_at}
        judged = slot_rules.judge_slots(
            plan=plan, slots=due, ran=ran, now=now, grace=self._grace(), held=slot_rules.held_by(runs)
        )
        found = [
            self._unseen(cronjob, slot, became) for slot, became in judged if became in slot_rules.MISSED
        ]
        waiting = [(slot, became) for slot, became in judged if became not in slot_rules.MISSED]
        settled = due[-1] if due else account.settled
        again = plan.schedule.next(now) if plan.schedule and not plan.suspended else now + timedelta(days=1)
        if waiting:
            settled = waiting[0][0] - timedelta(seconds=1)
            again = now
        return _Account(
            plan=plan, settled=settled, next=again, standing=self._standing(cronjob, waiting)
        ), found

    def _standing(
        self, cronjob: CronJobObject, waiting: Sequence[tuple[datetime, SlotOutcome]]
    ) -> SlotStanding:
        """A slot that the controller says it has started is not late: its Job is only still to be seen."""
        last = cronjob.last_scheduled_at
        late = [slot for slot, became in waiting if became is SlotOutcome.LATE and slot != last]
        delayed = [slot for slot, became in waiting if became is SlotOutcome.DELAYED]
        return SlotStanding(late[0] if late else None, delayed[0] if delayed else None)

    def _closed(self, cronjob: CronJobObject, account: _Account) -> list[CronJobExecution]:
        """What was late when the plan changed does not start by the old plan any more."""
        late = account.standing.late_since
        if late is None or late in self._ran(cronjob.uid, late):
            return []
        return [self._unseen(cronjob, late, SlotOutcome.NOT_STARTED)]

    def _unseen(self, cronjob: CronJobObject, slot: datetime, became: SlotOutcome) -> CronJobExecution:
        """A slot that is over without a Job: missed, unless the cluster says that it was started."""
        told = self._seen.events_about(cronjob.uid)
        if missed_runs.was_started(cronjob, slot, told):
            return missed_runs.started_record(cronjob, slot, told)
        return missed_runs.missed_record(cronjob, slot, became, told)

    def _plan(self, cronjob: CronJobObject) -> SlotPlan:
        return slot_rules.plan_slots(cronjob, self._zone())

    def _born(self, cronjob: CronJobObject) -> datetime:
        return cronjob.created_at or self._clock.now()

    def _ran(self, cronjob_id: str, since: datetime) -> set[datetime]:
        day = timedelta(days=1)
        page = self._history.executions.newest(limit=10_000, since=since - day, cronjob_id=cronjob_id)
        return {run.scheduled_at for run in page.items if run.scheduled_at}

    async def _keep(self, found: Sequence[CronJobExecution], now: datetime) -> None:
        """Makes the records and how far the watch reaches durable, and tells of the records."""
        new = [record for record in found if self._history.executions.get(record.id) is None]
        for record in new:
            self._history.executions.put(record)
        if self._kept is None or now - self._kept >= KEEP_SECONDS or new:
            self._remember(now)
            self._kept = now
            try:
                await self._history.commit()
            except KronkeepError as fault:
                log.error("the account of slots waits: %s", fault)
                self._kept = None
                return
        for record in new:
            self._bus.publish(ExecutionChanged(None, record))

    def _remember(self, now: datetime) -> None:
        self._history.facts.set(watch_key(self._cluster), now, since=self._watched_since)
