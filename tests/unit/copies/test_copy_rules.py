"""Which backups are copied, and when; how far a copy is."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from tests.records import make_backup

from kronkeep_common.models import BackupCopy, BackupExecution, BackupResult, PolicyCopy, Retention
from kronkeep_common.states import BackupStatus, CopyStatus
from kronkeep_daemon.copies import copy_rules
from kronkeep_daemon.copies.copy_records import new_copy

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
EVERYTHING = Retention(days=3650)


def backup(number: int, **fields: Any) -> BackupExecution:
    """Return a backup that ended so many hours ago."""
    at = NOW - number * HOUR
    known = {"result": BackupResult(snapshot_id=f"{number:08d}"), "sequence": 1000 - number}
    return make_backup(**{"id": f"b{number}", "created_at": at, "ended_at": at, **known, **fields})


def copy(
    number: int, status: CopyStatus = CopyStatus.SUCCEEDED, ended: float = 0, **fields: Any
) -> BackupCopy:
    """Return the copy of a backup, which ended so many hours ago."""
    made = new_copy(backup(number), "second", "after-backup", NOW - number * HOUR)
    snapshot = f"{number:064d}" if status is CopyStatus.SUCCEEDED else None
    ended_at = NOW - ended * HOUR if status not in (CopyStatus.QUEUED, CopyStatus.RUNNING) else None
    known = {"status": status, "ended_at": ended_at, "snapshot_id": snapshot}
    return msgspec.structs.replace(made, **{**known, **fields})


def due(
    backups: list[BackupExecution],
    copies: list[BackupCopy] = [],  # noqa: B006 (never changed)
    rules: Retention = EVERYTHING,
    **spec: Any,
) -> list[str]:
    """Return the backups that are to be copied now, and why."""
    chosen = PolicyCopy(storage_id="second", **spec)
    found = copy_rules.choose_due(
        chosen,
        rules,
        backups,
        copy_rules.by_backup(copies),
        now=NOW,
        slot=copy_rules.newest_slot(chosen, NOW, "UTC"),
        first_seen=NOW - 24 * HOUR,
    )
    return [f"{each.backup.id} {each.trigger}" for each in found]


def test_a_copy_gets_what_its_retention_keeps_the_newest_first() -> None:
    backups = [backup(number) for number in (1, 2, 3, 4)]
    assert due(backups) == [f"b{number} after-backup" for number in (1, 2, 3, 4)]
    assert due(backups, rules=Retention(keep_last=2)) == ["b1 after-backup", "b2 after-backup"]
    assert due(backups, [copy(1), copy(2)], Retention(keep_last=2)) == []
    assert due(backups, [copy(2)], Retention(keep_last=2)) == ["b1 after-backup"]


@pytest.mark.parametrize(
    "backup",
    [
        backup(1, status=BackupStatus.UNKNOWN),
        backup(1, status=BackupStatus.RUNNING, ended_at=None),
        backup(1, storage_id="second"),
    ],
)
def test_what_is_not_copied(backup: BackupExecution) -> None:
    assert due([backup]) == []


def test_a_copy_that_the_repository_lost_is_made_again_one_that_retention_removed_is_not() -> None:
    lost = copy(1, snapshot_missing_at=NOW)
    removed = copy(2, snapshot_removed_at=NOW)
    assert due([backup(1), backup(2)], [lost, removed]) == ["b1 repair"]


@pytest.mark.parametrize(("ended", "tried"), [(0.9, []), (1.1, ["b1 after-backup"])])
def test_after_a_failure_one_backup_is_tried_once_an_hour(ended: float, tried: list[str]) -> None:
    failed = copy(3, CopyStatus.FAILED, ended=ended)
    assert due([backup(number) for number in (1, 2, 3)], [failed]) == tried


def test_while_one_is_tried_after_a_failure_no_other_is() -> None:
    copies = [copy(3, CopyStatus.FAILED, ended=2), copy(1, CopyStatus.RUNNING)]
    assert due([backup(number) for number in (1, 2, 3)], copies) == []
    copies = [copy(3, CopyStatus.FAILED, ended=2), copy(1, ended=0.1)]
    assert due([backup(number) for number in (1, 2, 3)], copies) == ["b2 after-backup", "b3 after-backup"]


def test_a_cancelled_copy_waits_for_a_person() -> None:
    assert due([backup(1)], [copy(1, CopyStatus.CANCELLED)]) == []


def test_a_schedule_copies_at_its_slots_what_had_ended_before() -> None:
    backups = [backup(number) for number in (1, 3, 5)]
    assert due(backups, schedule="0 10 * * *") == ["b3 scheduled", "b5 scheduled"]
    assert due(backups, schedule="0 13 1 1 *") == []  # the last slot was before this copy was first seen


def state(backups: list[BackupExecution], copies: list[BackupCopy], **spec: Any) -> Any:
    return copy_rules.describe_state(
        PolicyCopy(storage_id="second", **spec),
        EVERYTHING,
        backups,
        copy_rules.by_backup(copies),
        now=NOW,
        first_seen=NOW - 10 * HOUR,
    )


def test_the_lag_of_a_copy_counts_from_the_oldest_good_backup_that_it_lacks() -> None:
    bad = backup(2, status=BackupStatus.PARTIAL)
    backups = [backup(1), bad, backup(3), backup(5)]
    behind = state(backups, [copy(5)])
    assert (behind.backups, behind.newest_at, behind.behind_since) == (1, NOW - 5 * HOUR, NOW - 3 * HOUR)
    assert state(backups, [copy(1), copy(5)]).behind_since is None
    assert state(backups, []).behind_since == NOW - 5 * HOUR


@pytest.mark.parametrize(
    ("copies", "hours", "overdue"),
    [([5], 4, True), ([5], 6, False), ([], 9, True), ([], 11, False)],
)
def test_a_copy_is_overdue_by_its_newest_good_backup(copies: list[int], hours: int, overdue: bool) -> None:
    made = [copy(number) for number in copies]
    assert state([backup(5)], made, rpo_seconds=hours * 3600).overdue is overdue
    assert state([backup(5)], made).overdue is False


def test_a_failure_is_reported_until_a_later_copy_is_made() -> None:
    failed = copy(3, CopyStatus.FAILED, ended=2, message="No space.")
    backups = [backup(1), backup(3)]
    assert state(backups, [failed]).message == "No space."
    assert state(backups, [failed, copy(1, ended=1)]).failed_copy_id is None
