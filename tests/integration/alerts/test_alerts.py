"""Alerts over a history on disk, and channels over real sockets: a web server counts what it receives."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry
from tests.waiting import LONGEST_WAIT

from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import AlertNotFound, NotAllowedNow
from kronkeep_common.models import BackupPolicy, BackupStorage, CronJob
from kronkeep_common.states import AlertStatus
from kronkeep_daemon.alerts import AlertService, dispatch
from kronkeep_daemon.alerts.rule_results import ClockFault
from kronkeep_daemon.events import Bus
from kronkeep_daemon.history import History
from kronkeep_daemon.kube.watch import WatchState
from kronkeep_daemon.settings import AlertSettings, ChannelSettings, Settings
from kronkeep_daemon.supervisor import Supervisor

WRONG = CronJob(
    id="j",
    cluster="c",
    namespace="shop",
    name="dump",
    schedule="* * * * *",
    policy_fault="No JSON.",
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)
WELL = msgspec.structs.replace(WRONG, policy_fault=None)


class Receiver:
    """A web server; `answers` are the statuses of its next responses, 200 after the last."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.messages: list[dict[str, Any]] = []
        self.requests = 0
        self.changed = asyncio.Event()
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.requests += 1
        status = self.answers.pop(0) if self.answers else 200
        if status == 200:
            self.messages.append(json.loads(await request.read()))
        self.changed.set()
        return web.Response(status=status)

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(LONGEST_WAIT):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    @property
    def events(self) -> list[str]:
        return [message["event"] for message in self.messages]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    server = Receiver()
    app = web.Application()
    app.router.add_post("/secret-token", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/secret-token"
    yield server
    await runner.cleanup()


@pytest.fixture(autouse=True)
def send_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "PAUSES", (0.0, 0.0))
    monkeypatch.setattr(dispatch, "GATHER_SECONDS", 0.0)


class Inputs:
    """The inputs of the alert service: the daemon's fields as the test sets them."""

    def __init__(self, daemon: "Daemon") -> None:
        self._daemon = daemon

    async def wait_until_listed(self) -> None:
        return

    def clusters_not_listed(self) -> frozenset[str]:
        return self._daemon.unknown

    async def cronjobs(self) -> AsyncIterator[CronJob]:
        for number in range(self._daemon.number):
            name = f"dump{number or ''}"
            yield msgspec.structs.replace(self._daemon.cronjob, id=f"j{number}", name=name)

    def storages(self) -> list[BackupStorage]:
        return []

    def watch_states(self) -> list[WatchState]:
        return []

    def clock_faults(self) -> list[ClockFault]:
        return self._daemon.clock_faults

    def is_live(self, _: str) -> bool:
        return True

    def has_findings(self, _: CronJob) -> bool:
        return self._daemon.checked

    def stands_by(self, _: str) -> bool:
        return self._daemon.stands_by


class Daemon:
    """The alert service with its history; `cronjob` is the CronJob that it reads."""

    def __init__(self, history: History, supervisor: Supervisor, settings: Settings) -> None:
        self.history = history
        self.supervisor = supervisor
        self.cronjob = WRONG
        self.checked = True
        self.number = 1
        self.stands_by = False
        self.clock_faults: list[ClockFault] = []
        self.unknown: frozenset[str] = frozenset()
        self.service = AlertService(
            inputs=Inputs(self),
            history=history,
            bus=Bus(),
            clock=SystemClock(),
            settings=lambda: settings,
            supervisor=supervisor,
            cluster=None,
            registry=CollectorRegistry(),  # type: ignore[arg-type]
        )

    async def wait_until_sent(self) -> None:
        """Return once no message waits any more."""
        changed = asyncio.Event()
        stop = self.history.subscribe(lambda _: changed.set())
        async with asyncio.timeout(LONGEST_WAIT):
            while len(self.history.table("notices")):
                changed.clear()
                await changed.wait()
        stop()


@asynccontextmanager
async def daemon(folder: Path, *channels: ChannelSettings, repeat: float = 0) -> AsyncIterator[Daemon]:
    settings = Settings(alerts=AlertSettings(channels=channels, repeat_seconds=repeat))
    history = await History.open(folder / "h", clock=SystemClock())
    supervisor = Supervisor(SystemClock())
    try:
        yield Daemon(history, supervisor, settings)
    finally:
        await supervisor.close()
        await history.close()


def channel(folder: Path, url: str, **fields: Any) -> ChannelSettings:
    (folder / "url").write_text(url + "\n")
    return ChannelSettings(**{"name": "ops", "kind": "webhook", "url_file": str(folder / "url")} | fields)


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


async def test_what_cannot_be_told_stays_as_it_is(tmp_path: Path, receiver: Receiver) -> None:
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


async def test_a_storm_is_one_message(tmp_path: Path, receiver: Receiver) -> None:
    async with daemon(tmp_path, channel(tmp_path, receiver.url)) as it:
        it.number = 200
        await it.service.evaluate()
        await it.wait_until_sent()
        (message,) = receiver.messages
        assert message["title"] == "kronkeep: critical: PolicyInvalid shop/dump and 199 more"
        assert len(message["others"]) == 199
        assert message["text"].endswith(
            "critical: PolicyInvalid shop/dump30\nand 169 more: kronkeep get alerts"
        )
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
    assert receiver.messages[0]["message"].startswith("No JSON.\nCorrect the annotation")
    assert receiver.messages[0]["type"] == "failure"


async def test_severity_and_recoveries_choose_what_a_channel_is_told(
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


async def test_acknowledged_by_name_and_told_no_more(tmp_path: Path, receiver: Receiver) -> None:
    async with daemon(tmp_path, channel(tmp_path, receiver.url), repeat=0.000001) as it:
        await it.service.evaluate()
        await it.service.evaluate()
        await receiver.wait_for(lambda: receiver.events == ["opened", "repeated"])
        (alert,) = it.service.active_alerts()
        heard = await it.service.acknowledge(alert.id, "eve\x1b[31m")
        assert (heard.status, heard.acknowledged_by) == (AlertStatus.ACKNOWLEDGED, "eve␛[31m")
        assert await it.service.acknowledge(alert.id, "bob") == heard
        await it.service.evaluate()
        it.cronjob = WELL
        await it.service.evaluate()
        await receiver.wait_for(lambda: receiver.events == ["opened", "repeated", "resolved"])
        with pytest.raises(NotAllowedNow):
            await it.service.acknowledge(alert.id, "eve")
        with pytest.raises(AlertNotFound):
            await it.service.acknowledge("none", "eve")


async def test_where_another_daemon_acts_it_tells_and_what_it_left_is_told_here(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with daemon(tmp_path, channel(tmp_path, receiver.url)) as it:
        it.stands_by = True
        await it.service.evaluate()
        assert (len(it.service.active_alerts()), len(it.history.table("notices"))) == (1, 1)
        assert not it.supervisor.running("alert channel ops")
        it.stands_by = False
        await it.service.evaluate()
        await receiver.wait_for(lambda: receiver.events == ["opened"])
        await it.wait_until_sent()
        it.stands_by = True
        it.cronjob = WELL
        await it.service.evaluate()
        monkeypatch.setattr(dispatch, "HOLD_FOR", timedelta(0))
        await it.service.evaluate()
        assert len(it.history.table("notices")) == 0
        it.stands_by = False
        await it.service.evaluate()
        assert not it.supervisor.running("alert channel ops")
    assert receiver.events == ["opened"]
