"""What a move copies, and what may be removed after it: never the only snapshot of a backup."""

from typing import Any

import msgspec
import pytest
from tests.records import make_backup, vault

from kronkeep_common.models import BackupExecution, BackupResult, Encryption
from kronkeep_common.models.policy import BackupPolicy
from kronkeep_common.models.storage import StorageUsage
from kronkeep_common.models.storage_layout import Layout
from kronkeep_common.states import BackupStatus
from kronkeep_daemon.copies.moved_backups import (
    READ_AT_ONCE,
    choose_subset,
    choose_superseded,
    count_bytes,
    find_result,
    group_backups,
)
from kronkeep_daemon.repositories.reconciliation import SnapshotsByBackup, group_by_backup
from kronkeep_daemon.repositories.repository import Repository, repository_of_backup
from kronkeep_daemon.restic.snapshots import ListedSnapshot, SnapshotTags

STORAGE = vault(id="vault", settings={"path": "/srv"})
OLD, NEW = "a" * 64, "b" * 64


def backup_with(snapshot: str, layout: Layout, **fields: Any) -> BackupExecution:
    result = BackupResult(snapshot_id=snapshot, tree="t" * 64)
    return make_backup(**{"storage_id": "vault", "layout": layout, "result": result, **fields})


def shown(snapshot: str, backup: BackupExecution, tree: str = "t" * 64) -> ListedSnapshot:
    tags = SnapshotTags(policy=backup.policy_id, backup=backup.id)
    return ListedSnapshot(id=snapshot, tree=tree, tags=tuple(tags.texts()))


def superseded(backup: BackupExecution | None, *, new_shows: bool = True) -> list[str]:
    """Return what goes from the shared repository, where it has the snapshot OLD of the backup."""
    known = backup or backup_with(OLD, "shared")
    new = {repository_of_backup(backup, STORAGE).id: group_by_backup([shown(NEW, known)])} if backup else {}

    def shown_in(repository_id: str) -> SnapshotsByBackup:
        return new.get(repository_id, {}) if new_shows else {}

    def find_record(backup_id: str) -> BackupExecution | None:
        return backup if backup is not None and backup.id == backup_id else None

    listed = group_by_backup([shown(OLD, known), ListedSnapshot(id="c" * 64)])
    repository = Repository(storage=STORAGE)
    return choose_superseded(repository, listed, find_record=find_record, shown_in=shown_in)


def test_an_original_goes_only_while_the_repository_of_its_record_shows_the_backup() -> None:
    moved = backup_with(NEW, "namespace")
    assert superseded(moved) == [OLD]
    assert superseded(moved, new_shows=False) == []
    assert superseded(msgspec.structs.replace(moved, result=BackupResult(snapshot_id="d" * 64))) == []


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(None, id="no record: a stranger's"),
        pytest.param(backup_with(OLD, "shared"), id="the record names this repository"),
        pytest.param(backup_with(NEW, "namespace", storage_id="other"), id="another storage"),
        pytest.param(backup_with(NEW, "namespace", status=BackupStatus.RUNNING), id="not ended"),
    ],
)
def test_what_else_is_there_stays(record: BackupExecution | None) -> None:
    assert superseded(record) == []


def test_what_retention_has_removed_since_goes_from_the_old_repository_too() -> None:
    removed = backup_with(NEW, "namespace")
    removed = msgspec.structs.replace(removed, snapshot_removed_at=removed.created_at)
    assert superseded(removed, new_shows=False) == [OLD]


def test_a_copy_counts_with_the_backups_tags_and_the_same_content_only() -> None:
    backup = backup_with(OLD, "shared")
    listed = group_by_backup([shown(NEW, backup)])
    result = find_result(backup, listed)
    assert result is not None
    assert result.snapshot_id == NEW
    assert find_result(backup, group_by_backup([shown(NEW, backup, tree="u" * 64)])) is None
    other = msgspec.structs.replace(backup, policy_id="other")
    assert find_result(backup, {backup.id: [shown(NEW, other)]}) is None


def test_what_has_a_repository_of_its_own_in_any_layout_is_not_moved() -> None:
    open_policy = BackupPolicy(id="p", storage_id="vault", encryption=Encryption(enabled=False))
    backups = [
        backup_with(OLD, "shared", id="one"),
        backup_with(OLD, "shared", id="two", namespace="other"),
        backup_with(OLD, "shared", id="open", policy=open_policy),
        backup_with(OLD, "namespace", id="there"),
        backup_with(OLD, "shared", id="gone", snapshot_missing_at=backup_with(OLD, "shared").created_at),
        backup_with(OLD, "shared", id="running", status=BackupStatus.RUNNING),
    ]
    groups = group_backups(backups, STORAGE, "namespace")
    assert sorted(backup.id for group in groups for backup in group.backups) == ["one", "two"]
    assert {group.source.id for group in groups} == {"vault"}
    assert len({group.target.id for group in groups}) == 2


def test_copies_go_to_the_repository_of_copies_that_the_layout_gives_them() -> None:
    copy = backup_with(OLD, "shared")
    (group,) = group_backups([copy], STORAGE, "namespace", copies_of="first")
    assert (group.source.folder, group.source.first_storage_id) == ("copies-of-first", "first")
    assert group.target.folder.startswith("copies-of-first.namespace-")
    moved = msgspec.structs.replace(
        copy, layout="namespace", result=BackupResult(snapshot_id=NEW, tree="t" * 64)
    )
    listed = group_by_backup([shown(OLD, copy)])

    def find_record(_: str) -> BackupExecution:
        return moved

    def shown_in(repository_id: str) -> SnapshotsByBackup:
        return group_by_backup([shown(NEW, copy)]) if repository_id == group.target.id else {}

    chosen = choose_superseded(group.source, listed, find_record=find_record, shown_in=shown_in)
    assert chosen == [OLD]
    backups = choose_superseded(
        Repository(storage=STORAGE), listed, find_record=find_record, shown_in=shown_in
    )
    assert backups == [], "what has only a copy elsewhere stays"


def test_the_data_of_a_small_repository_is_read_at_once_and_a_large_ones_part_by_part() -> None:
    """A move to a repository for each policy took ten Jobs for each, however little there was to read."""
    assert choose_subset(0, 0) == (1, 1)
    assert choose_subset(0, READ_AT_ONCE) == (1, 1)
    assert choose_subset(0, READ_AT_ONCE + 1) == (1, 10)
    assert choose_subset(9, READ_AT_ONCE + 1) == (10, 10)
    assert choose_subset(3, 0) == (4, 10), "what began part by part goes on so"


def test_a_new_repository_has_what_was_moved_or_all_that_the_storage_has() -> None:
    moved = [
        backup_with(OLD, "shared", id=name, result=BackupResult(snapshot_id=OLD, bytes_added=size))
        for name, size in (("one", 300), ("two", 400))
    ]
    groups = group_backups(moved, STORAGE, "policy")
    assert count_bytes(STORAGE, groups) == 700
    usage = StorageUsage(measured_at=moved[0].created_at, used_bytes=5_000)
    assert count_bytes(msgspec.structs.replace(STORAGE, usage=usage), groups) == 5_000
    assert count_bytes(STORAGE, []) == 0
