"""Which backups an ended one is compared with, and which unusual ones are remembered."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.records import BACKUP, make_backup

from kronkeep_common.clock import SystemClock
from kronkeep_common.models import BackupExecution, BackupPolicy, BackupResult, Source
from kronkeep_common.states import BackupStatus
from kronkeep_daemon.backups import unusual_backups
from kronkeep_daemon.history import History

DAY = timedelta(days=1)
SINCE = BACKUP.created_at


@pytest.fixture
async def history(tmp_path: Path) -> AsyncIterator[History]:
    opened = await History.open(tmp_path / "h", clock=SystemClock())
    yield opened
    await opened.close()


def backup(number: int, files: int = 1000, **fields: Any) -> BackupExecution:
    result = BackupResult(
        snapshot_id=f"s{number}",
        files_total=files,
        files_changed=files // 100,
        bytes_read=files * 2**20,
        bytes_added=files * 2**12,
        duration_seconds=60,
    )
    base: dict[str, Any] = {"id": f"b{number}", "created_at": SINCE + number * DAY, "result": result}
    return make_backup(**base | fields)


async def judge(history: History, subject: BackupExecution) -> tuple[str, ...]:
    return await unusual_backups.judge(history, subject)


def fill(history: History, count: int, **fields: Any) -> None:
    for number in range(count):
        history.backups.put(backup(number, **fields))


async def test_a_backup_with_half_of_the_files_is_unusual_beside_its_success(history: History) -> None:
    fill(history, 12)
    sentences = await judge(history, backup(12, files=500))
    assert sentences[0] == "It has 500 files, where about 1000 were expected."
    assert len(sentences) == 2
    assert await judge(history, backup(12)) == ()
    assert await judge(history, backup(12, files=500, status=BackupStatus.PARTIAL)) == ()
    assert await judge(history, backup(12, result=None)) == ()


@pytest.mark.parametrize(
    "fields",
    [
        {"backup_type": "full"},
        {"policy": BackupPolicy(id="p", storage_id="s", source=Source(exclude=("*.tmp",)))},
        {"storage_id": "other"},
        {"claims": ("other",)},
        {"recovered_at": SINCE},
        {"status": BackupStatus.PARTIAL},
        {"unusual": ("It has 1 file.",)},
    ],
)
async def test_what_is_of_other_data_or_not_known_as_right_is_no_measure(
    history: History, fields: dict[str, Any]
) -> None:
    fill(history, 12, **fields)
    assert await judge(history, backup(12, files=500)) == ()


async def test_what_was_acknowledged_is_a_measure(history: History) -> None:
    fill(history, 12)
    history.backups.put(backup(12, files=500, unusual=("Half.",), unusual_acknowledged_at=SINCE))
    assert await judge(history, backup(13, files=505)) == ()


async def test_weeks_that_are_long_ago_are_read_too(history: History) -> None:
    per_day = 24
    for number in range(per_day * 7 * 4):
        day = SINCE + timedelta(hours=number)
        files = 1000 if day.weekday() < 6 else 200
        history.backups.put(backup(number, files=files, id=f"h{number}", created_at=day))
    sunday = SINCE + timedelta(days=28)
    while sunday.weekday() != 6:
        sunday += DAY
    assert await judge(history, backup(1, files=200, id="now", created_at=sunday)) == ()
    monday = sunday + DAY
    assert await judge(history, backup(1, files=200, id="now", created_at=monday))


async def test_unusual_backups_are_remembered_until_they_are_acknowledged_or_gone(history: History) -> None:
    for number in range(3):
        unusual = backup(number, unusual=("Half.",))
        history.backups.put(unusual)
        unusual_backups.remember(history, unusual)
        unusual_backups.remember(history, unusual)
    listed = unusual_backups.list_unacknowledged(history, "u")
    assert [each.id for each in listed] == ["b0", "b1", "b2"]
    history.backups.put(backup(0, unusual=("Half.",), unusual_acknowledged_at=SINCE))
    history.backups.put(backup(1, unusual=("Half.",), snapshot_removed_at=SINCE))
    assert [each.id for each in unusual_backups.list_unacknowledged(history, "u")] == ["b2"]
    history.backups.remove("b2")
    assert unusual_backups.list_unacknowledged(history, "u") == []
