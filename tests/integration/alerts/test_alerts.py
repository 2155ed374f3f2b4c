"""Alerts over a history on disk, and channels over real sockets: a web server counts what it receives."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from tests.integration.alerts.alert_scene import WELL, WRONG, ConfigMapCluster, Receiver, channel, daemon

from kronkeep_common.errors import AlertNotFound, NotAllowedNow
from kronkeep_common.models import BackupPolicy, CronJobExecution
from kronkeep_common.models.coverage import ClaimCoverage
from kronkeep_common.states import AlertStatus, ExecutionStatus, Trigger
from kronkeep_daemon.alerts import dispatch
from kronkeep_daemon.alerts.rule_results import ClockFault
from kronkeep_daemon.alerts.service import SETTLING_SECONDS


async def test_a_restart_neither_repeats_nor_loses(tmp_path: Path, receiver: Receiver) -> None:
    ops = channel(tmp_path, receiver.url)
    async with daemon(tmp_path, ops) as first:
        await first.service.evaluate()
        await first.wait_until_sent()
        await first.service.evaluate()
        await first.wait_until_sent()
    async with daemon(tmp_path, ops) as second:
        second.service.start()
        await second.service.evaluate()
        (alert,) = second.service.active_alerts()
        second.cronjob = WELL
        await second.service.evaluate()
        await receiver.wait_for(lambda: receiver.events == ["opened", "resolved"])
        assert second.service.active_alerts() == []
        assert second.service.get(alert.id).resolved_at is not None
    (told, _) = receiver.messages
    assert told["alert"]["code"] == "PolicyInvalid"
    assert told["title"] == "kronkeep: critical: PolicyInvalid shop/dump"
    assert told["alert"]["next_step"].startswith("Correct the annotation")


async def test_what_cannot_be_judged_stays_as_it_is(tmp_path: Path, receiver: Receiver) -> None:
    policy = BackupPolicy(id="p", storage_id="v", schedule="0 1 * * *", on_conflict="accept")
    async with daemon(tmp_path, channel(tmp_path, receiver.url)) as it:
        it.cronjob = msgspec.structs.replace(WELL, policy=policy, policy_findings=("Overlap: they meet.",))
        await it.service.evaluate()
        it.cronjob = msgspec.structs.replace(WELL, policy=policy)
        it.checked = False
        await it.service.evaluate()
        assert [alert.code for alert in it.service.active_alerts()] == ["ScheduleConflictAccepted"]
        it.checked = True
        await it.service.evaluate()
        assert it.service.active_alerts() == []
        await receiver.wait_for(lambda: receiver.events == ["opened", "resolved"])


async def test_an_alert_about_a_claim_stays_while_the_claims_are_not_known(tmp_path: Path) -> None:
    async with daemon(tmp_path) as it:
        it.cronjob = WELL
        created = datetime(2026, 1, 2, tzinfo=UTC)
        it.claims = [
            ClaimCoverage(
                id="u",
                cluster="c",
                namespace="shop",
                name="data",
                status="nobody",
                created_at=created,
                message="No CronJob mounts it.",
            )
        ]
        await it.service.evaluate()
        (alert,) = it.service.active_alerts()
        assert (alert.code, alert.kind, alert.object, alert.namespace) == (
            "Uncovered",
            "claim",
            "shop/data",
            "shop",
        )
        it.claims = []
        it.knows_claims = False
        await it.service.evaluate()
        assert len(it.service.active_alerts()) == 1
        it.knows_claims = True
        await it.service.evaluate()
        assert it.service.active_alerts() == []


async def test_no_alert_ends_while_a_clock_is_at_fault(tmp_path: Path) -> None:
    async with daemon(tmp_path) as it:
        await it.service.evaluate()
        it.cronjob = WELL
        it.clock_faults = [ClockFault("c", "prod", "This machine's clock is 400d00h ahead of the cluster's.")]
        await it.service.evaluate()
        alerts = it.service.active_alerts()
        assert {alert.code for alert in alerts} == {"PolicyInvalid", "ClockJumped"}
        (jumped,) = [alert for alert in alerts if alert.code == "ClockJumped"]
        assert (jumped.severity, jumped.object) == ("critical", "clock of prod")
        assert "time synchronisation" in jumped.next_step
        it.clock_faults = []
        await it.service.evaluate()
        assert it.service.active_alerts() == []


async def test_a_token_that_ends_is_an_alert_until_there_is_a_new_one(
    tmp_path: Path, receiver: Receiver
) -> None:
    cluster = ConfigMapCluster()
    async with daemon(tmp_path, channel(tmp_path, receiver.url), cluster=cluster) as it:
        it.cronjob = WELL
        cluster.token_ends_at = it.clock.now() + timedelta(days=13)
        await it.service.evaluate()
        (alert,) = it.service.active_alerts()
        assert (alert.code, alert.severity, alert.kind) == ("TokenEnding", "warning", "watch")
        assert "create token" in alert.next_step
        it.clock.ahead = timedelta(days=12)
        await it.service.evaluate()
        (later,) = it.service.active_alerts()
        assert (later.id, later.severity) == (alert.id, "critical")
        cluster.token_ends_at = it.clock.now() + timedelta(days=365)
        await it.service.evaluate()
        assert it.service.active_alerts() == []
        await receiver.wait_for(lambda: receiver.events[-1:] == ["resolved"])


async def test_a_storm_is_one_message(tmp_path: Path, receiver: Receiver) -> None:
    async with daemon(tmp_path, channel(tmp_path, receiver.url)) as it:
        it.number = 200
        await it.service.evaluate()
        await it.wait_until_sent()
        (message,) = receiver.messages
        since = datetime.fromisoformat(message["alert"]["since"])
        assert message["title"] == (
            f"kronkeep: critical: 200 CronJobs since {since:%H:%M} UTC, first {message['alert']['object']}: "
            "PolicyInvalid"
        )
        assert len(message["others"]) == 199
        assert message["text"].endswith("\nand 169 more: kronkeep get alerts")
        it.number = 3
        await it.service.evaluate()
        await it.wait_until_sent()
        assert receiver.events == ["opened", "resolved"]


async def test_what_a_stop_cut_off_is_sent_after_it(tmp_path: Path, receiver: Receiver) -> None:
    async with daemon(tmp_path, channel(tmp_path, "http://127.0.0.1:9/")) as first:
        first.service._dispatcher.start_workers = lambda: None  # type: ignore[method-assign]
        await first.service.evaluate()
    async with daemon(tmp_path, channel(tmp_path, receiver.url)) as second:
        second.service.start()
        await receiver.wait_for(lambda: receiver.events == ["opened"])


@pytest.mark.parametrize(
    ("answers", "asked", "got"), [([500, 429], 3, 1), ([500, 500, 500], 3, 0), ([404], 1, 0), ([302], 1, 0)]
)
async def test_tries_are_bounded_and_a_final_refusal_is_not_tried_again(
    tmp_path: Path,
    receiver: Receiver,
    caplog: pytest.LogCaptureFixture,
    answers: list[int],
    asked: int,
    got: int,
) -> None:
    receiver.answers = answers
    async with daemon(tmp_path, channel(tmp_path, receiver.url)) as it:
        await it.service.evaluate()
        await receiver.wait_for(lambda: receiver.requests == asked)
        await it.wait_until_sent()
        assert (receiver.requests, len(receiver.messages)) == (asked, got)
    assert ("is dropped" in caplog.text) == (not got)
    assert "secret-token" not in caplog.text


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
async def test_apprise_delivers(tmp_path: Path, receiver: Receiver) -> None:
    url = receiver.url.replace("http", "json", 1)
    async with daemon(tmp_path, channel(tmp_path, url, kind="apprise")) as it:
        await it.service.evaluate()
        await receiver.wait_for(lambda: len(receiver.messages) == 1)
    assert receiver.messages[0]["title"] == "kronkeep: critical: PolicyInvalid shop/dump"
    assert receiver.messages[0]["message"].startswith("> No JSON.\nCorrect the annotation")
    assert receiver.messages[0]["type"] == "failure"


async def test_severity_and_recoveries_choose_what_a_channel_is_sent(
    tmp_path: Path, receiver: Receiver
) -> None:
    ops = channel(tmp_path, receiver.url, recoveries=False)
    async with daemon(tmp_path, ops) as it:
        await it.service.evaluate()
        it.cronjob = WELL
        await it.service.evaluate()
        it.cronjob = WRONG
        await it.service.evaluate()
        await receiver.wait_for(lambda: receiver.events == ["opened", "opened"])
    assert receiver.messages[0]["alert"]["id"] != receiver.messages[1]["alert"]["id"]


async def test_acknowledged_by_name_and_sent_no_more(tmp_path: Path, receiver: Receiver) -> None:
    async with daemon(tmp_path, channel(tmp_path, receiver.url), repeat=0.000001) as it:
        await it.service.evaluate()
        await it.service.evaluate()
        await receiver.wait_for(lambda: receiver.events == ["opened", "repeated"])
        (alert,) = it.service.active_alerts()
        heard = await it.service.acknowledge(alert.id, "eve\x1b[31m")
        assert (heard.status, heard.acknowledged_by) == (AlertStatus.ACKNOWLEDGED, "eve␛[31m")
        assert await it.service.acknowledge(alert.id, "bob") == heard
        opened = await it.service.unacknowledge(alert.id)
        assert (opened.status, opened.acknowledged_by) == (AlertStatus.OPEN, None)
        with pytest.raises(NotAllowedNow):
            await it.service.unacknowledge(alert.id)
        await it.service.acknowledge(alert.id, "eve")
        await it.service.evaluate()
        it.cronjob = WELL
        await it.service.evaluate()
        await receiver.wait_for(lambda: receiver.events == ["opened", "repeated", "resolved"])
        with pytest.raises(NotAllowedNow):
            await it.service.acknowledge(alert.id, "eve")
        with pytest.raises(AlertNotFound):
            await it.service.acknowledge("none", "eve")


async def test_alerts_of_one_cause_are_one_message_and_later_ones_are_gathered(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    async def note_pause(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(dispatch, "STORM_GATHER_SECONDS", 60.0)
    async with daemon(tmp_path, channel(tmp_path, receiver.url)) as it:
        monkeypatch.setattr(it.clock, "sleep", note_pause)
        it.cronjob = msgspec.structs.replace(WRONG, image="loader:2")
        it.number = 6
        await it.service.evaluate()
        await it.wait_until_sent()
        (message,) = receiver.messages
        assert message["cause"] == "The logs of all end alike: no json." or "loader:2" in message["cause"]
        for number in (7, 8, 9, 10, 11):
            it.number = number
            await it.service.evaluate()
            await it.wait_until_sent()
        assert pauses == [0.0] * 5 + [60.0]


async def test_a_run_that_a_restart_lost_pages_nobody_until_all_is_recorded_that_happened(
    tmp_path: Path,
) -> None:
    lost = CronJobExecution(
        id="lost",
        cluster="c",
        namespace="shop",
        cronjob="dump",
        cronjob_id="j0",
        status=ExecutionStatus.UNKNOWN,
        trigger=Trigger.SCHEDULED,
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
        reason="GoneWhileAway",
        message="The Job is gone.",
    )
    async with daemon(tmp_path) as it:
        it.cronjob = WELL
        it.history.executions.put(lost)
        await it.service.evaluate()
        it.clock.ahead = timedelta(seconds=SETTLING_SECONDS - 1)
        await it.service.evaluate()
        assert it.service.active_alerts() == []
        it.clock.ahead = timedelta(seconds=SETTLING_SECONDS + 1)
        await it.service.evaluate()
        (alert,) = it.service.active_alerts()
        assert alert.severity == "warning"
        assert alert.message == "How the newest run ended is not known. The Job is gone."
