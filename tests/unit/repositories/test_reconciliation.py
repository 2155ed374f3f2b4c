"""The comparison of a repository's snapshots with the records of its backups."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from tests.records import make_backup

from kronkeep_common.models import BackupExecution, BackupResult
from kronkeep_daemon.repositories import reconciliation
from kronkeep_daemon.restic.snapshots import ListedSnapshot

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def full_id(number: int) -> str:
    return f"{number:08x}" * 8


def backup(number: int, **fields: Any) -> BackupExecution:
    body = make_backup(
        id=f"b{number}",
        storage_id="vault",
        created_at=NOON,
        result=BackupResult(snapshot_id=full_id(number)[:8]),
    )
    return msgspec.structs.replace(body, **fields)


def snapshot(number: int, *, owner: str | None = None, policy: str = "p") -> ListedSnapshot:
    tags = (f"policy={policy}", "run=r", f"backup={owner or f'b{number}'}")
    return ListedSnapshot(id=full_id(number), short_id=full_id(number)[:8], tags=tags)


def test_records_and_repository_that_agree_differ_in_nothing() -> None:
    comparison = reconciliation.compare([backup(1)], [snapshot(1)], ["b1"])
    assert comparison == ((), (), (), (), (), ())


def test_a_snapshot_that_is_not_listed_is_missing_once() -> None:
    assert reconciliation.compare([backup(1), backup(2)], [snapshot(1)], ["b1"]).missing == ("b2",)
    known = backup(2, snapshot_missing_at=NOON)
    assert reconciliation.compare([known], [snapshot(1)], ["b1"]).missing == ()


def test_a_snapshot_that_retention_had_begun_to_remove_is_removed_or_still_there() -> None:
    begun = backup(1, forget_began_at=NOON)
    gone = reconciliation.compare([begun], [], [])
    assert (gone.missing, gone.removed) == ((), ("b1",))
    there = reconciliation.compare([begun], [snapshot(1)], ["b1"])
    assert (there.removed, there.returned) == ((), ("b1",))


def test_a_removed_snapshot_that_is_listed_has_returned() -> None:
    known = backup(1, snapshot_removed_at=NOON)
    assert reconciliation.compare([known], [snapshot(1)], ["b1"]).returned == ("b1",)
    assert reconciliation.compare([known], [], []).missing == ()


def test_a_missing_snapshot_that_is_listed_has_returned() -> None:
    known = backup(1, snapshot_missing_at=NOON)
    assert reconciliation.compare([known], [snapshot(1)], ["b1"]).returned == ("b1",)


@pytest.mark.parametrize(
    "listed",
    [
        snapshot(1, owner="b2"),
        snapshot(1, policy="another"),
        ListedSnapshot(id=full_id(1), tags=None),
        ListedSnapshot(id=full_id(1), tags=("policy=p",)),
        ListedSnapshot(id=full_id(2), tags=("policy=p", "backup=b1")),
    ],
)
def test_a_snapshot_without_the_tags_of_the_backup_is_not_its_own(listed: ListedSnapshot) -> None:
    assert reconciliation.compare([backup(1)], [listed], ["b1"]).missing == ("b1",)


def test_an_id_that_is_too_short_to_name_one_snapshot_proves_nothing() -> None:
    short = backup(1, result=BackupResult(snapshot_id="0"))
    assert reconciliation.compare([short], [snapshot(1)], ["b1"]).missing == ("b1",)


def test_a_backup_of_files_and_a_dump_needs_both_snapshots() -> None:
    both = backup(1, result=BackupResult(snapshot_id=full_id(1), database_snapshot_id=full_id(2)))
    dump = snapshot(2, owner="b1")
    assert reconciliation.compare([both], [snapshot(1)], ["b1"]).missing == ("b1",)
    assert reconciliation.compare([both], [dump], ["b1"]).missing == ("b1",)
    assert reconciliation.compare([both], [snapshot(1), dump], ["b1"]).missing == ()


def test_snapshots_without_a_record_and_foreign_ones_are_told_apart() -> None:
    foreign = ListedSnapshot(id=full_id(8), tags=("mine",))
    comparison = reconciliation.compare([], [snapshot(1), snapshot(2), foreign], ["b2"])
    assert comparison.unrecorded == (snapshot(1),)
    assert comparison.foreign == (foreign,)


def test_a_snapshot_with_another_id_and_the_same_content_is_the_backups_own() -> None:
    """As `restic tag` leaves it; `restic rewrite` leaves other content, which is not what was archived."""
    tree = full_id(70)
    known = backup(1, result=BackupResult(snapshot_id=full_id(1), tree=tree))
    tagged = msgspec.structs.replace(snapshot(5, owner="b1"), tree=tree)
    comparison = reconciliation.compare([known], [tagged], ["b1"])
    assert (comparison.missing, comparison.returned) == ((), ())
    ((_, result),) = comparison.renamed
    assert (result.snapshot_id, result.tree) == (full_id(5), tree)
    rewritten = msgspec.structs.replace(tagged, tree=full_id(71))
    others = msgspec.structs.replace(snapshot(5, owner="b2"), tree=tree)
    for listed in (rewritten, others, msgspec.structs.replace(tagged, tree="")):
        comparison = reconciliation.compare([known], [listed], ["b1"])
        assert (comparison.missing, comparison.renamed) == (("b1",), ())
    unknown = backup(1)
    assert reconciliation.compare([unknown], [tagged], ["b1"]).missing == ("b1",)
    missing = msgspec.structs.replace(known, snapshot_missing_at=NOON)
    assert reconciliation.compare([missing], [tagged], ["b1"]).returned == ("b1",)


def test_a_dump_that_got_another_id_does_not_hide_files_that_are_gone() -> None:
    both = backup(
        1,
        result=BackupResult(
            snapshot_id=full_id(1),
            tree=full_id(71),
            database_snapshot_id=full_id(2),
            database_tree=full_id(72),
        ),
    )
    dump = msgspec.structs.replace(snapshot(6, owner="b1"), tree=full_id(72))
    files = msgspec.structs.replace(snapshot(1), tree=full_id(71))
    assert reconciliation.compare([both], [dump], ["b1"]).missing == ("b1",)
    ((_, result),) = reconciliation.compare([both], [files, dump], ["b1"]).renamed
    assert (result.snapshot_id, result.database_snapshot_id) == (full_id(1), full_id(6))
