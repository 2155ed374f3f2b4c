"""The doctor's lines about schedules, from the alerts."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kronkeep_common.alert_codes import AlertCode
from kronkeep_common.models import Alert
from kronkeep_common.states import AlertStatus
from kronkeep_daemon.doctor.schedule_checks import ALERTS_PER_PAGE, check_schedules
from kronkeep_daemon.history import History
from kronkeep_daemon.testing import FakeClock

NOW = datetime(2026, 11, 30, 20, tzinfo=UTC)


def alert(number: int, code: AlertCode, status: AlertStatus = AlertStatus.OPEN) -> Alert:
    return Alert(
        id=f"alert-{number}",
        code=code,
        severity="warning",
        status=status,
        kind="cronjob",
        object=f"shop/job-{number}",
        object_id=str(number),
        since=NOW,
        created_at=NOW + timedelta(seconds=number),
        message="They conflict.",
        next_step="Shift one.",
    )


@pytest.mark.parametrize("newer", [0, ALERTS_PER_PAGE, 3 * ALERTS_PER_PAGE])
async def test_a_conflict_is_reported_however_many_alerts_are_newer(tmp_path: Path, newer: int) -> None:
    history = await History.open(tmp_path / "history", clock=FakeClock(NOW))
    conflicts = [AlertStatus.OPEN, AlertStatus.ACKNOWLEDGED, AlertStatus.RESOLVED]
    for number, status in enumerate(conflicts):
        history.alerts.put(alert(number, AlertCode.SCHEDULE_CONFLICT, status))
    for number in range(len(conflicts), len(conflicts) + newer):
        history.alerts.put(alert(number, AlertCode.RUN_FAILED))
        history.alerts.put(alert(10_000 + number, AlertCode.RUN_FAILED, AlertStatus.ACKNOWLEDGED))
    await history.commit()
    names = [check.name for check in check_schedules(history.alerts)]
    assert names == ["schedule of shop/job-0", "schedule of shop/job-1"]
    await history.close()
