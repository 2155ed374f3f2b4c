"""Which drill is due, and of which backup; a function of policies, past drills and the time.

A drill's id is made from its policy and its slot, so a slot is drilled once, whoever asks; after downtime the
newest slot alone is caught up.
"""

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from kronkeep_common.clock import Clock
from kronkeep_common.errors import PolicyNotFound
from kronkeep_common.models import BackupExecution, BackupPolicy, Drill, Restore
from kronkeep_common.schedule import Schedule
from kronkeep_common.states import BackupStatus, RestoreStatus
from kronkeep_daemon.backups import policy_annotations as policies
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.history import History
from kronkeep_daemon.history.facts import drill_seen
from kronkeep_daemon.kube.objects import CronJobObject, CronJobRef
from kronkeep_daemon.repositories.job_names import short_hash
from kronkeep_daemon.restores.restore_records import RestoreRecords, of_backup
from kronkeep_daemon.settings import Settings

DEADLINE = Drill(schedule="@daily").deadline_seconds


def due_slot(drill: Drill, since: datetime, now: datetime, zone: str) -> datetime | None:
    """The newest slot in (since, now]; None where there is none."""
    schedule = Schedule.parse(drill.schedule, drill.time_zone, controller_zone=zone)
    slot = schedule.previous(now + timedelta(seconds=1))
    return slot if slot is not None and slot > since else None


def pick(good: Sequence[BackupExecution], how: str, seed: str) -> BackupExecution | None:
    """The newest good backup, or one by a seed, so that asking again picks the same; `good` newest first."""
    if not good:
        return None
    return good[int(seed, 16) % len(good)] if how == "random" else good[0]


class Drills:
    """The drills of the policies of the clusters on which this daemon acts."""

    def __init__(
        self,
        *,
        cronjobs: CronJobService,
        backups: BackupRecords,
        records: RestoreRecords,
        history: History,
        clock: Clock,
        settings: Callable[[], Settings],
    ) -> None:
        self._cronjobs = cronjobs
        self._backups = backups
        self._records = records
        self._history = history
        self._clock = clock
        self._settings = settings

    async def due(self) -> list[Restore]:
        """Records the drills that are due now."""
        found = []
        for cronjob in self._cronjobs.led_objects():
            carrier = policies.carrier(cronjob)
            policy = carrier.policy if carrier else None
            if carrier is None or policy is None or policy.drill is None or not policy.enabled:
                continue
            since = await self._since(policy, cronjob.uid)
            slot = due_slot(policy.drill, since, self._clock.now(), self._settings().controller_zone)
            if slot is not None:
                drill_id = short_hash(policy.id, cronjob.uid, "drill", slot.isoformat())
                found.append(await self._record(cronjob, carrier, drill_id, slot))
        return found

    async def now(self, ref: CronJobRef, key: str | None) -> Restore:
        """Records a drill by hand; raises PolicyNotFound. The same `key` is the same drill."""
        cronjob = self._cronjobs.find(ref)
        found = policies.carrier(cronjob)
        if found is None:
            raise PolicyNotFound(policies.read(cronjob).fault or f"{ref} has no backup policy.")
        return await self._record(cronjob, found, key[:12] if key else uuid.uuid4().hex[:12], None)

    async def verify(self, backup: BackupExecution) -> Restore:
        """Records the verification of one backup."""
        now = self._clock.now()
        drill_id = uuid.uuid4().hex[:12]
        deadline = now + timedelta(seconds=DEADLINE)
        return await self._records.add(
            of_backup(backup, drill_id, now, purpose="verify", deadline_at=deadline)
        )

    async def _since(self, policy: BackupPolicy, cronjob_id: str) -> datetime:
        """The last slot that was drilled, or when a drill was first seen, kept for restarts."""
        past = self._history.restores.newest(limit=100, policy_id=policy.id, cronjob_id=cronjob_id).items
        slots = [restore.due_at for restore in past if restore.due_at is not None]
        if slots:
            return max(slots)
        first = self._history.facts.first_seen(drill_seen(cronjob_id, policy.id), self._clock.now())
        await self._history.commit()
        return first

    async def _record(
        self, cronjob: CronJobObject, carrier: policies.Carrier, drill_id: str, slot: datetime | None
    ) -> Restore:
        policy = carrier.policy
        drill = policy.drill or Drill(schedule="@daily")
        good = [b for b in self._backups.with_snapshot(carrier) if b.status is BackupStatus.SUCCEEDED]
        good.sort(key=lambda b: b.created_at, reverse=True)
        backup = pick(good, drill.pick, drill_id)
        deadline = self._clock.now() + timedelta(seconds=drill.deadline_seconds)
        if backup is not None:
            made = of_backup(
                backup, drill_id, self._clock.now(), purpose="drill", due_at=slot, deadline_at=deadline
            )
            return await self._records.add(made)
        nothing = Restore(
            id=drill_id,
            cluster=carrier.cluster,
            namespace=cronjob.namespace,
            cronjob=cronjob.name,
            cronjob_id=cronjob.uid,
            policy_id=policy.id,
            backup_id=None,
            storage_id=policy.storage_id,
            purpose="drill",
            status=RestoreStatus.PENDING,
            created_at=self._clock.now(),
            due_at=slot,
            deadline_at=deadline,
        )
        return await self._records.add(nothing)
