"""Which backups a move to another layout copies, where they are then, and what may be removed after it; pure.

A repository shows what has been copied: snapshots with the backup's tags and the same content. So a move
needs no notes, and what is done twice changes nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import msgspec

from kronkeep_common.models import BackupExecution, BackupResult, BackupStorage
from kronkeep_common.models.storage_layout import Layout
from kronkeep_common.models.storage_move import MovePlan
from kronkeep_common.states import BACKUP_TRANSITIONS, is_final
from kronkeep_daemon.copies import copy_manifests
from kronkeep_daemon.repositories import reconciliation
from kronkeep_daemon.repositories.reconciliation import SnapshotsByBackup
from kronkeep_daemon.repositories.repository import Repository, repository_of_backup
from kronkeep_daemon.restic.check import DataSubset
from kronkeep_daemon.restic.snapshots import ListedSnapshot

READ_PARTS = 10  # in which the data of a new repository is read, so that archives get their turn in between
READ_AT_ONCE = 2**30  # bytes: reading them takes less time than ten Jobs take to start


class MovedGroup(NamedTuple):
    """Backups that go from one repository of a storage to another."""

    source: Repository
    target: Repository
    backups: tuple[BackupExecution, ...]


def place_in_layout(backup: BackupExecution, storage: BackupStorage, layout: Layout) -> Repository:
    """Return where the backup is in another layout of its storage."""
    return repository_of_backup(msgspec.structs.replace(backup, layout=layout), storage)


def is_elsewhere(backup: BackupExecution, storage: BackupStorage, layout: Layout) -> bool:
    """Whether the backup is in another repository than the layout gives it."""
    own = repository_of_backup(backup, storage)
    return own.id != place_in_layout(backup, storage, layout).id


def group_backups(
    backups: Iterable[BackupExecution], storage: BackupStorage, layout: Layout, *, copies_of: str = ""
) -> list[MovedGroup]:
    """Return the backups with a snapshot that are to be moved, by where they are and where they go.

    copies_of: the storage that they are copies of; empty for the storage's own backups.
    """
    groups: dict[tuple[str, str], MovedGroup] = {}
    for backup in backups:
        if backup.snapshot_state != "present" or not is_final(BACKUP_TRANSITIONS, backup.status):
            continue
        source = _for_copies(repository_of_backup(backup, storage), copies_of)
        target = _for_copies(place_in_layout(backup, storage, layout), copies_of)
        if source.id == target.id:
            continue
        group = groups.get((source.id, target.id)) or MovedGroup(source, target, ())
        groups[source.id, target.id] = group._replace(backups=(*group.backups, backup))
    return [groups[key] for key in sorted(groups)]


def _for_copies(repository: Repository, first_storage_id: str) -> Repository:
    return repository.as_copies_of(first_storage_id) if first_storage_id else repository


def count_bytes(storage: BackupStorage, groups: Sequence[MovedGroup]) -> int:
    """Return how many bytes a new repository has at most: what was moved, or all that the storage has."""
    results = [backup.result for group in groups for backup in group.backups]
    moved = sum(result.bytes_added for result in results if result is not None)
    return max(moved, storage.usage.used_bytes if storage.usage is not None else 0)


def choose_subset(read_parts: int, size: int) -> DataSubset:
    """Return what is to be read next of a repository's data; a small one is read at once.

    read_parts: how many of READ_PARTS were read, fewer than all.
    size: the bytes of the data.
    """
    if read_parts == 0 and size <= READ_AT_ONCE:
        return DataSubset(1, 1)
    return DataSubset(read_parts + 1, READ_PARTS)


def describe_plan(groups: Sequence[MovedGroup], layout: Layout) -> MovePlan:
    """Return what a move would do."""
    sizes = [
        backup.result.bytes_stored if backup.result is not None else None
        for group in groups
        for backup in group.backups
    ]
    known = [size for size in sizes if size is not None]
    return MovePlan(
        layout=layout,
        backups=len(sizes),
        sources=tuple(sorted({group.source.id for group in groups})),
        targets=tuple(sorted({group.target.id for group in groups})),
        bytes_stored=sum(known) if len(known) == len(sizes) else None,
    )


def find_result(backup: BackupExecution, listed: SnapshotsByBackup) -> BackupResult | None:
    """Return the backup's result with its snapshots in the target; None where not all are there, or others.

    listed: the snapshots of the target.
    """
    result = backup.result
    own = list(listed.get(backup.id, ()))
    copied = copy_manifests.find_copies(backup, own)
    if result is None or copied is None:
        return None
    trees = {each.id: each.tree for each in own}
    has_tree = result.tree in ("", trees[copied.snapshot_id])
    has_database_tree = result.database_tree in ("", trees.get(copied.database_snapshot_id or "", ""))
    if not (has_tree and has_database_tree):
        return None
    return msgspec.structs.replace(
        result,
        snapshot_id=copied.snapshot_id,
        database_snapshot_id=copied.database_snapshot_id,
    )


def choose_superseded(
    repository: Repository,
    listed: SnapshotsByBackup,
    *,
    find_record: Callable[[str], BackupExecution | None],
    shown_in: Callable[[str], SnapshotsByBackup],
) -> list[str]:
    """Return the ids of snapshots that may go: of backups whose record names another repository, which shows
    them, or of backups that retention has removed since.

    listed: the snapshots of `repository`.
    find_record: returns the record of a backup, or of its copy where the repository has copies.
    shown_in: returns the snapshots of another repository of the storage by its id; empty where it was not
        listed.
    """
    chosen: list[ListedSnapshot] = []
    for backup_id, group in listed.items():
        backup = find_record(backup_id) if backup_id else None
        if backup is None or backup.storage_id != repository.storage.id:
            continue
        own = _for_copies(repository_of_backup(backup, repository.storage), repository.first_storage_id)
        if own.id == repository.id or not is_final(BACKUP_TRANSITIONS, backup.status):
            continue
        there = shown_in(own.id).get(backup_id, ())
        if backup.snapshot_state == "removed" or reconciliation.has_snapshot_in(backup, there):
            chosen += reconciliation.own_snapshots(backup, group)
    return [snapshot.id for snapshot in chosen]
