"""Comparison of a repository's snapshots with the records of its backups; pure.

A record is a claim, the repository is the truth. A backup has its snapshot where the repository shows every
snapshot id of its result with the tags `backup=` and `policy=` of that backup; an id alone proves nothing.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kronkeep_common.models import BackupExecution
from kronkeep_daemon.restic.snapshots import ListedSnapshot

SHORTEST_ID = 8  # characters; restic's short ids have as many


class RepositoryComparison(NamedTuple):
    """What differs between records and repository.

    missing: ids of backups whose snapshot is not there and was not missing before.
    returned: ids of backups whose snapshot was missing and is there again.
    unrecorded: snapshots with the tags of a backup that no record has.
    foreign: snapshots without kronkeep's tags; they are never touched.
    """

    missing: tuple[str, ...]
    returned: tuple[str, ...]
    unrecorded: tuple[ListedSnapshot, ...]
    foreign: tuple[ListedSnapshot, ...]


def snapshot_ids(backup: BackupExecution) -> tuple[str, ...]:
    """Return the snapshot ids of a backup; one with a dump beside its files has two."""
    if backup.result is None:
        return ()
    ids = (backup.result.snapshot_id, backup.result.database_snapshot_id)
    return tuple(snapshot_id for snapshot_id in ids if snapshot_id)


def has_snapshot_in(backup: BackupExecution, snapshots: Iterable[ListedSnapshot]) -> bool:
    """Return whether the listed snapshots include all those of the backup, with its own tags."""
    own = [each for each in snapshots if each.backup == backup.id and each.policy == backup.policy_id]
    ids = snapshot_ids(backup)
    return bool(ids) and all(any(_is_id_of(each, short) for each in own) for short in ids)


def compare(
    backups: Sequence[BackupExecution], snapshots: Sequence[ListedSnapshot], recorded_ids: Iterable[str]
) -> RepositoryComparison:
    """Compare the records of a repository's backups with the list of its snapshots.

    backups: those that had ended with a snapshot before the list was made and whose snapshot was not removed.
    recorded_ids: the ids of all backups with a record, those included that run or whose snapshot was removed.
    """
    by_backup: dict[str, list[ListedSnapshot]] = {}
    for snapshot in snapshots:
        by_backup.setdefault(snapshot.backup, []).append(snapshot)
    missing = []
    returned = []
    for backup in backups:
        is_there = has_snapshot_in(backup, by_backup.get(backup.id, ()))
        if not is_there and backup.snapshot_missing_at is None:
            missing.append(backup.id)
        elif is_there and backup.snapshot_missing_at is not None:
            returned.append(backup.id)
    known = set(recorded_ids)
    ours = [each for each in snapshots if each.backup and each.policy]
    return RepositoryComparison(
        missing=tuple(missing),
        returned=tuple(returned),
        unrecorded=tuple(each for each in ours if each.backup not in known),
        foreign=tuple(each for each in snapshots if not (each.backup and each.policy)),
    )


def _is_id_of(snapshot: ListedSnapshot, short: str) -> bool:
    return len(short) >= SHORTEST_ID and snapshot.id.startswith(short)
