"""Which drills are due, and of which backups: from policies, past drills and the time.

A drill's id is made from its policy and its slot, so a slot is drilled once, whoever records it; a fact
remembers the last slot, as its record expires. After downtime the newest slot alone is caught up.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import NamedTuple

from kronkeep_common.clock import Clock
from kronkeep_common.errors import CopyNotFound, PolicyNotFound
from kronkeep_common.models import BackupExecution, BackupPolicy, Drill, Restore
from kronkeep_common.schedule import Schedule
from kronkeep_common.states import BackupStatus, RestoreStatus
from kronkeep_common.text import clean
from kronkeep_daemon.backups import policy_annotations
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.backups.policy_annotations import PolicyCarrier
from kronkeep_daemon.copies.copy_records import CopyRecords
from kronkeep_daemon.copies.copy_rules import by_backup
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.history import History
from kronkeep_daemon.history.facts import drill_seen_key
from kronkeep_daemon.history.record_ids import derive_id, new_id
from kronkeep_daemon.kube.objects import CronJobRef
from kronkeep_daemon.kube.subjects import PolicySubject
from kronkeep_daemon.restores.backup_places import in_copy
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


class DrilledPlace(NamedTuple):
    """A drill of a policy, and the storage of the copy that is drilled; None for the policy's own storage."""

    copy_storage_id: str | None
    drill: Drill


def list_drilled_places(policy: BackupPolicy) -> list[DrilledPlace]:
    """Return the drills of a policy: of its own storage, and of its copies."""
    own = [DrilledPlace(None, policy.drill)] if policy.drill is not None else []
    return own + [
        DrilledPlace(copy.storage_id, copy.drill) for copy in policy.copies if copy.drill is not None
    ]


def _key_of(place: DrilledPlace) -> tuple[str, ...]:
    """Return what is part of ids and keys of a copy's drills beside those of the policy's own."""
    return () if place.copy_storage_id is None else (place.copy_storage_id,)


class Drills:
    """The drills of the policies in the clusters on which this daemon acts."""

    def __init__(
        self,
        *,
        cronjobs: CronJobService,
        backups: BackupRecords,
        copies: CopyRecords,
        records: RestoreRecords,
        history: History,
        clock: Clock,
        settings: Callable[[], Settings],
    ) -> None:
        self._cronjobs = cronjobs
        self._backups = backups
        self._copies = copies
        self._records = records
        self._history = history
        self._clock = clock
        self._settings = settings

    async def record_due(self) -> list[Restore]:
        """Record and return the drills that are due now, of the policies' own storages and of copies."""
        drills = []
        async for cronjob in self._cronjobs.carriers_led_here():
            carrier = policy_annotations.carrier_of(cronjob)
            if carrier is None or not carrier.policy.enabled:
                continue
            for place in list_drilled_places(carrier.policy):
                seen_key = drill_seen_key(cronjob.uid, carrier.policy.id, place.copy_storage_id or "")
                since = self._history.facts.first_seen(seen_key, self._clock.now())
                slot = due_slot(place.drill, since, self._clock.now(), self._settings().controller_zone)
                if slot is None:
                    continue
                key = (*_key_of(place), cronjob.cluster, cronjob.uid, carrier.policy.id, slot.isoformat())
                drills.append(await self._record(cronjob, carrier, place, derive_id("drill", *key), slot))
                self._history.facts.set(seen_key, slot)
        await self._history.commit()
        return drills

    async def record_now(self, ref: CronJobRef, from_copy: str | None, key: str | None) -> Restore:
        """Record and return a drill that somebody asked for; the same `key` is the same drill.

        from_copy: the storage of the copy that is drilled. Raises CronJobNotFound, PolicyNotFound,
        CopyNotFound.
        """
        cronjob = self._cronjobs.find_subject(ref)
        carrier = policy_annotations.carrier_of(cronjob)
        if carrier is None:
            fault = policy_annotations.read_policy(cronjob).fault
            raise PolicyNotFound(fault or f"{ref} has no backup policy.")
        policy = carrier.policy
        place = DrilledPlace(None, policy.drill or Drill(schedule="@daily"))
        if from_copy is not None and from_copy != policy.storage_id:
            copy = policy.copy_in(from_copy)
            if copy is None:
                raise CopyNotFound(f"The policy has no copy in {clean(from_copy, 80)}.", field="from_copy")
            place = DrilledPlace(from_copy, copy.drill or place.drill)
        drill_id = derive_id("drill request", key) if key else new_id()
        return await self._record(cronjob, carrier, place, drill_id, None)

    async def record_verification(self, backup: BackupExecution) -> Restore:
        """Record and return the verification of one backup."""
        now = self._clock.now()
        verification_id = new_id()
        deadline = now + timedelta(seconds=DEADLINE_SECONDS)
        return await self._records.add(
            new_restore(backup, verification_id, now, purpose="verify", deadline_at=deadline)
        )

    async def _record(
        self,
        cronjob: PolicySubject,
        carrier: PolicyCarrier,
        place: "DrilledPlace",
        drill_id: str,
        slot: datetime | None,
    ) -> Restore:
        now = self._clock.now()
        deadline = now + timedelta(seconds=place.drill.deadline_seconds)
        backup = pick_backup(self._good_backups(carrier, place), place.drill.pick, drill_id)
        if backup is None:
            storage_id = place.copy_storage_id or carrier.policy.storage_id
            return await self._records.add(
                self._without_backup(
                    cronjob, carrier.policy.id, storage_id, drill_id=drill_id, slot=slot, deadline=deadline
                )
            )
        return await self._records.add(
            new_restore(backup, drill_id, now, purpose="drill", due_at=slot, deadline_at=deadline)
        )

    def _good_backups(self, carrier: PolicyCarrier, place: "DrilledPlace") -> list[BackupExecution]:
        """Return the backups of a policy that succeeded and have a snapshot there, newest first."""
        if place.copy_storage_id is None:
            backups = list(self._backups.with_snapshot(carrier))
        else:
            copies = by_backup(self._copies.of_policy(carrier.policy, place.copy_storage_id))
            backups = [
                in_copy(backup, copies[backup.id])
                for backup in self._backups.with_result(carrier)
                if backup.id in copies and copies[backup.id].is_present
            ]
        good = [backup for backup in backups if backup.status is BackupStatus.SUCCEEDED]
        return sorted(good, key=attrgetter("created_at"), reverse=True)

    def _without_backup(
        self,
        cronjob: PolicySubject,
        policy_id: str,
        storage_id: str,
        *,
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
            policy_id=policy_id,
            backup_id=None,
            storage_id=storage_id,
            purpose="drill",
            status=RestoreStatus.PENDING,
            created_at=self._clock.now(),
            due_at=slot,
            deadline_at=deadline,
        )
