"""Records that a clock which was ahead dated in the future, once it is right again."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.records import make_backup, make_run

from kronkeep_common.models import (
    Alert,
    BackupExecution,
    BackupResult,
    BackupStorage,
    CronJobExecution,
    DataCheck,
    SecretKeyRef,
    StorageUsage,
)
from kronkeep_common.states import AlertStatus, ExecutionStatus, StorageStatus
from kronkeep_daemon.events import Bus
from kronkeep_daemon.history import History, time_repair
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_index import RepositoryIndex
from kronkeep_daemon.testing import FakeClock

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
AHEAD = NOW + timedelta(days=400)


@pytest.fixture
async def history(tmp_path: Path) -> AsyncIterator[History]:
    opened = await History.open(tmp_path, clock=FakeClock(NOW))
    yield opened
    await opened.close()


def backup(number: int, created_at: datetime, ended_at: datetime) -> BackupExecution:
    return make_backup(
        id=f"b{number}",
        sequence=number,
        created_at=created_at,
        ended_at=ended_at,
        result=BackupResult(snapshot_id=f"{number:08x}"),
    )


def run(run_id: str, created_at: datetime, job: str | None, status: ExecutionStatus) -> CronJobExecution:
    return make_run(id=run_id, job=job, status=status, created_at=created_at)


async def test_backups_are_dated_now_and_say_what_was_recorded(history: History) -> None:
    right = backup(1, NOW - timedelta(days=1), NOW - timedelta(days=1))
    for record in (right, backup(2, AHEAD, AHEAD), backup(3, NOW - timedelta(hours=1), AHEAD)):
        history.backups.put(record)
    assert await time_repair.repair(history, NOW) == 2
    assert history.backups.get("b1") == right
    for number, created_at in ((2, NOW), (3, NOW - timedelta(hours=1))):
        corrected = history.backups.get(f"b{number}")
        assert corrected is not None
        assert (corrected.created_at, corrected.ended_at) == (created_at, NOW)
        assert corrected.warnings == (
            "It was dated 2027-02-19 12:00 UTC by a clock that was ahead; the date was corrected.",
        )
    assert await time_repair.repair(history, NOW) == 0


async def test_missed_runs_of_the_future_are_removed_and_no_other(history: History) -> None:
    for number in range(115):
        missed_at = NOW + timedelta(minutes=10 * number + 5)
        history.executions.put(run(f"u.{number}", missed_at, None, ExecutionStatus.MISSED))
    history.executions.put(run("past", NOW - timedelta(hours=1), None, ExecutionStatus.MISSED))
    history.executions.put(run("job", NOW + timedelta(hours=1), "j-1", ExecutionStatus.SUCCEEDED))
    assert await time_repair.repair(history, NOW) == 115
    assert {record.id for record in history.executions.all()} == {"past", "job"}


async def test_an_alert_that_was_sent_in_the_future_can_be_repeated_again(history: History) -> None:
    alert = Alert(
        id="a",
        code="BackupFailed",
        severity="critical",
        status=AlertStatus.OPEN,
        kind="cronjob",
        object="n/j",
        object_id="u",
        since=AHEAD,
        created_at=AHEAD,
        told_at=AHEAD,
        message="m",
        next_step="s",
    )
    history.alerts.put(alert)
    assert await time_repair.repair(history, NOW) == 1
    corrected = history.alerts.get("a")
    assert corrected is not None
    assert {corrected.since, corrected.created_at, corrected.told_at} == {NOW}


async def test_more_than_a_page_is_corrected(history: History) -> None:
    count = 2 * time_repair.PAGE + 10
    for number in range(count):
        at = AHEAD + timedelta(minutes=number)
        history.backups.put(backup(number, at, at))
    assert await time_repair.repair(history, NOW) == count
    assert all(record.created_at == NOW for record in history.backups.all())


async def test_a_storage_is_checked_and_measured_again_and_keeps_its_deadline(history: History) -> None:
    """Dated ahead, nothing would be due until then."""
    storage = BackupStorage(
        id="vault",
        cluster="c",
        kind="local",
        password=SecretKeyRef(secret="s"),
        status=StorageStatus.ACTIVE,
        created_at=NOW - timedelta(days=30),
        deadline_at=AHEAD,
        checked_at=AHEAD,
        check_ok=True,
        usage=StorageUsage(measured_at=AHEAD, used_bytes=1),
        data_check=DataCheck(part=1, parts=30, checked_at=AHEAD, ok=True),
    )
    history.storages.put(storage)
    assert await time_repair.repair(history, NOW) == 1
    corrected = history.storages.get("vault")
    assert corrected is not None
    assert corrected.usage is not None
    assert corrected.data_check is not None
    times = (corrected.checked_at, corrected.usage.measured_at, corrected.data_check.checked_at)
    assert times == (NOW, NOW, NOW)
    assert (corrected.created_at, corrected.deadline_at) == (storage.created_at, AHEAD)
    assert await time_repair.repair(history, NOW) == 0


async def test_what_is_pruned_and_measured_is_due_again(history: History) -> None:
    index = RepositoryIndex(history, FakeClock(AHEAD), Bus())
    storage = BackupStorage(
        id="vault",
        cluster="c",
        kind="local",
        password=SecretKeyRef(secret="s"),
        status=StorageStatus.ACTIVE,
        created_at=NOW,
    )
    await index.record(Repository(storage=storage), forgotten_at=AHEAD)
    slot = NOW + timedelta(days=1)
    assert not index.needs_prune("vault", slot)
    assert index.correct_times(NOW) == 1
    assert index.needs_prune("vault", slot)
