"""The retention service: forgets what no rule keeps, and prunes repositories on a schedule.

`retention_rules` decides what goes. Before each forget the repository's snapshots are listed and the records
reconciled with them, and so are the policy's other repositories: where one that is to stay is not there,
nothing is forgotten, as the plan was made from wrong records. `restic forget` is given explicit snapshot ids,
which the list has shown with the tags of their backups; it is quick and frees no space, so it follows each
backup that succeeded. `restic prune` frees the space and holds the repository for long, so it runs where
something was forgotten, by the settings' `prune_schedule` or when a person asks.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import (
    KronkeepError,
    NotAllowedNow,
    StorageFailed,
)
from kronkeep_common.models import BackupExecution, BackupStorage, Retention, RetentionPlan
from kronkeep_common.reasons import Reason
from kronkeep_common.states import BackupStatus, StorageStatus
from kronkeep_daemon.backups import policy_annotations, retention_rules
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.backups.orphaned_policies import OrphanedPolicies
from kronkeep_daemon.backups.policy_annotations import PolicyCarrier
from kronkeep_daemon.backups.policy_lookup import PolicyLookup
from kronkeep_daemon.backups.snapshot_reconciliation import SnapshotReconciliation
from kronkeep_daemon.backups.waiting_retention import DueRetention, RetentionRetries, RetentionSubject
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.events import BackupChanged, Bus
from kronkeep_daemon.kube.objects import CronJobRef
from kronkeep_daemon.repositories import reconciliation
from kronkeep_daemon.repositories import repository as repositories
from kronkeep_daemon.repositories.maintenance import RepositoryMaintenance
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.reconciliation import SnapshotsByBackup
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_index import RepositoryIndex
from kronkeep_daemon.restic import forget, prune
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.storages.service import StorageService, require_unmoved
from kronkeep_daemon.storages.upkeep import StorageUpkeep
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
IDS_PER_COMMAND = 200  # snapshot ids in one command line
FORGET_SECONDS = 3600.0
PRUNE_SECONDS = 86400.0
SCHEDULE_CHECK_SECONDS = 30.0
_PolicyKey = tuple[str, ...]


class RetentionService:
    """Retention of the policies on the clusters where this daemon acts."""

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
        reconciliation: SnapshotReconciliation,
        orphans: OrphanedPolicies,
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
        self._reconciliation = reconciliation
        self._orphans = orphans
        self._queues = queues
        self._clock = clock
        self._settings = settings
        self._supervisor = supervisor
        self._started_at = clock.now()
        self._applied_at: dict[_PolicyKey, datetime] = {}
        self._retries = RetentionRetries(cronjobs, clock, self._apply_due)
        bus.subscribe(BackupChanged, self._on_backup_changed)

    def start(self) -> None:
        """Start the scheduled pass over every policy and storage."""
        self._supervisor.start("retention", self._run_by_schedule, death="restart")

    def preview(
        self, carrier: PolicyCarrier, rules: Retention | None = None, *, just_made: str | None = None
    ) -> RetentionPlan:
        """Return what the policy's rules, or the given ones, would do now.

        just_made: the id of a backup that ended now, which stays in any case.

        Snapshots in a storage that was forgotten are out of reach: they are not removed, and keep no place.
        """
        recorded = self._records.with_snapshot(carrier)
        reached = set(filter(self._storages.find, {backup.storage_id for backup in recorded}))
        backups = [backup for backup in recorded if backup.storage_id in reached]
        policy = carrier.policy
        return retention_rules.plan_retention(
            policy.id, backups, rules or policy.retention, self._clock.now(), just_made=just_made
        )

    def check_apply(self, carrier: PolicyCarrier) -> RetentionPlan:
        """Return the plan that `apply` carries out; raises NotAllowedNow where it needs approval."""
        self._require_trusted_time(carrier.cluster)
        plan = self.preview(carrier)
        retention_rules.require_applicable(plan)
        return plan

    async def apply(self, carrier: PolicyCarrier) -> None:
        """Forget what no rule keeps; raises NotAllowedNow where that needs approval, StorageFailed."""
        await self._carry_out(carrier, self.check_apply(carrier))

    def check_approval(self, carrier: PolicyCarrier, token: str) -> RetentionPlan:
        """Return the plan that the token names; raises PreconditionFailed where it has changed since."""
        self._require_trusted_time(carrier.cluster)
        plan = self.preview(carrier)
        retention_rules.require_approved(plan, token)
        return plan

    async def approve(self, carrier: PolicyCarrier, token: str) -> None:
        """Forget exactly what the token's preview named; raises PreconditionFailed, StorageFailed."""
        await self._carry_out(carrier, self.check_approval(carrier, token))

    def _require_trusted_time(self, cluster: str) -> None:
        """Raise NotAllowedNow while the cluster's clock is at fault, as ages cannot be trusted then."""
        retention_rules.require_trusted_time(self._cronjobs.clusters.clock_fault(cluster))

    async def prune(self, storage_id: str) -> None:
        """Free the space of forgotten snapshots in each repository of a storage; raises StorageFailed.

        Nothing is freed while snapshots are missing that nobody has acknowledged.
        """
        storage = self._storages.require_active(storage_id)
        require_unmoved(storage)
        try:
            for repository in self._index.repositories_of(storage):
                async with self._queues.hold_exclusively(repository.id, "prune"):
                    await self._reconciliation.list_and_apply(repository)
                    require_unmoved(self._storages.get(storage_id))
                    await self._require_none_missing(repository)
                    await self._prune_repository(repository)
                    await self._index.record(repository, pruned_at=self._clock.now())
        except StorageFailed as fault:
            await self._record_wait(storage_id, fault.message)
            raise
        await self._record_wait(storage_id, None)
        await self._upkeep.measure(storage_id)

    async def _require_none_missing(self, repository: Repository) -> None:
        """Raise StorageFailed where the repository lacks snapshots and nobody has acknowledged that.

        A volume that was rolled back, or objects that were deleted, may still be brought back; the data of
        their snapshots looks unused meanwhile, and a prune would delete it.
        """
        missing = [
            backup.id
            for backup in await self._records.missing_in(repository.storage.id)
            if repositories.repository_of_backup(backup, repository.storage).id == repository.id
        ]
        if missing:
            held = Reason.PRUNE_HELD
            message = f"{held.meaning} Missing are those of the backups {', '.join(missing[:5])}"
            more = f" and of {len(missing) - 5} others." if len(missing) > 5 else "."
            next_step = held.next_step.replace("NAME", repository.storage.id)
            raise StorageFailed(message + more, next_step=next_step, reason=held)

    async def acknowledge_missing(self, storage_id: str) -> BackupStorage:
        """Record that the missing snapshots of a storage are gone for good, so that it is pruned again.

        Raises StorageNotFound.
        """
        self._storages.get(storage_id)
        missing = await self._records.missing_in(storage_id)
        await self._records.acknowledge_missing(missing, self._clock.now())
        await self._record_wait(storage_id, None)
        await self._reconciliation.count_missing(storage_id)
        return self._storages.get(storage_id)

    async def acknowledge_missing_of(self, cronjob_id: str) -> None:
        """Record that the missing snapshots of a CronJob are gone for good."""
        missing = await self._records.missing_of(cronjob_id)
        await self._records.acknowledge_missing(missing, self._clock.now())
        for storage_id in {backup.storage_id for backup in missing}:
            await self._reconciliation.count_missing(storage_id)

    async def _record_wait(self, storage_id: str, why: str | None) -> None:
        """Record why the storage is not pruned, or that nothing is in the way."""
        storage = self._storages.get(storage_id)
        if storage.prune_waits != why:
            await self._storages.save(storage, msgspec.structs.replace(storage, prune_waits=why))

    async def _prune_repository(self, repository: Repository) -> None:
        """Prune; where the storage is too full for that, remove only what needs no space."""
        try:
            await self._run_prune(repository, repack=True)
        except StorageFailed as fault:
            if fault.details.get("reason") != Reason.STORAGE_FULL:
                raise
            await self._run_prune(repository, repack=False)

    async def _run_prune(self, repository: Repository, *, repack: bool) -> None:
        steps = [("prune", prune.argv(repack=repack))]
        await self._maintenance.run("prune", steps, repository, PRUNE_SECONDS)

    def _on_backup_changed(self, change: BackupChanged) -> None:
        """Start a task that applies retention when a backup has just succeeded, or was acknowledged."""
        backup = change.new
        just_succeeded = (
            backup.status is BackupStatus.SUCCEEDED
            and backup.recovered_at is None
            and change.old is not None
            and change.old.status is not BackupStatus.SUCCEEDED
        )
        is_released = change.old is not None and change.old.is_unusual and not backup.is_unusual
        if just_succeeded or is_released:
            self._supervisor.start(
                f"retention after backup {backup.id}", partial(self._apply_after, backup), death="quiet"
            )

    async def _apply_after(self, backup: BackupExecution) -> None:
        """Apply retention to the policy of a new backup, as its CronJob carries it now."""
        ref = CronJobRef.of(backup)
        subject = RetentionSubject(ref)
        await self._retries.apply_after(subject, backup.id)

    async def _apply_due(self, carrier: PolicyCarrier, entry: DueRetention) -> bool:
        return await self._apply_unless_blocked(carrier, just_made=entry.just_made)

    async def _apply_unless_blocked(self, carrier: PolicyCarrier, just_made: str | None = None) -> bool:
        """Apply retention where it needs no approval; return False, and log why, where it could not be."""
        if not self._cronjobs.leads.leads(carrier.cluster):
            return False
        self._applied_at[_key(carrier)] = self._clock.now()
        try:
            self._require_trusted_time(carrier.cluster)
            plan = self.preview(carrier, just_made=just_made)
            if plan.blocked_by is None:
                await self._carry_out(carrier, plan)
            else:
                log.warning("retention of policy %s waits: %s", carrier.policy.id, plan.blocked_by)
        except KronkeepError as fault:
            log.warning("retention of policy %s: %s", carrier.policy.id, fault)
            return False
        return True

    async def _carry_out(self, carrier: PolicyCarrier, plan: RetentionPlan) -> None:
        """Forget the plan's removals, repository by repository."""
        removals = [self._records.get(verdict.backup_id) for verdict in plan.remove]
        kept = [self._records.get(verdict.backup_id) for verdict in plan.keep]
        kept_by_repository = {
            repository.id: backups for repository, backups in self._group_by_repository(kept)
        }
        groups = self._group_by_repository(removals)
        # One repository alone is listed with its forget; of several all are listed before the first.
        listed_later = groups[0][0].id if len(groups) == 1 else ""
        if groups:
            await self._require_kept_elsewhere(kept, listed_later)
        for repository, backups in groups:
            await self._forget(carrier, repository, backups, kept=kept_by_repository.get(repository.id, []))

    async def _require_kept_elsewhere(self, kept: Sequence[BackupExecution], listed_later: str) -> None:
        """Raise StorageFailed where another repository lacks what is to stay, or cannot be listed.

        A policy that was given another storage has backups in both, and those in one make others go.

        listed_later: the id of a repository that is listed just before its forget.
        """
        for repository, backups in self._group_by_repository(kept):
            if repository.id == listed_later:
                continue
            async with self._queues.hold_for_reading(repository.id, "reconciliation"):
                listed = await self._reconciliation.list_and_apply(repository)
            _require_present([self._records.get(backup.id) for backup in backups], listed)

    def _group_by_repository(
        self, backups: Iterable[BackupExecution]
    ) -> Sequence[tuple[Repository, list[BackupExecution]]]:
        groups: dict[str, tuple[Repository, list[BackupExecution]]] = {}
        for backup in backups:
            repository = repositories.repository_of_backup(backup, self._storages.get(backup.storage_id))
            _, group = groups.setdefault(repository.id, (repository, []))
            group.append(backup)
        return list(groups.values())

    async def _forget(
        self,
        carrier: PolicyCarrier,
        repository: Repository,
        backups: Sequence[BackupExecution],
        *,
        kept: Sequence[BackupExecution],
    ) -> None:
        """Forget the backups' snapshots by their ids; raises StorageFailed.

        kept: the backups whose snapshots are to stay; where the repository lacks one, nothing is forgotten.

        The records and the rules are read again once the repository is free, and before each further Job:
        a backup that was pinned, or whose snapshot went, or that the policy now keeps, is left alone. The
        list and the forget are two Jobs: nothing else of kronkeep works on the repository between them.
        """
        require_unmoved(self._storages.get(repository.storage.id))
        async with self._queues.hold_exclusively(repository.id, "forget"):
            listed = await self._reconciliation.list_and_apply(repository)
            _require_present([self._records.get(backup.id) for backup in kept], listed)
            for start in range(0, len(backups), IDS_PER_COMMAND):
                page = self._choose_removable(carrier, backups[start : start + IDS_PER_COMMAND], listed)
                if page:
                    await self._forget_listed(repository, page, listed)

    def _choose_removable(
        self, carrier: PolicyCarrier, backups: Sequence[BackupExecution], listed: SnapshotsByBackup
    ) -> list[BackupExecution]:
        """Return those of the listed backups that go by the records and the rules as they are now.

        Raises NotAllowedNow where nothing may go now, PolicyNotFound.
        """
        for backup in backups:
            require_unmoved(self._storages.get(backup.storage_id))
            self._require_trusted_time(backup.cluster)
        if any(map(self._records.has_unusual, {backup.cronjob_id for backup in backups})):
            raise NotAllowedNow(Reason.UNUSUAL.meaning, next_step=Reason.UNUSUAL.next_step)
        plan = self.preview(self._policies.read_again(carrier))
        planned = {verdict.backup_id for verdict in plan.remove}
        return [
            backup
            for backup in (self._records.get(each.id) for each in backups)
            if backup.snapshot_removed_at is None
            and backup.id in planned
            and not backup.pinned
            and reconciliation.has_snapshot_in(backup, listed.get(backup.id, ()))
        ]

    async def _forget_listed(
        self, repository: Repository, backups: Sequence[BackupExecution], listed: SnapshotsByBackup
    ) -> None:
        """Forget all snapshots with the backups' tags, those of lost attempts included.

        That it begins is recorded first: a daemon that is killed then does not take the snapshots for
        missing. Where it fails, the next list tells which are still there.
        """
        ids = [
            snapshot.id
            for backup in backups
            for snapshot in reconciliation.own_snapshots(backup, listed.get(backup.id, ()))
        ]
        for backup in backups:
            await self._records.change(backup.id, forget_began_at=self._clock.now())
        try:
            await self._maintenance.run("forget", [("forget", forget.argv(ids))], repository, FORGET_SECONDS)
        except StorageFailed:
            with suppress(KronkeepError):
                await self._reconciliation.list_and_apply(repository)
            raise
        for backup in backups:
            await self._records.change(backup.id, snapshot_removed_at=self._clock.now())
        await self._index.record(repository, forgotten_at=self._clock.now())

    async def _run_by_schedule(self) -> None:
        await self._cronjobs.wait_until_one_synced()
        while True:
            await self._cronjobs.leads.wait_until_leading()
            await self._retries.apply_waiting()
            slot = retention_rules.newest_prune_slot(self._settings(), self._clock.now())
            if slot is not None:
                await self.run_pass(slot)
            await self._clock.sleep(SCHEDULE_CHECK_SECONDS)

    async def run_pass(self, slot: datetime) -> None:
        """Apply retention to each policy where that was not done since the slot, then prune what needs it."""
        async for cronjob in self._cronjobs.carriers_led_here():
            carrier = policy_annotations.carrier_of(cronjob)
            if carrier is not None and self._applied_at.get(_key(carrier), self._started_at) < slot:
                await self._apply_unless_blocked(carrier)
        if self._settings().archive.apply_orphans_retention:
            for carrier in await self._orphans.carriers():
                if self._applied_at.get(_key(carrier), self._started_at) < slot:
                    await self._apply_unless_blocked(carrier)
        for storage in self._storages.list():
            acts = (
                storage.status is StorageStatus.ACTIVE
                and self._cronjobs.leads.leads(storage.cluster)
                and self._cronjobs.clusters.clock_fault(storage.cluster) is None
            )
            if acts and self._index.needs_prune(storage.id, slot):
                try:
                    await self.prune(storage.id)
                except KronkeepError as fault:
                    log.warning("pruning storage %s: %s", storage.id, fault)


def _key(carrier: PolicyCarrier) -> _PolicyKey:
    return (carrier.cluster, carrier.namespace, carrier.cronjob, carrier.policy.id)


def _require_present(kept: Sequence[BackupExecution], listed: SnapshotsByBackup) -> None:
    """Raise StorageFailed where the list lacks the snapshot of a backup that is to stay."""
    missing = [
        backup.id for backup in kept if not reconciliation.has_snapshot_in(backup, listed.get(backup.id, ()))
    ]
    if missing:
        reason = Reason.SNAPSHOT_MISSING
        message = f"{reason.meaning} Missing are those of the backups {', '.join(missing[:5])}."
        raise StorageFailed(message, next_step=reason.next_step, reason=reason)
