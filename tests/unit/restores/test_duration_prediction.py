"""From which restores a prediction is made: those of the CronJob, else those out of the storage."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.records import make_backup

from kronkeep_common.clock import SystemClock
from kronkeep_common.models import BackupResult, Restore
from kronkeep_common.states import RestoreStatus
from kronkeep_daemon.history import History
from kronkeep_daemon.restores.duration_prediction import BackupSize, RestorePredictor

NOW = datetime(2026, 1, 15, 10, tzinfo=UTC)
SIZE = BackupSize("s", 1000, 2**30)


@pytest.fixture
async def history(tmp_path: Path) -> AsyncIterator[History]:
    opened = await History.open(tmp_path / "h", clock=SystemClock())
    yield opened
    await opened.close()


def restore(number: int, seconds: float | None, **fields: Any) -> Restore:
    base: dict[str, Any] = {
        "id": f"r{number}",
        "cluster": "c",
        "namespace": "n",
        "cronjob": "j",
        "cronjob_id": "u",
        "policy_id": "p",
        "backup_id": "b",
        "storage_id": "s",
        "purpose": "drill",
        "status": RestoreStatus.COMPLETED,
        "created_at": NOW + timedelta(minutes=number),
        "files_total": 1000,
        "bytes_total": 2**30,
        "restore_seconds": seconds,
    }
    return Restore(**base | fields)


async def test_restores_of_the_cronjob_come_before_others_of_the_storage(history: History) -> None:
    predictor = RestorePredictor(history, SystemClock())
    assert predictor.predict("u", SIZE) is None
    history.restores.put(restore(1, 500, cronjob_id="other"))
    assert RestorePredictor(history, SystemClock()).predict("u", SIZE) == 500
    history.restores.put(restore(2, 60))
    assert predictor.predict("u", SIZE) == 60
    assert predictor.predict("u", SIZE._replace(storage_id="elsewhere")) is None


@pytest.mark.parametrize(
    "fields",
    [{"status": RestoreStatus.FAILED}, {"restore_seconds": None}, {"files_total": None}],
)
async def test_only_restores_that_were_measured_to_their_end_count(
    history: History, fields: dict[str, Any]
) -> None:
    history.restores.put(restore(1, 500, **fields))
    assert RestorePredictor(history, SystemClock()).predict("u", SIZE) is None


async def test_the_newest_good_backup_is_what_is_predicted(history: History) -> None:
    predictor = RestorePredictor(history, SystemClock())
    history.restores.put(restore(1, 100))
    assert predictor.predict_newest("u") is None
    result = BackupResult(snapshot_id="x", files_total=2000, bytes_read=2**31)
    history.backups.put(make_backup(result=result))
    assert predictor.predict_newest("u") == 200
    history.backups.put(make_backup(result=result, snapshot_missing_at=NOW))
    assert predictor.predict_newest("u") is None
