"""Thirty parts in thirty days, one a day; a damaged part again and again until it is whole."""

from datetime import UTC, datetime, timedelta

from kronkeep_common.models import BackupStorage, DataCheck, SecretKeyRef
from kronkeep_common.states import StorageStatus
from kronkeep_daemon.storages.data_checks import PARTS, due_part

BORN = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def storage(check: DataCheck | None = None, status: StorageStatus = StorageStatus.ACTIVE) -> BackupStorage:
    return BackupStorage(
        id="s",
        cluster="c",
        kind="local",
        password=SecretKeyRef(secret="s"),
        status=status,
        created_at=BORN,
        data_check=check,
        namespaces=("*",),
    )


def test_every_part_is_read_once_in_thirty_days() -> None:
    now = BORN
    check = None
    read = []
    for _ in range(PARTS):
        assert due_part(storage(check), None, now + DAY / 2) is None
        now += DAY
        part = due_part(storage(check), None, now)
        assert part is not None
        read.append(part)
        check = DataCheck(part=part, parts=PARTS, checked_at=now, ok=True)
    assert sorted(read) == list(range(1, PARTS + 1))
    assert due_part(storage(check), None, now + 100 * DAY) == 1


def test_damage_is_read_again_and_nothing_more_than_once_a_day() -> None:
    bad = DataCheck(part=7, parts=PARTS, checked_at=BORN, ok=False)
    assert due_part(storage(bad), None, BORN + DAY) == 7
    assert due_part(storage(bad), BORN + DAY, BORN + DAY * 1.5) is None
    assert due_part(storage(bad, StorageStatus.FAILED), None, BORN + DAY) is None
