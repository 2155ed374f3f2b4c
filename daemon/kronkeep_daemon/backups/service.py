"""The backup service: is told of runs, decides what is due, archives, says truthfully how it went.

Every step is recorded before it is taken: a backup is `waiting` from the moment its run appears, `queued`
when it is due, `running` with its Job's name before that Job is created. The name is made from the
backup, so a daemon that was killed in between finds its Job again instead of making another.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError, NotAllowedNow, PolicyNotFound
from kronkeep_common.models import BackupExecution, BackupPolicy, CronJobExecution
from kronkeep_common.reasons import Reason
from kronkeep_common.states import BACKUP_TRANSITIONS, BackupStatus, is_final
from kronkeep_common.text import clean
from kronkeep_daemon.backups import planning_rules, policy_annotations
from kronkeep_daemon.backups.archiver import Archiver
from kronkeep_daemon.backups.backup_records import BackupRecords, backup_id_for
from kronkeep_daemon.backups.planning_rules import (
    BackupTransition,
    transition_after_run,
    transition_at_deadline,
)
from kronkeep_daemon.backups.policy_annotations import Carrier
from kronkeep_daemon.backups.policy_lookup import PolicyLookup
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.events import ActingChanged, Bus, CronJobChanged, ExecutionChanged
from kronkeep_daemon.history import History
from kronkeep_daemon.history.facts import policy_seen
from kronkeep_daemon.kube.objects import CronJobObject, CronJobRef
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
TICK_SECONDS = 15.0
SLICE = 100  # CronJobs read between two turns of the event loop
LONGEST_WAIT = timedelta(days=7)  # for a run to end
LONGEST_QUEUE = timedelta(days=1)  # for a repository to be free


class BackupService:
    """Backups of the CronJobs of every cluster, each made in its own."""

    def __init__(
        self,
        *,
        cronjobs: CronJobService,
        policies: PolicyLookup,
        records: BackupRecords,
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
        self._archiver = archiver
        self._history = history
        self._clock = clock
        self._settings = settings
        self._supervisor = supervisor
        self._wake = asyncio.Event()
        bus.trigger(self._wake, ExecutionChanged, CronJobChanged, ActingChanged)

    def start(self) -> None:
        """Starts planning and goes on with what a stop of the daemon cut off."""
        self._supervisor.start("backup planner", self._plan_forever, death="restart")

    async def _plan_forever(self) -> None:
        await self._cronjobs.some_synced()
        while True:
            try:
                await self._plan()
            except KronkeepError as fault:
                log.warning("planning backups: %s", fault)
            try:
                async with asyncio.timeout(TICK_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                continue
            finally:
                self._wake.clear()

    async def _plan(self) -> None:
        """Brings every policy up to date: new backups, waiting ones that may go on, archives to run.

        On a cluster where another daemon acts, only what people asked this one for goes on.
        """
        now = self._clock.now()
        leads = self._cronjobs.leads
        await self._record_first_seen()
        for cronjob in self._cronjobs.acting():
            found = policy_annotations.carrier(cronjob)
            if found is not None and found.policy.enabled:
                await self._plan_policy(cronjob, found, now)
                await asyncio.sleep(0)  # there may be thousands: others go on in between
        for status in (BackupStatus.WAITING, BackupStatus.QUEUED, BackupStatus.RUNNING):
            for backup in self._history.backups.newest(limit=1000, status=status).items:
                if backup.trigger == "manual" or leads.leads(backup.cluster):
                    await self._step(backup, now)

    async def _record_first_seen(self) -> None:
        """Record when each policy was first seen, on the clusters where another daemon acts too."""
        for number, cronjob in enumerate(self._cronjobs.objects(), 1):
            policy = policy_annotations.read(cronjob).policy
            if policy is not None:
                key = policy_seen(cronjob.uid, policy.id)
                self._history.facts.first_seen(key, self._policy_start(cronjob))
            if number % SLICE == 0:
                await asyncio.sleep(0)

    async def _plan_policy(self, cronjob: CronJobObject, carrier: Carrier, now: datetime) -> None:
        found = carrier.policy
        began = self._policy_first_seen(cronjob, found)
        runs = self._history.executions.newest(limit=20, cronjob_id=cronjob.uid).items
        if found.schedule is None:
            for run in reversed(runs):
                if run.created_at >= began and self._records.id_after_run(run) is None:
                    await self._expect(cronjob, found, run)
            return
        last = self._records.last(carrier)
        since = last.due_at or last.created_at if last else began
        slot = planning_rules.due_slot(found, since, now, self._settings().controller_zone)
        run_found = planning_rules.newest_archivable_run(runs, found)
        if slot is not None and run_found is not None:
            trigger = "scheduled" if now - slot < timedelta(minutes=2) else "catch-up"
            await self._new(cronjob, found, run_found, trigger, due_at=slot, key=slot.isoformat())

    def _policy_first_seen(self, cronjob: CronJobObject, policy: BackupPolicy) -> datetime:
        """Return when the policy was first seen, or would be now; runs before it are not archived."""
        fact = self._history.facts.get(policy_seen(cronjob.uid, policy.id))
        return fact.created_at if fact else self._policy_start(cronjob)

    def _policy_start(self, cronjob: CronJobObject) -> datetime:
        """Return now, or the creation of a CronJob that is younger than a minute."""
        now = self._clock.now()
        created = cronjob.created_at or now
        return created if now - created < timedelta(minutes=1) else now

    async def _expect(
        self, cronjob: CronJobObject, found: BackupPolicy, run: CronJobExecution
    ) -> BackupExecution:
        """Return the backup that belongs to a run; it names the run, and no run's record names it."""
        return await self._new(cronjob, found, run, "after-run", due_at=None, key=run.id)

    async def _new(
        self,
        cronjob: CronJobObject,
        found: BackupPolicy,
        run: CronJobExecution | None,
        trigger: Any,
        *,
        due_at: datetime | None,
        key: str,
        overrides: dict[str, str] | None = None,
    ) -> BackupExecution:
        now = self._clock.now()
        backup_id = backup_id_for(found.id, cronjob.uid, key)
        known = self._history.backups.get(backup_id)
        if known is not None:
            return known
        backup = BackupExecution(
            id=backup_id,
            cluster=cronjob.cluster,
            namespace=cronjob.namespace,
            cronjob=clean(cronjob.name, 253),
            cronjob_id=cronjob.uid,
            cronjob_execution_id=run.id if run else None,
            policy_id=found.id,
            policy_revision=policy_annotations.revision(found),
            policy=found,
            storage_id=found.storage_id,
            backup_type=(overrides or {}).get("backup_type", found.backup_type),  # type: ignore[arg-type]
            overrides=overrides or {},
            trigger=trigger,
            status=BackupStatus.WAITING if trigger == "after-run" else BackupStatus.QUEUED,
            created_at=now,
            due_at=due_at,
            deadline_at=now + (LONGEST_WAIT if trigger == "after-run" else LONGEST_QUEUE),
        )
        await self._records.put(None, backup)
        return backup

    async def _step(self, backup: BackupExecution, now: datetime) -> None:
        if backup.status is BackupStatus.WAITING:
            await self._follow(backup, now)
            backup = self.get(backup.id)
        if backup.status in (BackupStatus.QUEUED, BackupStatus.RUNNING):
            self._begin(backup)

    async def _follow(self, backup: BackupExecution, now: datetime) -> None:
        run = self._history.executions.get(backup.cronjob_execution_id or "")
        found = self._policies.policy_of(CronJobRef.of(backup))
        if run is None or found is None:
            gone = BackupTransition(
                status=BackupStatus.CANCELLED,
                reason=Reason.POLICY_GONE,
                message=Reason.POLICY_GONE.meaning,
                next_step=Reason.POLICY_GONE.next_step,
            )
            await self._settle(backup, gone, now)
            return
        transition = transition_after_run(run, found, now) or transition_at_deadline(backup, now)
        if transition is not None:
            await self._settle(backup, transition, now)
        elif run.ended_at is not None and found.delay_seconds:
            self._wake_later(found.delay_seconds)

    def _wake_later(self, seconds: float) -> None:
        asyncio.get_running_loop().call_later(min(seconds, TICK_SECONDS) + 0.05, self._wake.set)

    async def _settle(self, backup: BackupExecution, transition: BackupTransition, now: datetime) -> None:
        final = is_final(BACKUP_TRANSITIONS, transition.status)
        new = msgspec.structs.replace(
            backup,
            status=transition.status,
            reason=transition.reason,
            message=transition.message,
            next_step=transition.next_step,
            deadline_at=None if final else now + LONGEST_QUEUE,
            ended_at=now if final else None,
        )
        await self._records.put(backup, new)

    def _begin(self, backup: BackupExecution) -> None:
        name = f"archive {backup.id}"
        if not self._supervisor.running(name):
            self._supervisor.start(name, lambda: self._archiver.run(backup.id), death="quiet")

    def get(self, backup_id: str) -> BackupExecution:
        """One backup; raises BackupNotFound."""
        return self._records.get(backup_id)

    async def pin(self, backup_id: str, pinned: bool) -> BackupExecution:
        """Keeps retention from a backup's snapshot, or lets it go on; raises NotAllowedNow."""
        old = self.get(backup_id)
        if pinned and (old.result is None or old.snapshot_removed_at is not None):
            raise NotAllowedNow("The backup has no snapshot that could be kept.")
        new = msgspec.structs.replace(old, pinned=pinned)
        await self._records.put(old, new)
        return new

    def overdue(self, cronjob: CronJobObject, found: BackupPolicy, last_good: datetime | None) -> bool:
        """Whether the policy's recovery point is missed now."""
        return found.rpo_seconds is not None and planning_rules.misses_recovery_point(
            found, last_good, self._policy_first_seen(cronjob, found), self._clock.now()
        )

    async def back_up_now(
        self, ref: CronJobRef, overrides: dict[str, str], *, key: str | None = None
    ) -> BackupExecution:
        """Archives what the CronJob's claims hold now; linked to its newest run that succeeded.

        `overrides` (backup_type, compression) are kept in the record. The same `key` is the same backup.
        """
        cronjob = self._cronjobs.find(ref)
        found = policy_annotations.read(cronjob)
        if found.policy is None:
            raise PolicyNotFound(found.fault or f"{ref} has no backup policy.")
        runs = self._history.executions.newest(limit=20, cronjob_id=cronjob.uid).items
        run = planning_rules.newest_archivable_run(runs, found.policy)
        key = f"manual/{key or self._clock.now().isoformat()}"
        backup = await self._new(
            cronjob, found.policy, run, "manual", due_at=None, key=key, overrides=overrides
        )
        self._begin(backup)
        return backup

    async def expect_now(self, run: CronJobExecution) -> BackupExecution | None:
        """The linked backup of a run that has just been triggered, when its policy archives after runs.

        None where another daemon acts, which makes it.
        """
        if self._cronjobs.leads.stands_by(run.cluster):
            return None
        cronjob = self._cronjobs.find(CronJobRef.of(run))
        found = policy_annotations.read(cronjob).policy
        if found is None or not found.enabled or found.schedule is not None:
            return None
        return await self._expect(cronjob, found, self._cronjobs.execution(run.id))

    async def cancel(self, backup_id: str) -> BackupExecution:
        """Stops a backup that has not ended; its Jobs are deleted. Its post hooks run before it is over."""
        backup = self.get(backup_id)
        if is_final(BACKUP_TRANSITIONS, backup.status) or backup.ending is BackupStatus.CANCELLED:
            raise NotAllowedNow(f"The backup has ended already: {backup.ending or backup.status}.")
        await self._supervisor.stop(f"archive {backup.id}")
        await self._archiver.remove_jobs(self.get(backup_id))
        words = "The backup was cancelled by request."
        verdict = BackupTransition(
            status=BackupStatus.CANCELLED,
            reason=Reason.CANCELLED,
            message=words,
            next_step="Back up now when it is needed.",
        )
        old = self.get(backup_id)
        if old.status is BackupStatus.RUNNING and old.policy is not None and old.policy.hooks.post:
            _, reason, message, step = verdict
            ending = msgspec.structs.replace(
                old, ending=BackupStatus.CANCELLED, reason=reason, message=message, next_step=step
            )
            await self._records.put(old, ending)
            self._begin(ending)
        else:
            await self._settle(old, verdict, self._clock.now())
        return self.get(backup_id)
