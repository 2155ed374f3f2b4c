"""The copies of other storages' backups in a storage that is moved, each as the backup that it is a copy of.

A copy has the tags and the content of its backup, so a move does with copies what it does with backups.
"""

import msgspec

from kronkeep_common.models import BackupCopy, BackupExecution, BackupResult, BackupStorage
from kronkeep_common.models.storage_layout import Layout
from kronkeep_common.states import CopyStatus
from kronkeep_daemon.copies import copy_manifests, moved_backups
from kronkeep_daemon.copies.copy_records import CopyRecords
from kronkeep_daemon.copies.moved_backups import MovedGroup
from kronkeep_daemon.history import History
from kronkeep_daemon.repositories.repository import repository_of_copy


def as_backup(backup: BackupExecution, copy: BackupCopy) -> BackupExecution:
    """Return a copy that has snapshots as a backup in its own storage."""
    in_copy = copy_manifests.as_listed_in(backup, copy)
    return msgspec.structs.replace(
        in_copy,
        storage_id=copy.storage_id,
        layout=copy.layout,
        snapshot_missing_at=copy.snapshot_missing_at,
        snapshot_removed_at=copy.snapshot_removed_at,
        forget_began_at=copy.forget_began_at,
    )


class MovedCopies:
    """The copies in a storage that is moved; one whose backup has no record any more stays where it is."""

    def __init__(self, records: CopyRecords, history: History) -> None:
        self._records = records
        self._history = history

    async def group(self, storage: BackupStorage, layout: Layout) -> list[MovedGroup]:
        """Return the copies that are to be moved, by where they are and where they go."""
        by_first: dict[str, list[BackupExecution]] = {}
        async for copy in self._records.iter_in_storage(storage.id):
            backup = self.find(copy.backup_id, storage.id)
            if backup is not None and copy.status is CopyStatus.SUCCEEDED:
                by_first.setdefault(copy.from_storage_id, []).append(backup)
        return [
            group
            for first, backups in sorted(by_first.items())
            for group in moved_backups.group_backups(backups, storage, layout, copies_of=first)
        ]

    def find(self, backup_id: str, storage_id: str) -> BackupExecution | None:
        """Return the copy of a backup in a storage; None without a copy or a record of the backup."""
        copy = self._records.find(backup_id, storage_id)
        backup = self._history.backups.get(backup_id)
        if copy is None or copy.snapshot_id is None or backup is None or backup.result is None:
            return None
        return as_backup(backup, copy)

    async def point(self, backup_id: str, storage_id: str, layout: Layout, result: BackupResult) -> None:
        """Change the record of a copy to its snapshots in another layout."""
        copy = self._records.find(backup_id, storage_id)
        if copy is not None:
            await self._records.change(
                copy.id,
                layout=layout,
                snapshot_id=result.snapshot_id,
                database_snapshot_id=result.database_snapshot_id,
            )

    async def count_running_elsewhere(self, storage: BackupStorage, layout: Layout) -> int:
        """Return how many copies that are being made go to another repository than the layout gives them."""
        count = 0
        async for copy in self._records.iter_in_storage(storage.id):
            backup = self._history.backups.get(copy.backup_id)
            if copy.status is not CopyStatus.RUNNING or backup is None:
                continue
            in_layout = msgspec.structs.replace(copy, layout=layout)
            there = repository_of_copy(backup, copy, storage).id
            if there != repository_of_copy(backup, in_layout, storage).id:
                count += 1
        return count
