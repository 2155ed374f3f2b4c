"""The doctor's line about open alerts."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kronkeep_common.alert_codes import AlertCode
from kronkeep_common.models import Alert
from kronkeep_common.states import AlertStatus
from kronkeep_daemon.doctor.alert_checks import check_alerts
from kronkeep_daemon.history import History
from kronkeep_daemon.testing import FakeClock

NOW = datetime(2026, 11, 30, 20, tzinfo=UTC)


def make(number: int, **fields: Any) -> Alert:
    base = {"status": AlertStatus.OPEN, "severity": "warning"}
    return Alert(
        id=f"alert-{number}",
        code=AlertCode.RUN_FAILED,
        kind="cronjob",
        object=f"shop/job-{number}",
        object_id=str(number),
        since=NOW,
        created_at=NOW + timedelta(seconds=number),
        message="It failed.",
        next_step="Look at its log.",
        **{**base, **fields},
    )


async def test_open_alerts_are_counted_and_critical_ones_are_a_warning(tmp_path: Path) -> None:
    history = await History.open(tmp_path / "history", clock=FakeClock(NOW))
    said = []
    for one in (
        None,
        make(1),
        make(2, severity="critical", silence_id="s"),
        make(3, severity="critical"),
        make(4, severity="critical", status=AlertStatus.RESOLVED),
        make(5, severity="critical", status=AlertStatus.ACKNOWLEDGED),
    ):
        if one is not None:
            history.alerts.put(one)
        await history.commit()
        check = check_alerts(history.alerts)
        said.append((check.status, check.message))
    assert said == [
        ("ok", "There is none."),
        ("ok", "1 open, 0 critical."),
        ("ok", "1 open, 0 critical, and 1 silenced."),
        *[("warn", "2 open, 1 critical, and 1 silenced.")] * 3,
    ]
    assert check.next_step == "kronkeep get alerts"
    await history.close()
