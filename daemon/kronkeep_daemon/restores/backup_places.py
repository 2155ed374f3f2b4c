"""Where a backup can be read from: the first storage, or a copy that is there when the first is away."""

from kronkeep_common.errors import CopyNotFound, KronkeepError, NotAllowedNow
from kronkeep_common.models import BackupCopy, BackupExecution, BackupStorage, Restore
from kronkeep_common.reasons import Reason
from kronkeep_common.text import clean
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.copies import copy_manifests
from kronkeep_daemon.copies.copy_records import CopyRecords
from kronkeep_daemon.repositories.repository import Repository, repository_of_backup
from kronkeep_daemon.storages.service import StorageService


class BackupInCopy(BackupExecution, frozen=True, kw_only=True):
    """A backup as it is in a copy: `storage_id` is the copy's, and `result` has the ids of its snapshots.

    `copy_id` is the copy's record, `first_storage_id` the storage that has the original.
    """

    copy_id: str
    first_storage_id: str


def is_away(fault: KronkeepError) -> bool:
    """Whether a fault means that the place that was read is away; another place may then be read."""
    return Reason.is_away_code(fault.details.get("reason")) or fault.code == "StorageNotFound"


def may_change_place(restore: Restore) -> bool:
    """Whether another place may be read than was chosen first.

    A drill and a verification are of one place, and somebody may have named the place of a restore.
    """
    return restore.purpose == "restore" and restore.from_copy is None


def in_copy(backup: BackupExecution, copy: BackupCopy) -> BackupInCopy:
    """Return a backup as it is in its copy."""
    listed = copy_manifests.as_listed_in(backup, copy)
    fields = {field: getattr(listed, field) for field in BackupExecution.__struct_fields__}
    fields |= {"storage_id": copy.storage_id, "layout": copy.layout}
    return BackupInCopy(**fields, copy_id=copy.id, first_storage_id=backup.storage_id)


def repository_of(backup: BackupExecution, storage: BackupStorage) -> Repository:
    """Return the repository that has the backup where it is; `storage` is that of its `storage_id`."""
    repository = repository_of_backup(backup, storage)
    if isinstance(backup, BackupInCopy):
        return repository.as_copies_of(backup.first_storage_id)
    return repository


class BackupPlaces:
    """The places of backups, the first storage before its copies."""

    def __init__(self, *, backups: BackupRecords, copies: CopyRecords, storages: StorageService) -> None:
        self._backups = backups
        self._copies = copies
        self._storages = storages

    def list_places(self, backup_id: str, from_copy: str | None = None) -> list[BackupExecution]:
        """Return the backup as it is in each place that has its snapshots, in the order in which to try them.

        from_copy: the storage of the only place; None for all of them. A first storage that is known to be
            away comes last.

        Raises BackupNotFound, CopyNotFound, NotAllowedNow where no place has it.
        """
        backup = self._backups.get(backup_id)
        if from_copy is not None and from_copy != backup.storage_id:
            return [self._require_copy(backup, from_copy)]
        copies: list[BackupExecution] = []
        if from_copy is None:
            copies = [in_copy(backup, each) for each in self._present_copies(backup)]
        refusal = _refusal_of(backup)
        if refusal is not None:
            if not copies:
                raise refusal
            return copies
        if backup.snapshot_missing_at is not None or self._is_known_to_be_away(backup.storage_id):
            return [*copies, backup]
        return [backup, *copies]

    def _require_copy(self, backup: BackupExecution, storage_id: str) -> BackupExecution:
        copy = self._copies.find(backup.id, storage_id)
        if copy is None or backup.result is None:
            raise CopyNotFound(
                f"The backup {backup.id} has no copy in {clean(storage_id, 80)}.", field="from_copy"
            )
        if not copy.is_present:
            what = copy.snapshot_state if copy.snapshot_id is not None else copy.status
            raise NotAllowedNow(
                f"The copy in {storage_id} cannot be restored: it is {what}.",
                next_step="Choose another copy, or another backup.",
                field="from_copy",
            )
        return in_copy(backup, copy)

    def _present_copies(self, backup: BackupExecution) -> list[BackupCopy]:
        """Return the copies that are there, those in storages that answered last first."""
        if backup.result is None:
            return []
        present = [copy for copy in self._copies.of_backup(backup.id) if copy.is_present]
        usable = [copy for copy in present if not self._is_known_to_be_away(copy.storage_id)]
        return [*usable, *(copy for copy in present if copy not in usable)]

    def _is_known_to_be_away(self, storage_id: str) -> bool:
        storage = self._storages.find(storage_id)
        return storage is None or storage.away_reason is not None


def _refusal_of(backup: BackupExecution) -> NotAllowedNow | None:
    """Return why the first storage cannot have the backup's snapshot; None where it may."""
    if backup.result is None:
        return NotAllowedNow(
            f"The backup {backup.id} is {backup.status}; it has no snapshot.",
            next_step="Choose a backup that succeeded.",
        )
    if backup.snapshot_removed_at is not None:
        return NotAllowedNow(
            f"The snapshot of backup {backup.id} was removed by its retention.",
            next_step="Choose a later backup.",
        )
    return None
