"""Reconciliation of the records of copies with their repositories.

A copy that is missing is made again while the original is there (see `copy_rules`), so it holds no prune.
"""

import logging
from collections.abc import Sequence

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.models import BackupCopy, BackupExecution
from kronkeep_common.states import CopyStatus
from kronkeep_daemon.backups.recovered_backups import Recovery
from kronkeep_daemon.copies import copy_comparison
from kronkeep_daemon.copies.copy_comparison import FoundCopy
from kronkeep_daemon.copies.copy_records import CopyRecords, new_copy
from kronkeep_daemon.copies.copy_rules import by_backup
from kronkeep_daemon.history import History
from kronkeep_daemon.repositories.reconciliation import RepositoryComparison
from kronkeep_daemon.repositories.repository import Repository, repository_of_copy
from kronkeep_daemon.restic.snapshots import ListedSnapshot

log = logging.getLogger(__name__)


class CopyReconciliation:
    """Reconciliation of the copies in one repository at a time."""

    def __init__(self, *, records: CopyRecords, history: History, clock: Clock) -> None:
        self._records = records
        self._history = history
        self._clock = clock

    async def list_recorded_in(self, repository: Repository) -> list[BackupCopy]:
        """Return the records of the copies that are, or are to be, in a repository."""
        return [
            copy
            async for copy in self._records.iter_in_storage(repository.storage.id)
            if self.is_in(copy, repository)
        ]

    def is_in(self, copy: BackupCopy, repository: Repository) -> bool:
        """Whether the copy is in that repository of its storage."""
        backup = self._history.backups.get(copy.backup_id)
        if backup is None:
            return False
        return repository_of_copy(backup, copy, repository.storage).id == repository.id

    async def apply(
        self, repository: Repository, copies: Sequence[BackupCopy], snapshots: Sequence[ListedSnapshot]
    ) -> RepositoryComparison:
        """Change the records that differ from a list of the repository's snapshots.

        copies: as they were before the list was made. Returns the snapshots of backups without a record, and
        those of others.
        """
        differences = copy_comparison.compare(by_backup(copies), snapshots, self._history.backups.get)
        for copy_id in differences.missing:
            log.warning("the copy %s is not in %s", copy_id, repository.id)
            await self._records.set_missing(copy_id, is_missing=True)
        for copy_id in differences.removed:
            await self._records.change(copy_id, snapshot_removed_at=self._clock.now())
        for copy_id in differences.returned:
            log.info("the copy %s is in %s again", copy_id, repository.id)
            await self._records.set_missing(copy_id, is_missing=False)
        for copy_id in differences.strayed:
            await self._give_to_owner(copy_id)
        for found in differences.found:
            await self._record_found(repository, found)
        return RepositoryComparison(
            missing=differences.missing,
            removed=differences.removed,
            returned=differences.returned,
            unrecorded=differences.unrecorded,
            foreign=differences.foreign,
        )

    async def _give_to_owner(self, copy_id: str) -> None:
        """Record a copy as one of the policy and CronJob that its backup has now."""
        copy = self._records.get(copy_id)
        backup = self._history.backups.get(copy.backup_id)
        if backup is not None:
            await self._records.change(
                copy_id,
                policy_id=backup.policy_id,
                cronjob=backup.cronjob,
                cronjob_id=backup.cronjob_id,
            )

    async def _record_found(self, repository: Repository, found: FoundCopy) -> None:
        """Record a copy that no record knows, as after the state folder was lost."""
        backup, snapshots = found
        now = self._clock.now()
        old = self._records.find(backup.id, repository.storage.id)
        if old is not None and old.is_present:
            return  # in another repository of the storage, as while that is moved to another layout
        copy = old or new_copy(backup, repository.storage.id, "after-backup", now)
        changed = msgspec.structs.replace(
            copy,
            status=CopyStatus.SUCCEEDED,
            ended_at=now,
            recovered_at=now,
            layout=repository.layout,
            snapshot_id=snapshots.snapshot_id,
            database_snapshot_id=snapshots.database_snapshot_id,
            reason=None,
            message=None,
            next_step=None,
        )
        await self._records.put(old, changed)

    def as_backups_of_first(self, repository: Repository, recovery: Recovery) -> Recovery:
        """Return recovered backups as those of the first storage, whose snapshots were not seen there."""
        now = self._clock.now()
        backups = [_of_first(backup, repository.first_storage_id, now) for backup in recovery.backups]
        return recovery._replace(backups=tuple(backups))


def _of_first(backup: BackupExecution, storage_id: str, now: object) -> BackupExecution:
    policy = backup.policy
    if policy is not None and policy.storage_id != storage_id:
        policy = msgspec.structs.replace(policy, storage_id=storage_id)
    return msgspec.structs.replace(
        backup, storage_id=storage_id, layout=None, policy=policy, snapshot_missing_at=now
    )
