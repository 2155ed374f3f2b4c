"""Comparison of the records of copies with the snapshots that their repository shows; pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from kronkeep_common.models import BackupCopy, BackupExecution
from kronkeep_daemon.copies import copy_manifests
from kronkeep_daemon.copies.copy_manifests import CopiedSnapshots
from kronkeep_daemon.repositories import reconciliation
from kronkeep_daemon.repositories.reconciliation import SnapshotsByBackup
from kronkeep_daemon.restic.snapshots import ListedSnapshot


class FoundCopy(NamedTuple):
    """Snapshots of a backup that no record of a copy knows, or of one that was made again elsewhere."""

    backup: BackupExecution
    snapshots: CopiedSnapshots


class CopyComparison(NamedTuple):
    """What differs between the records of copies and their repository.

    missing: ids of copies whose snapshots are not there and were there before.
    removed: ids of such copies that retention had begun to remove, as a daemon that was killed.
    returned: ids of copies that were missing or removed, and are there again.
    strayed: ids of copies whose records name another policy or CronJob than those of their backups, as of
        backups that were adopted before copies went with them.
    found: snapshots of backups that are recorded and have no record of this copy.
    unrecorded: snapshots of backups that are not recorded.
    foreign: snapshots without kronkeep's tags.
    """

    missing: tuple[str, ...]
    removed: tuple[str, ...]
    returned: tuple[str, ...]
    strayed: tuple[str, ...]
    found: tuple[FoundCopy, ...]
    unrecorded: tuple[ListedSnapshot, ...]
    foreign: tuple[ListedSnapshot, ...]


def compare(
    copies: Mapping[str, BackupCopy],
    snapshots: Sequence[ListedSnapshot],
    backup_of: Callable[[str], BackupExecution | None],
) -> CopyComparison:
    """Compare the copies in a repository, by the ids of their backups, with the list of its snapshots.

    copies: as they were before the list was made.
    backup_of: returns the record of a backup.
    """
    by_backup = reconciliation.group_by_backup(snapshots)
    missing: list[str] = []
    removed: list[str] = []
    returned: list[str] = []
    strayed: list[str] = []
    for copy in copies.values():
        if copy.snapshot_id is None:
            continue
        backup = backup_of(copy.backup_id)
        is_there = backup is not None and has_copy_in(backup, copy, by_backup.get(copy.backup_id, ()))
        if copy.is_present and not is_there:
            (removed if copy.forget_began_at is not None else missing).append(copy.id)
        elif is_there and (copy.forget_began_at is not None or not copy.is_present):
            returned.append(copy.id)
        if backup is not None and _owner_of(copy) != _owner_of(backup):
            strayed.append(copy.id)
    found, unrecorded = _find_others(copies, by_backup, backup_of)
    return CopyComparison(
        missing=tuple(missing),
        removed=tuple(removed),
        returned=tuple(returned),
        strayed=tuple(strayed),
        found=tuple(found),
        unrecorded=tuple(unrecorded),
        foreign=tuple(each for each in snapshots if not (each.backup and each.policy)),
    )


def _owner_of(record: BackupCopy | BackupExecution) -> tuple[str, str]:
    return record.policy_id, record.cronjob_id


def has_copy_in(backup: BackupExecution, copy: BackupCopy, listed: Iterable[ListedSnapshot]) -> bool:
    """Return whether the listed snapshots include all those of the copy, with the backup's own tags."""
    if backup.result is None or copy.snapshot_id is None:
        return False
    return reconciliation.has_snapshot_in(copy_manifests.as_listed_in(backup, copy), listed)


def _find_others(
    copies: Mapping[str, BackupCopy],
    by_backup: SnapshotsByBackup,
    backup_of: Callable[[str], BackupExecution | None],
) -> tuple[list[FoundCopy], list[ListedSnapshot]]:
    found: list[FoundCopy] = []
    unrecorded: list[ListedSnapshot] = []
    for backup_id, group in by_backup.items():
        copy = copies.get(backup_id)
        if not backup_id or (copy is not None and copy.snapshot_id is not None):
            continue
        backup = backup_of(backup_id)
        if backup is None or backup.result is None:
            unrecorded += [each for each in group if each.policy]
            continue
        whole = copy_manifests.find_copies(backup, group)
        if whole is not None and (copy is None or copy.ended_at is not None):
            found.append(FoundCopy(backup, whole))
    return found, unrecorded
