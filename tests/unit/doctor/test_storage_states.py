"""The doctor's line of a storage, and what lists and the terminal show of it."""

from datetime import UTC, datetime

import msgspec
import pytest
from tests.records import make_backup, vault

from kronkeep_common.models import BackupResult, BackupStorage
from kronkeep_common.states import CopyStatus, StorageStatus
from kronkeep_daemon.copies.copy_records import new_copy
from kronkeep_daemon.doctor import storage_checks
from kronkeep_daemon.doctor.storage_checks import check_state
from kronkeep_tui.cli.columns import COLUMNS
from kronkeep_tui.pages.storages import storage_state

NOW = datetime(2026, 11, 30, tzinfo=UTC)


def status_cell(storage: BackupStorage) -> str:
    column = next(column for column in COLUMNS["storages"] if column.title == "STATUS")
    return column.cell(storage)


@pytest.mark.parametrize(
    "storage",
    [
        vault(reason="RepositoryMissing", message="It is not there.", next_step="Put it back."),
        vault(reason="StorageReadOnly", message="It is not there.", next_step="Put it back."),
        vault(check_ok=False, checked_at=NOW, message="It is not there.", next_step="Put it back."),
        vault(reason="WrongPassword", message="It is not there.", next_step="Put it back.", namespaces=()),
    ],
)
def test_an_active_storage_that_cannot_be_used_has_failed_wherever_it_is_shown(
    storage: BackupStorage,
) -> None:
    check = check_state(storage)
    assert (check.name, check.status) == ("storage vault", "fail")
    assert "It is not there." in check.message
    assert check.next_step == "Put it back."
    assert status_cell(storage) == "FAIL"
    assert storage_state(storage) == ("FAIL", "bad")


def test_a_storage_that_was_found_full_is_a_fault_too() -> None:
    check = check_state(vault(reason="StorageFull", message="No space.", next_step="Prune."))
    assert (check.status, check.message) == ("fail", "No space.")
    assert check.next_step == "Prune. Then: kronkeep storage test vault."


def test_any_other_storage_is_shown_as_it_is() -> None:
    assert check_state(vault()).status == "ok"
    assert (status_cell(vault()), storage_state(vault())) == ("active", ("ok", "ok"))
    unserved = vault(namespaces=())
    assert (check_state(unserved).status, status_cell(unserved)) == ("warn", "active")
    creating = vault(status=StorageStatus.CREATING)
    assert (check_state(creating).status, status_cell(creating)) == ("warn", "creating")
    assert check_state(creating).message == "It is creating."
    next_step = check_state(creating).next_step
    assert next_step is not None
    assert "retry" not in next_step
    waiting = vault(status=StorageStatus.PENDING, message="The claim is not bound.")
    assert check_state(waiting).message == "It is pending: The claim is not bound."
    deleting = vault(status=StorageStatus.DELETING)
    assert check_state(deleting).message == "It is deleting."
    next_step = check_state(deleting).next_step
    assert next_step is not None
    assert "retry" not in next_step
    failed = vault(status=StorageStatus.FAILED, message="No route.")
    assert (check_state(failed).status, status_cell(failed)) == ("fail", "failed")


def test_what_is_in_a_storage_that_was_deleted_is_a_line_with_the_way_back() -> None:
    result = BackupResult(snapshot_id="0a" * 32)
    kept = make_backup(id="kept", storage_id="third", result=result)
    removed = make_backup(
        id="removed", storage_id="third", result=result, snapshot_removed_at=kept.created_at
    )
    queued = new_copy(kept, "third", "manual", kept.created_at)
    copy = msgspec.structs.replace(queued, status=CopyStatus.SUCCEEDED, snapshot_id="0b" * 32)
    (check,) = storage_checks.check_forgotten("third", [kept, removed], [copy])
    assert (check.name, check.status) == ("storage third", "warn")
    assert "1 snapshot and 1 copy in it cannot be restored" in check.message
    assert "under the same name and path" in (check.next_step or "")
    assert list(storage_checks.check_forgotten("third", [removed], [])) == []
