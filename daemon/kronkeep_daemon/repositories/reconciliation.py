"""Comparison of a repository's snapshots with the records of its backups; pure.

A record is a claim, the repository is the truth. A backup has its snapshot where the repository shows every
snapshot id of its result with the tags `backup=` and `policy=` of that backup; an id alone proves nothing.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from kronkeep_common.models import BackupExecution, BackupResult
from kronkeep_daemon.restic.snapshots import ListedSnapshot

SnapshotsByBackup = dict[str, list[ListedSnapshot]]
SHORTEST_ID = 8  # characters; restic's short ids have as many


class RepositoryComparison(NamedTuple):
    """What differs between records and repository.

    missing: ids of backups whose snapshot is not there and was not missing before.
    removed: ids of such backups whose snapshot retention had begun to remove, as a daemon that was killed.
    returned: ids of backups whose snapshot was missing, or was removed by retention, and is there again, as
        in a repository that was rolled back; or which retention could not remove.
    unrecorded: snapshots with the tags of a backup that no record has.
    renamed: backups whose snapshot has another id, with their results that name it.
    foreign: snapshots without kronkeep's tags; they are never touched.
    """

    missing: tuple[str, ...]
    removed: tuple[str, ...]
    returned: tuple[str, ...]
    unrecorded: tuple[ListedSnapshot, ...]
    foreign: tuple[ListedSnapshot, ...]
    renamed: tuple[tuple[str, BackupResult], ...] = ()


def snapshot_ids(backup: BackupExecution) -> tuple[str, ...]:
    """Return the snapshot ids of a backup; one with a dump beside its files has two."""
    if backup.result is None:
        return ()
    ids = (backup.result.snapshot_id, backup.result.database_snapshot_id)
    return tuple(snapshot_id for snapshot_id in ids if snapshot_id)


def group_by_backup(snapshots: Iterable[ListedSnapshot]) -> SnapshotsByBackup:
    """Return the snapshots by the backup in their tags, those without one under the empty id."""
    groups: SnapshotsByBackup = {}
    for snapshot in snapshots:
        groups.setdefault(snapshot.backup, []).append(snapshot)
    return groups


def own_snapshots(backup: BackupExecution, snapshots: Iterable[ListedSnapshot]) -> list[ListedSnapshot]:
    """Return those of the listed snapshots that have the backup's own tags."""
    return [
        each for each in snapshots if (each.backup, each.policy) == (backup.id, backup.snapshot_policy_id)
    ]


def has_snapshot_in(backup: BackupExecution, snapshots: Iterable[ListedSnapshot]) -> bool:
    """Return whether the listed snapshots include all those of the backup, with its own tags."""
    own = own_snapshots(backup, snapshots)
    ids = snapshot_ids(backup)
    return bool(ids) and all(any(_is_id_of(each, short) for each in own) for short in ids)


def with_trees(result: BackupResult, snapshots: Iterable[ListedSnapshot]) -> BackupResult:
    """Return the result with the whole ids of its snapshots and of what they contain, as they are listed."""
    listed = list(snapshots)
    database_id = result.database_snapshot_id
    return msgspec.structs.replace(
        result,
        snapshot_id=_whole_id(result.snapshot_id, listed),
        database_snapshot_id=_whole_id(database_id, listed) if database_id else None,
        tree=_tree_of(result.snapshot_id, listed) or result.tree,
        database_tree=_tree_of(result.database_snapshot_id or "", listed) or result.database_tree,
    )


def _whole_id(snapshot_id: str, snapshots: Iterable[ListedSnapshot]) -> str:
    return next((each.id for each in snapshots if _is_id_of(each, snapshot_id)), snapshot_id)


def _tree_of(snapshot_id: str, snapshots: Iterable[ListedSnapshot]) -> str:
    return next((each.tree for each in snapshots if _is_id_of(each, snapshot_id)), "")


def find_renamed(backup: BackupExecution, snapshots: Iterable[ListedSnapshot]) -> BackupResult | None:
    """Return the backup's result with the ids that its snapshots have now; None where they are not there.

    `restic tag` writes a snapshot again, with another id and the same content, and removes the old one; so
    does `restic rewrite`, with other content, which is then not what was archived.
    """
    result = backup.result
    if result is None:
        return None
    own = own_snapshots(backup, snapshots)
    main = _current_id(result.snapshot_id, result.tree, own)
    database = _current_id(result.database_snapshot_id or "", result.database_tree, own)
    if main is None or (database is None and result.database_snapshot_id):
        return None
    return msgspec.structs.replace(result, snapshot_id=main, database_snapshot_id=database)


def _current_id(snapshot_id: str, tree: str, own: Iterable[ListedSnapshot]) -> str | None:
    """Return the id of the snapshot, or of the newest one in the list that has its content."""
    same = [each.id for each in own if each.tree == tree] if tree else []
    if any(_is_id_of(each, snapshot_id) for each in own):
        return snapshot_id
    return same[-1] if same else None


def compare(
    backups: Sequence[BackupExecution], snapshots: Sequence[ListedSnapshot], recorded_ids: Iterable[str]
) -> RepositoryComparison:
    """Compare the records of a repository's backups with the list of its snapshots.

    backups: those that had ended with a snapshot before the list was made.
    recorded_ids: the ids of all backups whose record names its snapshot, or has not ended yet.
    """
    by_backup = group_by_backup(snapshots)
    missing: list[str] = []
    removed: list[str] = []
    returned = []
    renamed: list[tuple[str, BackupResult]] = []
    for backup in backups:
        is_there = has_snapshot_in(backup, by_backup.get(backup.id, ()))
        was_there = backup.snapshot_missing_at is None and backup.snapshot_removed_at is None
        is_being_removed = backup.forget_began_at is not None
        new_result = None if is_there else find_renamed(backup, by_backup.get(backup.id, ()))
        if new_result is not None:
            renamed.append((backup.id, new_result))
        elif was_there and not is_there:
            (removed if is_being_removed else missing).append(backup.id)
        if (is_there or new_result is not None) and (is_being_removed or not was_there):
            returned.append(backup.id)
    known = set(recorded_ids)
    ours = [each for each in snapshots if each.backup and each.policy]
    return RepositoryComparison(
        missing=tuple(missing),
        removed=tuple(removed),
        returned=tuple(returned),
        unrecorded=tuple(each for each in ours if each.backup not in known),
        foreign=tuple(each for each in snapshots if not (each.backup and each.policy)),
        renamed=tuple(renamed),
    )


def _is_id_of(snapshot: ListedSnapshot, short: str) -> bool:
    return len(short) >= SHORTEST_ID and snapshot.id.startswith(short)
