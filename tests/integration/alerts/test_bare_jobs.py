"""Alerts about Jobs without a CronJob: as those of a CronJob's runs, and bounded in time and number."""

from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from tests.integration.alerts.alert_scene import WELL, Daemon, daemon

from kronkeep_common.filter_words import FilterWords
from kronkeep_common.models import CronJobExecution
from kronkeep_common.record_filter import parse_filter
from kronkeep_common.states import AlertStatus, ExecutionStatus, Trigger
from kronkeep_daemon.alerts import bare_jobs
from kronkeep_daemon.events import ExecutionChanged


def job_run(
    it: Daemon, name: str, at: datetime, status: ExecutionStatus = ExecutionStatus.FAILED
) -> CronJobExecution:
    return CronJobExecution(
        id=f"{name}-{at.timestamp()}",
        cluster="c",
        namespace="shop",
        cronjob=f"job/{name}",
        cronjob_id=f"job-{name}",
        status=status,
        trigger=Trigger.MANUAL,
        created_at=at,
        ended_at=at,
        message="Exit code 3." if status is ExecutionStatus.FAILED else None,
    )


async def record(it: Daemon, run: CronJobExecution) -> None:
    it.history.executions.put(run)
    await it.history.commit()
    it.bus.publish(ExecutionChanged(None, run))


def open_alerts(it: Daemon) -> list[tuple[str, str | None, str]]:
    return [(alert.code, alert.cronjob, alert.severity) for alert in it.service.active_alerts()]


async def test_a_failed_job_is_an_alert_until_a_later_one_of_its_name_is_good(tmp_path: Path) -> None:
    async with daemon(tmp_path) as it:
        it.cronjob = WELL
        now = it.clock.now()
        await record(it, job_run(it, "migrate", now - timedelta(hours=2)))  # before the first evaluation
        await it.service.evaluate()
        assert open_alerts(it) == [("RunFailed", "job/migrate", "warning")]
        (alert,) = it.service.active_alerts()
        assert alert.message == "The newest run failed. Exit code 3."
        assert parse_filter("job:migrate", words=FilterWords(("alerts",))).matches(alert, now)
        assert not parse_filter("!job:*", words=FilterWords(("alerts",))).matches(alert, now)
        for minutes in (3, 2):
            await record(it, job_run(it, "migrate", now - timedelta(minutes=minutes)))
        await it.service.evaluate()
        assert open_alerts(it) == [("RunFailed", "job/migrate", "critical")]
        await record(it, job_run(it, "migrate", now, ExecutionStatus.SUCCEEDED))
        await it.service.evaluate()
        assert open_alerts(it) == []
        assert it.service.get(alert.id).status is AlertStatus.RESOLVED


async def test_one_that_never_runs_again_is_an_alert_for_the_time_of_the_settings(tmp_path: Path) -> None:
    async with daemon(tmp_path) as it:
        it.cronjob = WELL
        now = it.clock.now()
        await record(it, job_run(it, "migrate", now - timedelta(hours=23)))
        await record(it, job_run(it, "old", now - timedelta(hours=25)))
        await it.service.evaluate()
        assert open_alerts(it) == [("RunFailed", "job/migrate", "warning")]
        it.move_to(now + timedelta(hours=2))
        await it.service.evaluate()
        assert open_alerts(it) == []


async def test_by_the_settings_there_is_none(tmp_path: Path) -> None:
    async with daemon(tmp_path) as it:
        it.cronjob = WELL
        alerts = msgspec.structs.replace(it.settings.alerts, bare_job_hours=0)
        it.settings = msgspec.structs.replace(it.settings, alerts=alerts)
        await record(it, job_run(it, "migrate", it.clock.now()))
        await it.service.evaluate()
        assert open_alerts(it) == []


async def test_of_many_only_the_newest_are_alerts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bare_jobs, "MOST_FINDINGS", 2)
    async with daemon(tmp_path) as it:
        it.cronjob = WELL
        now = it.clock.now()
        for hours in (3, 1, 2):
            await record(it, job_run(it, f"hook-{hours}", now - timedelta(hours=hours)))
        await it.service.evaluate()
        assert {name for _, name, _ in open_alerts(it)} == {"job/hook-1", "job/hook-2"}
