"""The backup planner: makes the backups that are due, and moves those that have not ended.

Every step is recorded before it is taken: a backup is `waiting` from the moment its run is seen, `queued`
when its archive may start, and `running` with its Job's name before that Job is created. The name is derived
from the backup, so a daemon that was killed in between finds its Job again and does not make a second one.

A pass reads the current state and decides by `planning_rules`; it may be repeated at any time, because the id
of a backup is derived from its policy and its run or slot.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from operator import attrgetter
from typing import Literal

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import BackupExecution, BackupPolicy, CronJobExecution
from kronkeep_common.reasons import Reason
from kronkeep_common.states import (
    BACKUP_TRANSITIONS,
    EXECUTION_TRANSITIONS,
    BackupStatus,
    ExecutionStatus,
    is_final,
)
from kronkeep_common.text import clean
from kronkeep_daemon.backups import planning_rules, policy_annotations
from kronkeep_daemon.backups.archiver import Archiver
from kronkeep_daemon.backups.backup_records import BackupRecords, backup_id_for
from kronkeep_daemon.backups.first_comparisons import FirstComparisons
from kronkeep_daemon.backups.planning_rules import BackupTransition, transition_for
from kronkeep_daemon.backups.policy_annotations import PolicyCarrier
from kronkeep_daemon.backups.policy_lookup import PolicyLookup
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.events import (
    ActingChanged,
    Bus,
    ClaimChanged,
    CronJobChanged,
    ExecutionChanged,
    StorageChanged,
)
from kronkeep_daemon.history import History
from kronkeep_daemon.history.facts import policy_seen_key
from kronkeep_daemon.kube.objects import CronJobRef
from kronkeep_daemon.kube.subjects import PolicySubject
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
TICK_SECONDS = 15.0
RESTS = 5  # times as long as a pass took, before the next one
LONGEST_PASS_REST = 1.0  # seconds
RECENT_RUNS = 20
MOST_UNFINISHED = 1000
LONGEST_WAIT = timedelta(days=7)  # for a run to end
LONGEST_QUEUE = timedelta(days=1)  # for a repository to be free
NEW_CRONJOB = timedelta(minutes=1)
PUNCTUAL = timedelta(minutes=2)  # a scheduled backup that starts later is a catch-up
ROUNDING = timedelta(seconds=1)  # of times in the history
_RUNS_READ = {
    status: RECENT_RUNS if is_final(EXECUTION_TRANSITIONS, status) else MOST_UNFINISHED
    for status in ExecutionStatus
}
BackupTrigger = Literal["after-run", "scheduled", "manual", "catch-up"]


class BackupPlanner:
    """Planner of the backups of all policies, on the clusters where this daemon acts."""

    def __init__(
        self,
        *,
        cronjobs: CronJobService,
        policies: PolicyLookup,
        records: BackupRecords,
        first_comparisons: FirstComparisons,
        archiver: Archiver,
        history: History,
        bus: Bus,
        clock: Clock,
        settings: Callable[[], Settings],
        supervisor: Supervisor,
    ) -> None:
        self._cronjobs = cronjobs
        self._policies = policies
        self._records = records
        self._first_comparisons = first_comparisons
        self._archiver = archiver
        self._history = history
        self._clock = clock
        self._settings = settings
        self._supervisor = supervisor
        self._settled: dict[str, tuple[object, ...]] = {}  # CronJobs of which nothing was due, and as of what
        self._stopping: set[str] = set()  # backups that are being cancelled
        self._wake = asyncio.Event()
        bus.trigger(self._wake, ExecutionChanged, CronJobChanged, ClaimChanged)
        bus.trigger(self._wake, ActingChanged, StorageChanged)

    def start(self) -> None:
        """Start planning; the first pass continues what a stop of the daemon interrupted."""
        self._supervisor.start("backup planner", self._plan_forever, death="restart")

    async def _plan_forever(self) -> None:
        await self._cronjobs.wait_until_one_synced()
        while True:
            began = self._clock.monotonic()
            try:
                await self._plan()
            except KronkeepError as fault:
                log.warning("planning backups: %s", fault)
            # A pass looks at every policy, and each change of a run asks for one.
            await self._clock.sleep(min(RESTS * (self._clock.monotonic() - began), LONGEST_PASS_REST))
            try:
                async with asyncio.timeout(TICK_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                continue
            finally:
                self._wake.clear()

    async def _plan(self) -> None:
        """Make the backups that are due, then move those that have not ended.

        On a cluster where another daemon acts, only backups that people asked this daemon for are moved.
        """
        now = self._clock.now()
        present: set[str] = set()
        async for cronjob in self._cronjobs.carriers_led_here():
            present.add(cronjob.uid)
            carrier = policy_annotations.carrier_of(cronjob)
            if carrier is not None and carrier.policy.enabled:
                await self.plan_policy(cronjob, carrier, now)
        self._settled = {uid: versions for uid, versions in self._settled.items() if uid in present}
        for status in (BackupStatus.WAITING, BackupStatus.QUEUED, BackupStatus.RUNNING):
            for backup in self._history.backups.newest(limit=1000, status=status).items:
                if backup.trigger == "manual" or self._cronjobs.leads.leads(backup.cluster):
                    await self._move(backup.id, now)

    async def plan_policy(self, cronjob: PolicySubject, carrier: PolicyCarrier, now: datetime) -> None:
        """Make the backups of a policy that are due."""
        policy = carrier.policy
        # Recorded only here, where this daemon acts and the policy is enabled: a daemon that takes over, or a
        # policy that is switched on, must not archive the runs that ended before.
        first_seen = self._history.facts.first_seen(
            policy_seen_key(cronjob.uid, policy.id), self._earliest_first_seen(cronjob)
        )
        if policy.schedule is not None:
            await self._plan_scheduled(cronjob, carrier, first_seen, now)
            return
        versions = self._versions_of(cronjob, policy)
        if self._settled.get(cronjob.uid) == versions:
            return
        due = [
            run
            for run in self.candidate_runs(cronjob.uid, now)
            if run.created_at >= first_seen and self._records.id_after_run(run) is None
        ]
        for run in reversed(due):
            if run.ended_at is None or not self._may_have_backup(cronjob, policy, run.ended_at):
                await self.create_after_run(cronjob, policy, run)
        has_runs_ahead = self._history.executions.newest(
            limit=1, cronjob_id=cronjob.uid, since=now + ROUNDING
        )
        if not due and not has_runs_ahead.items:
            self._settled[cronjob.uid] = versions

    def _versions_of(self, cronjob: PolicySubject, policy: BackupPolicy) -> tuple[object, ...]:
        """Return a value that differs after each change of the policy, the runs and the backups."""
        runs = self._history.executions.version_of(cronjob.uid)
        return policy, runs, self._history.backups.version_of(cronjob.uid)

    async def _plan_scheduled(
        self,
        cronjob: PolicySubject,
        carrier: PolicyCarrier,
        first_seen: datetime,
        now: datetime,
    ) -> None:
        last = self._records.newest(carrier, until=now + ROUNDING)
        since = last.due_at or last.created_at if last else first_seen
        slot = planning_rules.due_slot(carrier.policy, since, now, self._settings().controller_zone)
        if slot is None or self._may_have_backup(cronjob, carrier.policy, slot):
            return
        run = planning_rules.newest_archivable_run(self.candidate_runs(cronjob.uid, now), carrier.policy)
        # Without a run too: the data is there before the CronJob's first run, and with a claim there is none.
        trigger: BackupTrigger = "scheduled" if now - slot < PUNCTUAL else "catch-up"
        await self.create(cronjob, carrier.policy, run, trigger, key=slot.isoformat(), due_at=slot)

    def _may_have_backup(self, cronjob: PolicySubject, policy: BackupPolicy, at: datetime) -> bool:
        """Return whether a backup of that time may be in the policy's storage without a record yet."""
        return self._first_comparisons.may_have_backup(cronjob.cluster, policy.storage_id, at)

    def candidate_runs(self, cronjob_id: str, now: datetime) -> list[CronJobExecution]:
        """Return the runs that a backup may follow, newest first.

        They are all that have not ended, the newest that have, and what was missed since, so that many missed
        runs hide no run that ended. A run that is dated later than now, by a clock that was ahead, is none.
        """
        by_status = {
            status: self._history.executions.newest(
                limit=limit, cronjob_id=cronjob_id, status=status, until=now + ROUNDING
            ).items
            for status, limit in _RUNS_READ.items()
        }
        missed = by_status.pop(ExecutionStatus.MISSED)
        ended = _newest_first(
            run
            for status in by_status
            if is_final(EXECUTION_TRANSITIONS, status)
            for run in by_status[status]
        )[:RECENT_RUNS]
        unfinished = [
            run
            for status in by_status
            if not is_final(EXECUTION_TRANSITIONS, status)
            for run in by_status[status]
        ]
        since = ended[-1].created_at if ended else datetime.min.replace(tzinfo=UTC)
        return _newest_first([*ended, *unfinished, *(run for run in missed if run.created_at > since)])

    def first_seen(self, cronjob: PolicySubject, policy: BackupPolicy) -> datetime:
        """Return when the policy was first seen, or would be now; runs before it are not archived."""
        fact = self._history.facts.get(policy_seen_key(cronjob.uid, policy.id))
        if fact is not None and fact.created_at <= self._clock.now():
            return fact.created_at
        return self._earliest_first_seen(cronjob)

    def _earliest_first_seen(self, cronjob: PolicySubject) -> datetime:
        """Return now, or the creation of a CronJob that is younger than a minute.

        The first run of a CronJob that was created with its policy may begin before the planner sees them.
        """
        now = self._clock.now()
        created_at = cronjob.created_at or now
        return created_at if now - created_at < NEW_CRONJOB else now

    async def create_after_run(
        self, cronjob: PolicySubject, policy: BackupPolicy, run: CronJobExecution
    ) -> BackupExecution:
        """Record the backup that waits for a run, unless it exists; return it."""
        return await self.create(cronjob, policy, run, "after-run", key=run.id)

    async def create(
        self,
        cronjob: PolicySubject,
        policy: BackupPolicy,
        run: CronJobExecution | None,
        trigger: BackupTrigger,
        *,
        key: str,
        due_at: datetime | None = None,
        overrides: Mapping[str, str] | None = None,
    ) -> BackupExecution:
        """Record a new backup, or return the one with that key of the same policy and CronJob.

        run: the run whose result is archived; None where it is not known.
        due_at: the slot of a scheduled backup.
        overrides: `backup_type` and `compression` where they differ from the policy's.
        """
        backup_id = backup_id_for(
            cluster=cronjob.cluster, cronjob_id=cronjob.uid, policy_id=policy.id, key=key
        )
        existing = self._history.backups.get(backup_id)
        if existing is not None:
            return existing
        now = self._clock.now()
        changed = dict(overrides or {})
        waits = trigger == "after-run"
        backup = BackupExecution(
            id=backup_id,
            cluster=cronjob.cluster,
            namespace=cronjob.namespace,
            cronjob=clean(cronjob.name, policy_annotations.LONGEST_NAME),
            cronjob_id=cronjob.uid,
            cronjob_execution_id=run.id if run else None,
            policy_id=policy.id,
            policy_revision=policy_annotations.revision_of(policy),
            policy=policy,
            storage_id=policy.storage_id,
            backup_type=changed.get("backup_type", policy.backup_type),  # type: ignore[arg-type]
            overrides=changed,
            trigger=trigger,
            status=BackupStatus.WAITING if waits else BackupStatus.QUEUED,
            created_at=now,
            due_at=due_at,
            deadline_at=now + (LONGEST_WAIT if waits else LONGEST_QUEUE),
        )
        await self._records.put(None, backup)
        return backup

    async def _move(self, backup_id: str, now: datetime) -> None:
        # Read again: while the pass moved others it may have been cancelled, or is being so now.
        backup = self._records.get(backup_id)
        if backup_id in self._stopping:
            return
        # The Lease is held before all is listed: what is not seen yet is not gone.
        if self._policies.is_unlisted(CronJobRef.of(backup)):
            return
        if backup.status is BackupStatus.WAITING:
            await self._follow_run(backup, now)
            backup = self._records.get(backup.id)
        if backup.status in (BackupStatus.QUEUED, BackupStatus.RUNNING):
            self.start_archive(backup)

    async def _follow_run(self, backup: BackupExecution, now: datetime) -> None:
        run = self._history.executions.get(backup.cronjob_execution_id or "")
        fault = self._policies.fault_of(CronJobRef.of(backup))
        if run is not None and fault is not None:
            wait = planning_rules.wait_for_policy(backup, fault, now)
            if wait.status is BackupStatus.WAITING:
                await self._explain_wait(backup, wait)
            else:
                await self.record_transition(backup, wait)
            return
        policy = self._policies.policy_of(CronJobRef.of(backup))
        if run is None or policy is None:
            await self.record_transition(backup, transition_for(BackupStatus.CANCELLED, Reason.POLICY_GONE))
            return
        transition = planning_rules.transition_after_run(run, policy, now)
        transition = transition or planning_rules.transition_at_deadline(backup, now)
        if transition is not None:
            await self.record_transition(backup, transition)
            return
        await self._explain_wait(backup, planning_rules.wait_for_run(run))
        if run.ended_at is not None and policy.delay_seconds:
            self._wake_after(policy.delay_seconds)

    async def _explain_wait(self, backup: BackupExecution, wait: BackupTransition) -> None:
        """Record why a backup waits, where that has changed."""
        words = {"reason": wait.reason, "message": wait.message, "next_step": wait.next_step}
        explained = msgspec.structs.replace(backup, **words)
        if explained != backup:
            await self._records.put(backup, explained)

    def _wake_after(self, seconds: float) -> None:
        asyncio.get_running_loop().call_later(min(seconds, TICK_SECONDS) + 0.05, self._wake.set)

    async def record_transition(self, backup: BackupExecution, transition: BackupTransition) -> None:
        """Record the backup in its next status, with the end time or deadline that goes with it."""
        now = self._clock.now()
        final = is_final(BACKUP_TRANSITIONS, transition.status)
        moved = msgspec.structs.replace(
            backup,
            status=transition.status,
            reason=transition.reason,
            message=transition.message,
            next_step=transition.next_step,
            deadline_at=None if final else now + LONGEST_QUEUE,
            ended_at=now if final else None,
        )
        await self._records.put(backup, moved)

    def start_archive(self, backup: BackupExecution) -> None:
        """Start the task that archives a backup, unless it is running or the backup has ended."""
        name = _archive_task(backup.id)
        has_ended = is_final(BACKUP_TRANSITIONS, backup.status)
        if not has_ended and not self._supervisor.running(name):
            self._supervisor.start(name, partial(self._archiver.run, backup.id), death="quiet")

    @asynccontextmanager
    async def stop_archive(self, backup_id: str) -> AsyncIterator[None]:
        """Stop the task that archives a backup and delete its Jobs; no pass begins it again in the block."""
        self._stopping.add(backup_id)
        try:
            await self._supervisor.stop(_archive_task(backup_id))
            await self._archiver.remove_jobs(self._records.get(backup_id))
            yield
        finally:
            self._stopping.discard(backup_id)


def _newest_first(runs: Iterable[CronJobExecution]) -> list[CronJobExecution]:
    return sorted(runs, key=attrgetter("created_at"), reverse=True)


def _archive_task(backup_id: str) -> str:
    return f"archive {backup_id}"
