"""Which drills are due, and of which backups: from policies, past drills and the time.

A drill's id is made from its policy and its slot, so a slot is drilled once, whoever records it. After
downtime the newest slot alone is caught up.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from operator import attrgetter

from kronkeep_common.clock import Clock
from kronkeep_common.errors import PolicyNotFound
from kronkeep_common.models import BackupExecution, BackupPolicy, Drill, Restore
from kronkeep_common.schedule import Schedule
from kronkeep_common.states import BackupStatus, RestoreStatus
from kronkeep_daemon.backups import policy_annotations
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.backups.policy_annotations import PolicyCarrier
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.history import History
from kronkeep_daemon.history.facts import drill_seen_key
from kronkeep_daemon.history.record_ids import derive_id, new_id
from kronkeep_daemon.kube.objects import CronJobObject, CronJobRef
from kronkeep_daemon.restores.restore_records import RestoreRecords, new_restore
from kronkeep_daemon.settings import Settings

DEADLINE_SECONDS = Drill(schedule="@daily").deadline_seconds  # of a verification


def due_slot(drill: Drill, since: datetime, now: datetime, zone: str) -> datetime | None:
    """Return the newest slot in (since, now], or None; `zone` is the CronJob controller's time zone."""
    schedule = Schedule.parse(drill.schedule, drill.time_zone, controller_zone=zone)
    slot = schedule.previous(now + timedelta(seconds=1))
    return slot if slot is not None and slot > since else None


def pick_backup(backups: Sequence[BackupExecution], how: str, seed: str) -> BackupExecution | None:
    """Return the backup to drill, or None without any.

    backups: good ones, newest first.
    how: `random`, or the newest.
    seed: hexadecimal; the same seed picks the same backup at random.
    """
    if not backups:
        return None
    return backups[int(seed, 16) % len(backups)] if how == "random" else backups[0]


class Drills:
    """The drills of the policies in the clusters on which this daemon acts."""

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

    async def record_due(self) -> list[Restore]:
        """Record and return the drills that are due now."""
        drills = []
        for cronjob in self._cronjobs.cronjobs_led_here():
            carrier = policy_annotations.carrier_of(cronjob)
            policy = carrier.policy if carrier else None
            if carrier is None or policy is None or policy.drill is None or not policy.enabled:
                continue
            since = await self._last_slot(policy, cronjob.uid)
            slot = due_slot(policy.drill, since, self._clock.now(), self._settings().controller_zone)
            if slot is not None:
                drill_id = derive_id("drill", cronjob.cluster, cronjob.uid, policy.id, slot.isoformat())
                drills.append(await self._record(cronjob, carrier, drill_id, slot))
        return drills

    async def record_now(self, ref: CronJobRef, key: str | None) -> Restore:
        """Record and return a drill that somebody asked for; the same `key` is the same drill.

        Raises CronJobNotFound, PolicyNotFound.
        """
        cronjob = self._cronjobs.find(ref)
        carrier = policy_annotations.carrier_of(cronjob)
        if carrier is None:
            fault = policy_annotations.read_policy(cronjob).fault
            raise PolicyNotFound(fault or f"{ref} has no backup policy.")
        drill_id = derive_id("drill request", key) if key else new_id()
        return await self._record(cronjob, carrier, drill_id, None)

    async def record_verification(self, backup: BackupExecution) -> Restore:
        """Record and return the verification of one backup."""
        now = self._clock.now()
        verification_id = new_id()
        deadline = now + timedelta(seconds=DEADLINE_SECONDS)
        return await self._records.add(
            new_restore(backup, verification_id, now, purpose="verify", deadline_at=deadline)
        )

    async def _last_slot(self, policy: BackupPolicy, cronjob_id: str) -> datetime:
        """Return the last slot that was drilled, or else when the drill was first seen."""
        past = self._history.restores.newest(limit=100, policy_id=policy.id, cronjob_id=cronjob_id).items
        slots = [restore.due_at for restore in past if restore.due_at is not None]
        if slots:
            return max(slots)
        first = self._history.facts.first_seen(drill_seen_key(cronjob_id, policy.id), self._clock.now())
        await self._history.commit()
        return first

    async def _record(
        self, cronjob: CronJobObject, carrier: PolicyCarrier, drill_id: str, slot: datetime | None
    ) -> Restore:
        drill = carrier.policy.drill or Drill(schedule="@daily")
        now = self._clock.now()
        deadline = now + timedelta(seconds=drill.deadline_seconds)
        backup = pick_backup(self._good_backups(carrier), drill.pick, drill_id)
        if backup is None:
            return await self._records.add(
                self._without_backup(cronjob, carrier.policy, drill_id, slot, deadline)
            )
        return await self._records.add(
            new_restore(backup, drill_id, now, purpose="drill", due_at=slot, deadline_at=deadline)
        )

    def _good_backups(self, carrier: PolicyCarrier) -> list[BackupExecution]:
        """Return the backups of a policy that succeeded and have a snapshot, newest first."""
        backups = self._backups.with_snapshot(carrier)
        good = [backup for backup in backups if backup.status is BackupStatus.SUCCEEDED]
        return sorted(good, key=attrgetter("created_at"), reverse=True)

    def _without_backup(
        self,
        cronjob: CronJobObject,
        policy: BackupPolicy,
        drill_id: str,
        slot: datetime | None,
        deadline: datetime,
    ) -> Restore:
        """Return a drill that has no backup to restore, and will fail for that reason."""
        return Restore(
            id=drill_id,
            cluster=cronjob.cluster,
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
