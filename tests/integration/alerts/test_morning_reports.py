"""The morning report: sent once for each moment, by one of several daemons, over restarts and failures."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from tests.integration.alerts.alert_scene import (
    WELL,
    ConfigMapCluster,
    Daemon,
    Receiver,
    channel,
    daemon,
)
from tests.records import make_run

from kronkeep_common.models import SilenceRequest
from kronkeep_common.states import ExecutionStatus
from kronkeep_daemon.alert_settings import QuietHours, ReportSettings
from kronkeep_daemon.alerts import morning_reports
from kronkeep_daemon.alerts.rule_results import ClockFault
from kronkeep_daemon.kube.errors import Forbidden

SEVEN = datetime(2030, 6, 3, 7, tzinfo=UTC)  # later than today, so that no record of a test is in the future
DAILY = ReportSettings(channels=("ops",))


async def wait_for_night(*daemons: Daemon, at: datetime = SEVEN - timedelta(minutes=1)) -> None:
    """Let daemons have the schedule in force before the moment."""
    for it in daemons:
        it.cronjob = WELL
        it.use_report(DAILY)
        it.move_to(at)
        await it.service.reports.send_due()
        it.move_to(SEVEN + timedelta(seconds=5))


def add_runs(it: Daemon, status: ExecutionStatus, number: int, at: datetime) -> None:
    for count in range(number):
        run = make_run(id=f"{status}-{count}-{at}", status=status, created_at=at, ended_at=at)
        it.history.executions.put(run)


async def test_a_report_is_sent_also_when_all_is_well_and_once(tmp_path: Path, receiver: Receiver) -> None:
    async with daemon(tmp_path, channel(tmp_path, receiver.url)) as it:
        await wait_for_night(it)
        add_runs(it, ExecutionStatus.SUCCEEDED, 3, SEVEN - timedelta(hours=2))
        for _ in range(2):
            await it.service.reports.send_due()
            await it.wait_until_sent()
        (message,) = receiver.messages
        assert (message["event"], message["title"]) == ("report", "kronkeep: morning report: all is well")
        assert message["report"]["succeeded"] == 3
        add_runs(it, ExecutionStatus.FAILED, 2, SEVEN + timedelta(hours=2))
        it.move_to(SEVEN + timedelta(days=1, seconds=5))
        await it.service.reports.send_due()
        await it.wait_until_sent()
        assert receiver.messages[1]["title"] == "kronkeep: morning report: 2 runs failed"
        assert "\n> n/j: 2 failed\n" in receiver.messages[1]["text"]
        assert receiver.messages[1]["report"]["from_at"] == message["report"]["to_at"]


async def test_of_two_daemons_the_one_that_acts_sends(tmp_path: Path, receiver: Receiver) -> None:
    cluster = ConfigMapCluster()
    ops = channel(tmp_path, receiver.url)
    async with (
        daemon(tmp_path / "a", ops, cluster=cluster) as leader,
        daemon(tmp_path / "b", ops, cluster=cluster) as other,
    ):
        await wait_for_night(leader, other)
        other.stands_by = True
        for it in (other, leader):
            await it.service.reports.send_due()
        await leader.wait_until_sent()
        await leader.exchange()
        other.stands_by = False  # it takes over a minute later
        other.move_to(SEVEN + timedelta(minutes=1))
        await other.service.reports.send_due()
        assert len(other.history.table("report_notices")) == 0
    assert len(receiver.messages) == 1


async def test_of_two_daemons_without_leases_the_first_to_claim_it_sends(
    tmp_path: Path, receiver: Receiver
) -> None:
    cluster = ConfigMapCluster()
    ops = channel(tmp_path, receiver.url)
    async with (
        daemon(tmp_path / "a", ops, cluster=cluster) as one,
        daemon(tmp_path / "b", ops, cluster=cluster) as two,
    ):
        await wait_for_night(one, two)
        for it in (one, two, one, two):
            await it.service.reports.send_due()
            await it.wait_until_sent()
    assert len(receiver.messages) == 1


async def test_a_daemon_that_died_before_it_sent_is_replaced_after_half_an_hour(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = ConfigMapCluster()
    ops = channel(tmp_path, receiver.url)
    async with (
        daemon(tmp_path / "a", ops, cluster=cluster) as dead,
        daemon(tmp_path / "b", ops, cluster=cluster) as other,
    ):
        await wait_for_night(dead, other)
        monkeypatch.setattr(dead.service.reports, "start_workers", lambda: None)
        await dead.service.reports.send_due()
        await other.service.reports.send_due()
        assert len(other.history.table("report_notices")) == 0
        other.move_to(SEVEN + timedelta(minutes=31))
        await other.service.reports.send_due()
        await other.wait_until_sent()
    assert len(receiver.messages) == 1


async def test_a_report_that_was_made_is_sent_after_a_restart(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = ConfigMapCluster()
    ops = channel(tmp_path, receiver.url)
    async with daemon(tmp_path, ops, cluster=cluster) as first:
        await wait_for_night(first)
        monkeypatch.setattr(first.service.reports, "start_workers", lambda: None)
        await first.service.reports.send_due()
    async with daemon(tmp_path, ops, cluster=cluster) as second:
        second.use_report(DAILY)
        second.move_to(SEVEN + timedelta(minutes=1))
        second.service.reports.start_workers()
        await second.wait_until_sent()
        await second.service.reports.send_due()
        assert len(second.history.table("report_notices")) == 0
    assert len(receiver.messages) == 1


@pytest.mark.parametrize(("hours", "reports"), [(1, 1), (11, 1), (13, 0), (24 * 9 + 3, 1)])
async def test_a_moment_at_which_the_daemon_was_down_is_sent_for_half_a_day(
    tmp_path: Path, receiver: Receiver, hours: int, reports: int
) -> None:
    ops = channel(tmp_path, receiver.url)
    async with daemon(tmp_path, ops) as first:
        await wait_for_night(first)
    async with daemon(tmp_path, ops) as second:
        second.use_report(DAILY)
        second.move_to(SEVEN + timedelta(hours=hours))
        for _ in range(2):
            await second.service.reports.send_due()
            await second.wait_until_sent()
    assert len(receiver.messages) == reports


async def test_a_period_follows_on_the_last_report_over_days_without_one(
    tmp_path: Path, receiver: Receiver
) -> None:
    async with daemon(tmp_path, channel(tmp_path, receiver.url)) as it:
        await wait_for_night(it)
        await it.service.reports.send_due()
        add_runs(it, ExecutionStatus.FAILED, 1, SEVEN + timedelta(hours=3))
        it.move_to(SEVEN + timedelta(days=3, hours=1))
        await it.service.reports.send_due()
        await it.wait_until_sent()
        assert [message["report"].get("failed", 0) for message in receiver.messages] == [0, 1]


async def test_neither_quiet_hours_nor_silences_hold_it_back(tmp_path: Path, receiver: Receiver) -> None:
    quiet = QuietHours(start="22:00", end="09:00", severity="critical")
    ops = channel(tmp_path, receiver.url, quiet=quiet, severity="critical", filter="ns:none")
    async with daemon(tmp_path, ops) as it:
        await wait_for_night(it)
        request = SilenceRequest(filter="!name:none", for_seconds=86400, because="an upgrade")
        await it.service.silences.create(request, "eve")
        await it.service.reports.send_due()
        await it.wait_until_sent()
    assert receiver.events == ["report"]


async def test_a_schedule_is_not_in_force_before_it_was_seen(tmp_path: Path, receiver: Receiver) -> None:
    async with daemon(tmp_path, channel(tmp_path, receiver.url)) as it:
        await wait_for_night(it, at=SEVEN + timedelta(hours=1))
        it.move_to(SEVEN + timedelta(hours=2))
        await it.service.reports.send_due()
        assert len(it.history.table("report_notices")) == 0


async def test_without_the_right_to_share_each_daemon_sends_after_a_minute(
    tmp_path: Path, receiver: Receiver
) -> None:
    cluster = ConfigMapCluster()
    cluster.refusal = Forbidden("No.")
    async with daemon(tmp_path, channel(tmp_path, receiver.url), cluster=cluster) as it:
        await wait_for_night(it)
        await it.service.reports.send_due()
        assert len(it.history.table("report_notices")) == 0
        it.move_to(SEVEN + timedelta(seconds=66))
        await it.service.reports.send_due()
        await it.wait_until_sent()
    assert len(receiver.messages) == 1


async def test_a_clock_that_was_ahead_ends_no_reports(tmp_path: Path, receiver: Receiver) -> None:
    async with daemon(tmp_path, channel(tmp_path, receiver.url)) as it:
        await wait_for_night(it)
        it.move_to(SEVEN + timedelta(days=400))
        it.clock_faults = [ClockFault("c", "prod", "It is ahead.")]
        await it.service.reports.send_due()
        assert len(it.history.table("report_notices")) == 0
        it.clock_faults = []
        await it.service.reports.send_due()  # nobody noticed it
        await it.wait_until_sent()
        it.move_to(SEVEN + timedelta(days=1, seconds=5))
        await it.service.reports.send_due()
        await it.wait_until_sent()
    assert [message["report"]["to_at"][:10] for message in receiver.messages] == ["2031-07-08", "2030-06-04"]


async def test_a_preview_sends_nothing_and_says_when_it_is_sent(tmp_path: Path, receiver: Receiver) -> None:
    async with daemon(tmp_path, channel(tmp_path, receiver.url)) as it:
        bare = await it.service.reports.preview(None)
        assert (bare.channels, bare.next_at, bare.report.to_at - bare.report.from_at) == (
            (),
            None,
            timedelta(days=1),
        )
        await wait_for_night(it)
        add_runs(it, ExecutionStatus.MISSED, 1, SEVEN - timedelta(hours=2))
        view = await it.service.reports.preview(None)
        assert (view.channels, view.next_at, view.last_at) == (("ops",), SEVEN + timedelta(days=1), None)
        assert view.title == "kronkeep: morning report: 1 run missed"
        assert it.supervisor.running("report channel ops") is False
        it.use_report(msgspec.structs.replace(DAILY, filter="ns:other"))
        assert (await it.service.reports.preview(None)).report.missed == 0
    assert receiver.messages == []


async def test_the_service_follows_the_schedule_by_itself(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(morning_reports, "LOOK_SECONDS", 0.01)
    async with daemon(tmp_path, channel(tmp_path, receiver.url)) as it:
        await wait_for_night(it)
        it.service.start()
        await receiver.wait_for(lambda: receiver.events == ["report"])
