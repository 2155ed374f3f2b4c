"""Heartbeats to a real web server: pings while what they require holds, else failures or silence."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from tests.integration.alerts.alert_scene import Daemon, daemon
from tests.waiting import LONGEST_WAIT, eventually

from kronkeep_common.errors import ReadOnlyHistory
from kronkeep_daemon.alert_settings import HeartbeatSettings
from kronkeep_daemon.alerts.heartbeat_rules import HeartbeatFacts, LeadState, judge
from kronkeep_daemon.alerts.heartbeats import fail_url
from kronkeep_daemon.kube.watch import WatchState

NOW = datetime(2026, 11, 30, 2, tzinfo=UTC)
EVERY = 60.0
ALL = ("history", "watch", "leader")
LEADS = LeadState("prod", True, False)


class Monitor:
    """A web server that keeps the path and the body of each request."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str]] = []
        self.changed = asyncio.Event()
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.requests.append((request.path, (await request.read()).decode()))
        self.changed.set()
        return web.Response()

    async def next_request(self) -> tuple[str, str]:
        """Return the next request that begins after this call."""
        known = len(self.requests)
        async with asyncio.timeout(LONGEST_WAIT):
            while len(self.requests) == known:
                self.changed.clear()
                await self.changed.wait()
        return self.requests[known]


@pytest.fixture
async def monitor() -> AsyncIterator[Monitor]:
    server = Monitor()
    app = web.Application()
    app.router.add_post("/{path:.*}", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/uuid"
    yield server
    await runner.cleanup()


def add_heartbeat(it: Daemon, folder: Path, url: str, **fields: object) -> None:
    (folder / "heartbeat").write_text(url)
    heartbeat = HeartbeatSettings(
        **{"name": "outside", "url_file": str(folder / "heartbeat"), "every": 1.0} | fields  # type: ignore[arg-type]
    )
    it.use_heartbeats(heartbeat)
    it.service.start()


def watch(status: str, ago: float) -> WatchState:
    since = NOW - timedelta(seconds=ago)
    return WatchState(name="cronjobs", status=status, since=since, why="refused")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("requires", "history_fault", "watches", "leads", "sends"),
    [
        (ALL, None, [watch("live", 900)], [LEADS], "ping"),
        (ALL, "The disk is full.", [watch("live", 900)], [LEADS], "failure"),
        (ALL, None, [watch("stale", 5)], [LEADS], "nothing"),
        (ALL, None, [watch("failing", EVERY)], [LEADS], "failure"),
        (ALL, None, [watch("live", 900)], [LeadState("prod", False, True)], "nothing"),
        (ALL, None, [watch("live", 900)], [LeadState("prod", False, False)], "failure"),
        (ALL, None, [watch("live", 900)], [LEADS, LeadState("b", False, False)], "failure"),
        (ALL, None, [watch("stale", 5)], [LeadState("prod", False, False)], "failure"),
        (("history",), None, [watch("failing", 900)], [LeadState("prod", False, False)], "ping"),
        ((), "The disk is full.", [watch("failing", 900)], [], "ping"),
    ],
)
def test_what_is_sent_follows_from_what_is_required(
    requires: tuple[str, ...],
    history_fault: str | None,
    watches: list[WatchState],
    leads: list[LeadState],
    sends: str,
) -> None:
    facts = HeartbeatFacts(history_fault=history_fault, watches=watches, leads=leads, now=NOW, every=EVERY)
    verdict = judge(requires, facts)
    assert verdict.sends == sends
    assert bool(verdict.why) == (sends != "ping")


def test_a_failure_goes_beside_the_url() -> None:
    assert fail_url("https://hc-ping.com/uuid") == "https://hc-ping.com/uuid/fail"
    assert fail_url("https://hc-ping.com/key/slug?create=1") == "https://hc-ping.com/key/slug/fail?create=1"


async def test_a_lost_watch_a_full_disk_and_a_lost_lease_are_failures_with_their_reason(
    tmp_path: Path, monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with daemon(tmp_path) as it:
        add_heartbeat(it, tmp_path, monitor.url)
        assert (await monitor.next_request())[0] == "/uuid"

        since = datetime.now(UTC) - timedelta(seconds=30)
        it.watches = [WatchState(name="pods", status="failing", since=since, why="no route to host")]
        path, reason = await failure_of(monitor)
        assert (path, "no route to host" in reason) == ("/uuid/fail", True)
        it.watches = []
        assert (await ping_of(monitor))[0] == "/uuid"

        it.leads = [LeadState("prod", False, False)]
        assert (await failure_of(monitor))[1] == "The Lease on prod cannot be renewed"
        it.leads = [LEADS]
        assert (await ping_of(monitor))[0] == "/uuid"

        async def refuse() -> int:
            raise ReadOnlyHistory("The disk is full.")

        with monkeypatch.context() as full:
            full.setattr(it.history, "commit", refuse)
            assert "The disk is full." in (await failure_of(monitor))[1]


async def failure_of(monitor: Monitor) -> tuple[str, str]:
    while not (request := await monitor.next_request())[0].endswith("/fail"):
        continue
    return request


async def ping_of(monitor: Monitor) -> tuple[str, str]:
    while (request := await monitor.next_request())[0].endswith("/fail"):
        continue
    return request


async def test_where_another_daemon_acts_nothing_is_sent(tmp_path: Path, monitor: Monitor) -> None:
    (tmp_path / "own").write_text(f"{monitor.url}/own")
    own = HeartbeatSettings(name="own", url_file=str(tmp_path / "own"), every=1.0, requires=("history",))
    async with daemon(tmp_path) as it:
        it.leads = [LeadState("prod", False, True)]
        add_heartbeat(it, tmp_path, monitor.url)
        it.use_heartbeats(*it.settings.alerts.heartbeats, own)
        await monitor.next_request()
        await monitor.next_request()
    assert {path for path, _ in monitor.requests} == {"/uuid/own"}


async def test_a_monitor_that_cannot_be_reached_is_an_alert(tmp_path: Path, monitor: Monitor) -> None:
    async with daemon(tmp_path) as it:
        add_heartbeat(it, tmp_path, "http://127.0.0.1:9/uuid")

        async def codes() -> set[str]:
            return {alert.code for alert in it.service.active_alerts()}

        await eventually(codes, lambda open_codes: "HeartbeatNotSent" in open_codes)
        (tmp_path / "heartbeat").write_text(monitor.url)
        await monitor.next_request()
        await eventually(codes, lambda open_codes: "HeartbeatNotSent" not in open_codes)


async def test_alertmanager_keeps_a_signal_that_ends_by_itself(tmp_path: Path, monitor: Monitor) -> None:
    async with daemon(tmp_path) as it:
        add_heartbeat(it, tmp_path, monitor.url.removesuffix("/uuid"), kind="alertmanager")
        path, body = await monitor.next_request()
        (alert,) = json.loads(body)
        ends_in = datetime.fromisoformat(alert["endsAt"]) - datetime.now(UTC)
    assert path == "/api/v2/alerts"
    assert alert["labels"]["alertname"] == "WatchdogSignal"
    assert timedelta(seconds=-LONGEST_WAIT) < ends_in <= timedelta(seconds=2)
