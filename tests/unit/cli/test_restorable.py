"""Each line about what can be restored says what is known of it, on standard output too."""

import io
from contextlib import redirect_stdout
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.records import make_backup

from kronkeep_common.models import BackupResult
from kronkeep_common.models.restorable import RestorableBackup
from kronkeep_tui.cli import output
from kronkeep_tui.cli.restorable import find_fault, restorable_line

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def make(**fields: Any) -> RestorableBackup:
    base: dict[str, Any] = {"cluster": "c", "namespace": "shop", "cronjob": "db", "cronjob_id": "u"}
    base |= {"id": "5" * 32, "storage_id": "vault", "created_at": datetime(2026, 1, 1, tzinfo=UTC)}
    return RestorableBackup(**(base | fields))


@pytest.mark.parametrize(
    ("fields", "shown", "fault"),
    [
        ({}, " ok ", None),
        ({"is_there": False}, "db (deleted)", None),
        ({"storage_reason": "RepositoryMissing"}, "RepositoryMissing", "kronkeep storage test vault"),
        ({"storage_reason": "StorageUnknown"}, "StorageUnknown", "create it again under the same name"),
        ({"is_confirmed": False}, "not-verified", "kronkeep verify 5555"),
    ],
)
def test_a_line_says_what_is_known(fields: dict[str, Any], shown: str, fault: str | None) -> None:
    backup = make(**fields)
    with redirect_stdout(io.StringIO()) as printed:
        output.print_records("restorable", [restorable_line(backup)], "table", headers=False)
    assert shown in printed.getvalue()
    said = find_fault(backup)
    assert said is None if fault is None else fault in (said or "")


def test_a_policy_without_a_backup_is_a_fault() -> None:
    assert find_fault(make(id=None)) == (
        "shop/db has a policy and no good backup: kronkeep backup shop/db --wait"
    )


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"result": BackupResult(snapshot_id="5" * 64)}, "55555555"),
        ({"result": BackupResult(snapshot_id="5" * 64), "snapshot_removed_at": NOW}, "removed"),
        ({"result": BackupResult(snapshot_id="5" * 64), "snapshot_missing_at": NOW}, "missing"),
        ({}, "-"),
    ],
)
def test_a_list_of_backups_shows_which_snapshots_are_gone(fields: dict[str, Any], shown: str) -> None:
    with redirect_stdout(io.StringIO()) as printed:
        output.print_records("backups", [make_backup(id="b", **fields)], "table")
    header, line = printed.getvalue().splitlines()
    assert line[header.index("SNAPSHOT") :].split()[0] == shown
