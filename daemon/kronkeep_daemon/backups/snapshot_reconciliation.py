"""Reconciliation of the records of backups with the snapshots that are in the repositories.

It runs when this daemon begins to act on a cluster, then daily, with each check and measurement of a storage,
and before each forget. A snapshot that is not there is recorded as missing, and as back once it is there.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import BackupExecution, BackupStorage
from kronkeep_common.states import BACKUP_TRANSITIONS, StorageStatus, is_final
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.kube.lease import Leaderships
from kronkeep_daemon.repositories import reconciliation
from kronkeep_daemon.repositories.maintenance import RepositoryMaintenance
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.reconciliation import RepositoryComparison
from kronkeep_daemon.repositories.repository import Repository, repository_of_backup
from kronkeep_daemon.repositories.repository_index import RepositoryIndex
from kronkeep_daemon.restic.snapshots import ListedSnapshot
from kronkeep_daemon.storages.service import StorageService
from kronkeep_daemon.storages.upkeep import StorageUpkeep
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
LIST_SECONDS = 900.0
INTERVAL = timedelta(days=1).total_seconds()
ROUND_SECONDS = 30.0


class SnapshotReconciliation:
    """Reconciliation of the repositories in the clusters on which this daemon acts."""

    def __init__(
        self,
        *,
        records: BackupRecords,
        index: RepositoryIndex,
        storages: StorageService,
        upkeep: StorageUpkeep,
        maintenance: RepositoryMaintenance,
        queues: RepositoryQueues,
        leads: Leaderships,
        clock: Clock,
        supervisor: Supervisor,
    ) -> None:
        self._records = records
        self._index = index
        self._storages = storages
        self._maintenance = maintenance
        self._queues = queues
        self._leads = leads
        self._clock = clock
        self._supervisor = supervisor
        self._tried_at: dict[str, float] = {}
        upkeep.observe_lists(self.apply_list)

    def start(self) -> None:
        """Start to reconcile in the background."""
        self._supervisor.start("reconciliation", self._run_forever, death="restart")

    async def reconcile(self, repository: Repository) -> None:
        """List the repository's snapshots and change the records that differ; raise StorageFailed."""
        async with self._queues.hold_for_reading(repository.id):
            await self.list_and_apply(repository)

    async def list_and_apply(self, repository: Repository) -> list[ListedSnapshot]:
        """Do so while the caller holds the repository, and return the snapshots."""
        # Read before the list is made: an archive may end beside it, whose snapshot the list then lacks.
        backups = await self._backups_in(repository)
        listed = await self._maintenance.run_and_list("list", [], repository, LIST_SECONDS)
        await self._apply(repository, await self._compare(backups, listed.snapshots))
        return listed.snapshots

    async def apply_list(self, repository: Repository, snapshots: Sequence[ListedSnapshot]) -> None:
        """Change the records that differ from a list that another Job made, while its caller holds the
        repository alone.
        """
        backups = await self._backups_in(repository)
        await self._apply(repository, await self._compare(backups, snapshots))

    async def _backups_in(self, repository: Repository) -> list[BackupExecution]:
        """Return the backups that have ended with a snapshot in the repository, which was not removed."""
        return [
            backup
            async for backup in self._records.iter_in_storage(repository.storage.id)
            if backup.result is not None
            and backup.snapshot_removed_at is None
            and is_final(BACKUP_TRANSITIONS, backup.status)
            and repository_of_backup(backup, repository.storage).id == repository.id
        ]

    async def _compare(
        self, backups: Sequence[BackupExecution], snapshots: Sequence[ListedSnapshot]
    ) -> RepositoryComparison:
        tagged = {snapshot.backup for snapshot in snapshots if snapshot.backup}
        recorded = [backup_id for backup_id in tagged if self._records.contains(backup_id)]
        return await asyncio.to_thread(reconciliation.compare, backups, snapshots, recorded)

    async def _apply(self, repository: Repository, comparison: RepositoryComparison) -> None:
        for backup_id in comparison.missing:
            log.warning("the snapshot of backup %s is not in %s", backup_id, repository.id)
            await self._records.set_missing(backup_id, self._clock.now())
        for backup_id in comparison.returned:
            log.info("the snapshot of backup %s is in %s again", backup_id, repository.id)
            await self._records.set_missing(backup_id, None)
        if comparison.unrecorded:
            ids = ", ".join(each.id[:8] for each in comparison.unrecorded[:5])
            log.warning(
                "%s has %d snapshots without a record: %s", repository.id, len(comparison.unrecorded), ids
            )

    async def _run_forever(self) -> None:
        while True:
            await self._leads.wait_until_leading()
            for storage in self._storages.list():
                await self._reconcile_if_due(storage)
            await self._clock.sleep(ROUND_SECONDS)

    async def _reconcile_if_due(self, storage: BackupStorage) -> None:
        """Reconcile a storage once a day and after this daemon has begun to act on its cluster."""
        if not self._leads.leads(storage.cluster):
            self._tried_at.pop(storage.id, None)
            return
        now = self._clock.monotonic()
        tried_at = self._tried_at.get(storage.id)
        if storage.status is not StorageStatus.ACTIVE or (tried_at is not None and now - tried_at < INTERVAL):
            return
        self._tried_at[storage.id] = now
        for repository in self._index.repositories_of(storage):
            if not await self._backups_in(repository):
                continue
            try:
                await self.reconcile(repository)
            except KronkeepError as fault:
                log.warning("the snapshots in %s could not be listed: %s", repository.id, fault)
