"""What would be lost from sight with a storage: the snapshots and copies that no other storage has."""

import asyncio
from typing import NamedTuple

from kronkeep_common.models import BackupExecution
from kronkeep_daemon.copies.copy_records import CopyRecords
from kronkeep_daemon.history import History

PAGE = 200  # records read between two turns of the event loop


class OnlyHere(NamedTuple):
    """How many snapshots, and copies of snapshots that are gone, are in one storage only."""

    snapshots: int
    copies: int


async def count_only_here(name: str, history: History, copies: CopyRecords) -> OnlyHere:
    """Count what can be restored from the storage of that name and from no other one that exists."""
    others = {storage.id for storage in history.storages.all()} - {name}
    snapshots = 0
    copied = 0
    for page in history.backups.pages(PAGE, storage_id=name):
        present = [backup for backup in page if backup.snapshot_state == "present"]
        snapshots += sum(not _has_copy_in(others, backup.id, copies) for backup in present)
        await asyncio.sleep(0)
    for batch in history.copies.pages(PAGE, storage_id=name):
        for copy in batch:
            backup = history.backups.get(copy.backup_id)
            # A backup whose own snapshot is here, too, was counted above.
            is_elsewhere = backup is not None and _has_snapshot_in({*others, name}, backup)
            if copy.is_present and not is_elsewhere and not _has_copy_in(others, copy.backup_id, copies):
                copied += 1
        await asyncio.sleep(0)
    return OnlyHere(snapshots, copied)


def _has_snapshot_in(storages: set[str], backup: BackupExecution) -> bool:
    return backup.snapshot_state == "present" and backup.storage_id in storages


def _has_copy_in(storages: set[str], backup_id: str, copies: CopyRecords) -> bool:
    return any(copy.is_present and copy.storage_id in storages for copy in copies.of_backup(backup_id))
