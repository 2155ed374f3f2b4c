"""What is due on a storage, and when."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.records import vault

from kronkeep_common.errors import StorageFailed
from kronkeep_common.models import BackupStorage, StorageUsage
from kronkeep_common.states import StorageStatus
from kronkeep_daemon.settings import StorageSettings
from kronkeep_daemon.storages.upkeep import cleared_fault, due_task, is_damage

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SETTINGS = StorageSettings()


def ago(**delta: float) -> datetime:
    return NOW - timedelta(**delta)


def storage(
    measured: datetime | None = None, checked: datetime | None = None, **fields: object
) -> BackupStorage:
    usage = StorageUsage(measured_at=measured, used_bytes=1) if measured else None
    base: dict[str, object] = {"created_at": ago(hours=1), "checked_at": checked, "usage": usage}
    return vault(**(base | fields))


@pytest.mark.parametrize(
    ("subject", "changed_at", "task"),
    [
        (storage(created_at=ago(seconds=59)), None, None),
        (storage(created_at=ago(seconds=60)), None, "usage"),
        (storage(measured=ago(hours=5)), None, None),
        (storage(measured=ago(hours=6)), None, "usage"),
        (storage(measured=ago(minutes=50)), ago(seconds=59), None),  # the burst may not be over
        (storage(measured=ago(minutes=50)), ago(seconds=60), "usage"),
        (storage(measured=ago(minutes=14)), ago(seconds=90), None),
        (storage(measured=ago(minutes=15)), ago(seconds=90), "usage"),
        (storage(measured=ago(hours=1), created_at=ago(days=7)), None, "check"),
        (storage(measured=ago(hours=1), checked=ago(days=6), created_at=ago(days=90)), None, None),
        (storage(measured=ago(hours=9), checked=ago(days=7), created_at=ago(days=90)), None, "check"),
        (storage(created_at=ago(days=30), status=StorageStatus.FAILED), ago(hours=1), None),
        (storage(created_at=ago(days=30), status=StorageStatus.CREATING), ago(hours=1), None),
    ],
)
def test_what_is_due_on_a_storage(
    subject: BackupStorage, changed_at: datetime | None, task: str | None
) -> None:
    assert due_task(subject, changed_at, NOW, SETTINGS) == task


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("RepositoryDamaged", True),
        ("StorageFull", False),
        ("StorageReadOnly", False),
        ("ServerUnreachable", False),
        ("RepositoryMissing", False),
        ("WrongPassword", False),
        ("PermissionDenied", False),
        ("ScratchUnusable", False),
        ("ResticFailed", False),
    ],
)
def test_only_damage_that_a_check_saw_makes_a_storage_damaged(reason: str, *, expected: bool) -> None:
    assert is_damage(StorageFailed("The check failed.", reason=reason)) is expected


def test_reading_a_storage_does_not_say_that_it_can_be_written_again() -> None:
    for reason in ("StorageFull", "StorageReadOnly", "PermissionDenied"):
        assert cleared_fault("usage", storage(reason=reason)) == {}
        assert cleared_fault("test", storage(reason=reason)) != {}
    assert cleared_fault("usage", storage(reason="ServerUnreachable")) != {}
    assert cleared_fault("usage", storage()) != {}
