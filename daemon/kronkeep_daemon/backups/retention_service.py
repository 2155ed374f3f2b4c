"""Carries retention out: forgets by explicit ids what no rule keeps, and prunes on a schedule of its own.

`restic forget` frees no space, `restic prune` does and holds the repository alone for long; so forgetting
follows each backup, and pruning the settings' schedule (or a person's word), where something was forgotten.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import (
    KronkeepError,
    NotAllowedNow,
    PreconditionFailed,
)
from kronkeep_common.models import BackupExecution, Retention, RetentionPlan
from kronkeep_common.schedule import Schedule
from kronkeep_common.states import BackupStatus, StorageStatus
from kronkeep_daemon.backups import policy_annotations as policies
from kronkeep_daemon.backups import retention_rules
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.backups.policy_annotations import Carrier
from kronkeep_daemon.backups.policy_lookup import PolicyLookup
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.events import BackupChanged, Bus
from kronkeep_daemon.kube.objects import CronJobRef
from kronkeep_daemon.repositories import repository as repositories
from kronkeep_daemon.repositories.maintenance import RepositoryMaintenance
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_index import RepositoryIndex
from kronkeep_daemon.restic import forget, prune
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.storages.service import StorageService
from kronkeep_daemon.storages.upkeep import StorageUpkeep
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
IDS_AT_ONCE = 200  # snapshot ids in one command line
FORGET_SECONDS = 3600.0
PRUNE_SECONDS = 86400.0
LOOK_SECONDS = 30.0


class RetentionService:
    """Retention of the policies of the clusters on which this daemon acts."""

    def __init__(
        self,
        *,
        cronjobs: CronJobService,
        policies: PolicyLookup,
        records: BackupRecords,
        index: RepositoryIndex,
        storages: StorageService,
        upkeep: StorageUpkeep,
        maintenance: RepositoryMaintenance,
        queues: RepositoryQueues,
        bus: Bus,
        clock: Clock,
        settings: Callable[[], Settings],
        supervisor: Supervisor,
    ) -> None:
        self._cronjobs = cronjobs
        self._policies = policies
        self._records = records
        self._index = index
        self._storages = storages
        self._upkeep = upkeep
        self._maintenance = maintenance
        self._queues = queues
        self._clock = clock
        self._settings = settings
        self._supervisor = supervisor
        self._began = clock.now()
        self._applied: dict[tuple[str, ...], datetime] = {}
        bus.subscribe(BackupChanged, self._schedule_after_backup)

    def preview(self, carrier: Carrier, rules: Retention | None = None) -> RetentionPlan:
        """What the policy's rules, or others, would do now."""
        backups = self._records.with_snapshot(carrier)
        policy = carrier.policy
        return retention_rules.plan_retention(
            policy.id, backups, rules or policy.retention, self._clock.now()
        )

    def preview_of(self, ref: CronJobRef, rules: Retention) -> RetentionPlan:
        """What the rules would do to a CronJob's snapshots; raises CronJobNotFound, PolicyNotFound."""
        return self.preview(self._policies.carrier_of(ref), rules)

    def check_apply(self, carrier: Carrier) -> RetentionPlan:
        """The plan that `apply` carries out; raises NotAllowedNow where it needs approval."""
        plan = self.preview(carrier)
        if plan.blocked_by is not None:
            raise NotAllowedNow(
                plan.blocked_by, next_step="Look at the preview, then approve it with its token."
            )
        return plan

    async def apply(self, carrier: Carrier) -> None:
        """Removes what no rule keeps; raises what `check_apply` raises, and StorageFailed."""
        await self._remove(self.check_apply(carrier))

    def check_approval(self, carrier: Carrier, token: str) -> RetentionPlan:
        """The plan that the token names; raises PreconditionFailed where it has changed."""
        plan = self.preview(carrier)
        if plan.token != token:
            raise PreconditionFailed(
                "What would go has changed since the preview.", next_step="Look at the preview again."
            )
        return plan

    async def approve(self, carrier: Carrier, token: str) -> None:
        """Removes exactly what the person has seen; raises PreconditionFailed, StorageFailed."""
        await self._remove(self.check_approval(carrier, token))

    def _schedule_after_backup(self, change: BackupChanged) -> None:
        """Start a task that applies retention once a backup has succeeded."""
        backup = change.new
        just_succeeded = (
            backup.status is BackupStatus.SUCCEEDED
            and change.old is not None
            and change.old.status is not BackupStatus.SUCCEEDED
        )
        if just_succeeded:
            self._supervisor.start(
                f"retention after backup {backup.id}", partial(self._apply_after, backup), death="quiet"
            )

    async def _apply_after(self, backup: BackupExecution) -> None:
        """Apply retention to the policy of a new backup, as its CronJob carries it now."""
        try:
            cronjob = self._cronjobs.find(CronJobRef.of(backup))
        except KronkeepError:
            return  # the CronJob went meanwhile
        found = policies.carrier(cronjob)
        if found is not None and self._cronjobs.leads.leads(backup.cluster):
            await self._retain(found)

    async def _retain(self, carrier: Carrier) -> None:
        """Applies retention where nobody need approve it; a fault is logged, the next time is soon."""
        self._applied[_key(carrier)] = self._clock.now()
        try:
            plan = self.preview(carrier)
            if plan.blocked_by is None:
                await self._remove(plan)
            else:
                log.warning("retention of policy %s waits: %s", carrier.policy.id, plan.blocked_by)
        except KronkeepError as fault:
            log.warning("retention of policy %s: %s", carrier.policy.id, fault)

    async def _remove(self, plan: RetentionPlan) -> None:
        """Forgets the plan's removals, repository by repository."""
        going = [self._records.get(verdict.backup_id) for verdict in plan.remove]
        for repository, backups in self._by_repository(going):
            for start in range(0, len(backups), IDS_AT_ONCE):
                await self._forget(repository, backups[start : start + IDS_AT_ONCE])

    def _by_repository(
        self, going: Iterable[BackupExecution]
    ) -> list[tuple[Repository, list[BackupExecution]]]:
        found = [
            (repositories.repository_of_backup(backup, self._storages.get(backup.storage_id)), backup)
            for backup in going
        ]
        found.sort(key=lambda pair: pair[0].id)
        return [
            (pairs[0][0], [backup for _, backup in pairs])
            for _, group in groupby(found, key=lambda pair: pair[0].id)
            if (pairs := list(group))
        ]

    async def _forget(self, repository: Repository, backups: Sequence[BackupExecution]) -> None:
        """Forgets snapshots by their ids; pinned meanwhile means that nothing goes. Raises StorageFailed."""
        async with self._queues.hold_exclusively(repository.id):
            fresh = [self._records.get(backup.id) for backup in backups]
            going = [b for b in fresh if b.snapshot_removed_at is None and not b.pinned]
            if not going:
                return
            steps = [("forget", forget.argv(_ids(going)))]
            await self._maintenance.run("forget", steps, repository, FORGET_SECONDS)
            for backup in going:
                gone = msgspec.structs.replace(backup, snapshot_removed_at=self._clock.now())
                await self._records.put(backup, gone)
            await self._index.record(repository, forgotten_at=self._clock.now())

    async def prune(self, storage_id: str) -> None:
        """Gives back the space of what was forgotten, in each of its repositories; raises StorageFailed."""
        storage = self._storages.active(storage_id)
        for repository in self._index.repositories_of(storage):
            async with self._queues.hold_exclusively(repository.id):
                await self._maintenance.run("prune", [("prune", prune.argv())], repository, PRUNE_SECONDS)
                await self._index.record(repository, pruned_at=self._clock.now())
        await self._upkeep.measure(storage_id)

    def start(self) -> None:
        """Start the daily pass over every policy and storage."""
        self._supervisor.start("retention", self._run_forever, death="restart")

    async def _run_forever(self) -> None:
        """At each slot of the settings' schedule: retention of every policy, then what is to be pruned."""
        await self._cronjobs.some_synced()
        while True:
            await self._cronjobs.leads.acting()
            slot = self._slot()
            if slot is not None:
                await self._daily(slot)
            await self._clock.sleep(LOOK_SECONDS)

    def _slot(self) -> datetime | None:
        settings = self._settings()
        schedule = Schedule.parse(settings.archive.prune_schedule, controller_zone=settings.controller_zone)
        return schedule.previous(self._clock.now() + timedelta(seconds=1))

    async def _daily(self, slot: datetime) -> None:
        for cronjob in self._cronjobs.acting():
            found = policies.carrier(cronjob)
            if found is not None and self._applied.get(_key(found), self._began) < slot:
                await self._retain(found)
        for storage in self._storages.list():
            acts = storage.status is StorageStatus.ACTIVE and self._cronjobs.leads.leads(storage.cluster)
            if acts and self._index.needs_prune(storage.id, slot):
                try:
                    await self.prune(storage.id)
                except KronkeepError as fault:
                    log.warning("pruning storage %s: %s", storage.id, fault)


def _key(carrier: Carrier) -> tuple[str, ...]:
    return (carrier.cluster, carrier.namespace, carrier.cronjob, carrier.policy.id)


def _ids(backups: Iterable[BackupExecution]) -> list[str]:
    """Every snapshot id of the backups."""
    results = [backup.result for backup in backups if backup.result is not None]
    both = [(result.snapshot_id, result.database_snapshot_id) for result in results]
    return [found for pair in both for found in pair if found]
