"""Retention of copies: forgets what no rule of a copy keeps, in the copy alone.

The rules are those of `retention_rules`, applied to the backups that the copy has. They follow each copy that
succeeded, and the settings' `prune_schedule`; the space is then freed with that of the storage's other
repositories. Before each forget the repository is listed, and where it lacks what is to stay, nothing goes.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial

from kronkeep_common.clock import Clock
from kronkeep_common.errors import (
    CopyNotFound,
    KronkeepError,
    StorageFailed,
)
from kronkeep_common.models import BackupCopy, PolicyCopy, RetentionPlan
from kronkeep_common.reasons import Reason
from kronkeep_common.states import CopyStatus
from kronkeep_common.text import clean
from kronkeep_daemon.backups import policy_annotations, retention_rules
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.backups.orphaned_policies import OrphanedPolicies
from kronkeep_daemon.backups.policy_annotations import PolicyCarrier
from kronkeep_daemon.backups.policy_lookup import PolicyLookup
from kronkeep_daemon.backups.waiting_retention import DueRetention, RetentionRetries, RetentionSubject
from kronkeep_daemon.copies import copy_manifests, copy_rules
from kronkeep_daemon.copies.copy_comparison import has_copy_in
from kronkeep_daemon.copies.copy_reconciliation import CopyReconciliation
from kronkeep_daemon.copies.copy_records import CopyRecords
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.events import Bus, CopyChanged
from kronkeep_daemon.kube.objects import CronJobRef
from kronkeep_daemon.repositories import reconciliation
from kronkeep_daemon.repositories.maintenance import RepositoryMaintenance
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.reconciliation import SnapshotsByBackup
from kronkeep_daemon.repositories.repository import Repository, repository_of_copy
from kronkeep_daemon.repositories.repository_index import RepositoryIndex
from kronkeep_daemon.restic import forget
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.storages.service import StorageService, require_unmoved
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
LIST_SECONDS = 900.0
FORGET_SECONDS = 3600.0
IDS_PER_COMMAND = 200  # snapshot ids in one command line
CHECK_SECONDS = 30.0
_Key = tuple[CronJobRef, str]


class CopyRetention:
    """Retention of the copies on the clusters where this daemon acts."""

    def __init__(
        self,
        *,
        cronjobs: CronJobService,
        policies: PolicyLookup,
        records: CopyRecords,
        backups: BackupRecords,
        reconciliation: CopyReconciliation,
        storages: StorageService,
        orphans: OrphanedPolicies,
        index: RepositoryIndex,
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
        self._backups = backups
        self._reconciliation = reconciliation
        self._storages = storages
        self._orphans = orphans
        self._index = index
        self._maintenance = maintenance
        self._queues = queues
        self._clock = clock
        self._settings = settings
        self._supervisor = supervisor
        self._started_at = clock.now()
        self._applied_at: dict[_Key, datetime] = {}
        self._retries = RetentionRetries(cronjobs, clock, self._apply_due)
        bus.subscribe(CopyChanged, self._on_copy_changed)

    def start(self) -> None:
        """Start the scheduled pass over every copy of every policy."""
        self._supervisor.start("retention of copies", self._run_by_schedule, death="restart")

    def preview(
        self, carrier: PolicyCarrier, storage_id: str, *, just_made: str | None = None
    ) -> RetentionPlan:
        """Return what the rules of a policy's copy would do now; raise CopyNotFound.

        just_made: the id of a backup that was copied now, which stays in any case.
        """
        spec = carrier.policy.copy_in(storage_id)
        if spec is None:
            raise CopyNotFound(f"The policy has no copy in {clean(storage_id, 80)}.", field="copy")
        copies = self._present(carrier, spec)
        originals = self._backups.with_result(carrier)
        backups = [
            copy_manifests.as_listed_in(backup, copies[backup.id])
            for backup in originals
            if backup.id in copies
        ]
        rules = copy_rules.retention_of(spec, carrier.policy)
        return retention_rules.plan_retention(
            f"{carrier.policy.id}/{storage_id}",
            backups,
            rules,
            self._clock.now(),
            just_made=just_made,
            unusual=originals,
        )

    def _present(self, carrier: PolicyCarrier, spec: PolicyCopy) -> dict[str, BackupCopy]:
        copies = copy_rules.by_backup(self._records.of_policy(carrier.policy, spec.storage_id))
        return {backup_id: copy for backup_id, copy in copies.items() if copy.is_present}

    def check_apply(self, carrier: PolicyCarrier, storage_id: str) -> RetentionPlan:
        """Return the plan that `apply` carries out; raise NotAllowedNow where it needs approval."""
        self._require_trusted_time(carrier.cluster)
        plan = self.preview(carrier, storage_id)
        retention_rules.require_applicable(plan)
        return plan

    def check_approval(self, carrier: PolicyCarrier, storage_id: str, token: str) -> RetentionPlan:
        """Return the plan that the token names; raise PreconditionFailed where it has changed since."""
        self._require_trusted_time(carrier.cluster)
        plan = self.preview(carrier, storage_id)
        retention_rules.require_approved(plan, token)
        return plan

    async def carry_out(self, carrier: PolicyCarrier, plan: RetentionPlan, storage_id: str) -> None:
        """Forget the plan's removals in the copy; raise StorageFailed, NotAllowedNow, PolicyNotFound."""
        kept = {verdict.backup_id for verdict in plan.keep}
        removed = {verdict.backup_id for verdict in plan.remove}
        repositories: dict[str, Repository] = {}
        for backup_id in removed:
            repository = self._repository_of(backup_id, storage_id)
            repositories[repository.id] = repository
        for repository in repositories.values():
            await self._forget(carrier, repository, removed, kept)

    def _repository_of(self, backup_id: str, storage_id: str) -> Repository:
        storage = self._storages.require_active(storage_id)
        copy = self._records.find(backup_id, storage_id)
        assert copy is not None
        return repository_of_copy(self._backups.get(backup_id), copy, storage)

    def _require_trusted_time(self, cluster: str) -> None:
        retention_rules.require_trusted_time(self._cronjobs.clusters.clock_fault(cluster))

    async def _forget(
        self, carrier: PolicyCarrier, repository: Repository, removed: set[str], kept: set[str]
    ) -> None:
        """Forget copies by their snapshots' ids, which a list shows now.

        The records and the rules are read again once the repository is free, and before each further Job: a
        copy whose backup was pinned, or that the policy now keeps, is left alone.
        """
        require_unmoved(self._storages.get(repository.storage.id))
        async with self._queues.hold_exclusively(repository.id, "forget"):
            copies = await self._reconciliation.list_recorded_in(repository)
            listed = await self._list_and_apply(repository)
            there: list[BackupCopy] = []
            for copy in copies:
                backup = self._backups.get(copy.backup_id)
                is_there = has_copy_in(backup, copy, listed.get(backup.id, ()))
                if backup.id in kept and copy.is_present and not is_there:
                    reason = Reason.SNAPSHOT_MISSING
                    raise StorageFailed(reason.meaning, next_step=reason.next_step, reason=reason)
                if backup.id in removed and is_there:
                    there.append(copy)
            for start in range(0, len(there), IDS_PER_COMMAND):
                page = self._choose_removable(carrier, repository, there[start : start + IDS_PER_COMMAND])
                if page:
                    await self._forget_listed(repository, page, listed)

    def _choose_removable(
        self, carrier: PolicyCarrier, repository: Repository, copies: Sequence[BackupCopy]
    ) -> list[BackupCopy]:
        """Return those of the copies that go by the records and the rules as they are now.

        Raises NotAllowedNow where nothing may go now, PolicyNotFound, CopyNotFound.
        """
        storage_id = repository.storage.id
        require_unmoved(self._storages.get(storage_id))
        backups = [self._backups.get(copy.backup_id) for copy in copies]
        for backup in backups:
            self._require_trusted_time(backup.cluster)
        plan = self.preview(self._policies.read_again(carrier), storage_id)
        retention_rules.require_not_held(plan)
        planned = {verdict.backup_id for verdict in plan.remove}
        return [
            copy
            for copy, backup in zip(copies, backups, strict=True)
            if backup.id in planned and not backup.pinned
        ]

    async def _list_and_apply(self, repository: Repository) -> SnapshotsByBackup:
        """List what the repository has, and change the records that differ; the caller holds it."""
        copies = await self._reconciliation.list_recorded_in(repository)
        listed = await self._maintenance.run_and_list("list", [], repository, LIST_SECONDS)
        await self._reconciliation.apply(repository, copies, listed.snapshots)
        return reconciliation.group_by_backup(listed.snapshots)

    async def _forget_listed(
        self, repository: Repository, copies: Sequence[BackupCopy], listed: SnapshotsByBackup
    ) -> None:
        """Forget snapshots; that it begins is recorded first, for a daemon that is killed then."""
        ids = [
            snapshot.id
            for copy in copies
            for snapshot in reconciliation.own_snapshots(
                self._backups.get(copy.backup_id), listed.get(copy.backup_id, ())
            )
        ]
        for copy in copies:
            await self._records.change(copy.id, forget_began_at=self._clock.now())
        try:
            await self._maintenance.run("forget", [("forget", forget.argv(ids))], repository, FORGET_SECONDS)
        except StorageFailed:
            with suppress(KronkeepError):
                await self._list_and_apply(repository)
            raise
        for copy in copies:
            await self._records.change(copy.id, snapshot_removed_at=self._clock.now())
        await self._index.record(repository, forgotten_at=self._clock.now())

    def _on_copy_changed(self, change: CopyChanged) -> None:
        """Start a task that applies retention when a copy has just succeeded."""
        new = change.new
        was_made = change.old is not None and change.old.status is CopyStatus.RUNNING
        if was_made and new.status is CopyStatus.SUCCEEDED:
            name = f"retention after copy {new.id}"
            if not self._supervisor.running(name):
                self._supervisor.start(name, partial(self._apply_after, new), death="quiet")

    async def _apply_after(self, copy: BackupCopy) -> None:
        """Apply retention to the copy of a policy, as its CronJob carries it now."""
        subject = RetentionSubject(CronJobRef(copy.cluster, copy.namespace, copy.cronjob), copy.storage_id)
        await self._retries.apply_after(subject, copy.backup_id)

    async def apply_waiting(self) -> None:
        """Apply retention again where it could not be applied after a copy."""
        await self._retries.apply_waiting()

    async def _apply_due(self, carrier: PolicyCarrier, entry: DueRetention) -> bool:
        storage_id = entry.subject.copy_storage_id
        if carrier.policy.copy_in(storage_id) is None:
            return True
        return await self._apply_unless_blocked(carrier, storage_id, just_made=entry.just_made)

    async def _apply_unless_blocked(
        self, carrier: PolicyCarrier, storage_id: str, just_made: str | None = None
    ) -> bool:
        """Apply retention where it needs no approval; return False, and log why, where it could not be."""
        if not self._cronjobs.leads.leads(carrier.cluster):
            return False
        self._applied_at[_key_of(carrier, storage_id)] = self._clock.now()
        try:
            self._require_trusted_time(carrier.cluster)
            plan = self.preview(carrier, storage_id, just_made=just_made)
            if plan.blocked_by is not None:
                log.warning("retention of the copy in %s waits: %s", storage_id, plan.blocked_by)
            elif plan.remove:
                await self.carry_out(carrier, plan, storage_id)
        except KronkeepError as fault:
            log.warning("retention of the copy in %s: %s", storage_id, fault)
            return False
        return True

    async def _run_by_schedule(self) -> None:
        await self._cronjobs.wait_until_one_synced()
        while True:
            await self._cronjobs.leads.wait_until_leading()
            await self.apply_waiting()
            slot = retention_rules.newest_prune_slot(self._settings(), self._clock.now())
            if slot is not None:
                await self.run_pass(slot)
            await self._clock.sleep(CHECK_SECONDS)

    async def run_pass(self, slot: datetime) -> None:
        """Apply retention to each copy where that was not done since the slot.

        Those of policies without a CronJob are kept by their own rules too, where the settings say so.
        """
        async for cronjob in self._cronjobs.carriers_led_here():
            carrier = policy_annotations.carrier_of(cronjob)
            if carrier is not None:
                await self._apply_to_copies(carrier, slot)
        if self._settings().archive.apply_orphans_retention:
            for carrier in await self._orphans.carriers():
                await self._apply_to_copies(carrier, slot)

    async def _apply_to_copies(self, carrier: PolicyCarrier, slot: datetime) -> None:
        for spec in carrier.policy.copies:
            key = _key_of(carrier, spec.storage_id)
            if self._applied_at.get(key, self._started_at) < slot:
                await self._apply_unless_blocked(carrier, spec.storage_id)


def _key_of(carrier: PolicyCarrier, storage_id: str) -> _Key:
    return CronJobRef(carrier.cluster, carrier.namespace, carrier.cronjob), storage_id
