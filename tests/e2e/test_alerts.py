"""An alert, from a failed run to a web server that receives it, over a kill -9, to its resolution."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from tests.command_line import run_kronkeep
from tests.daemon_process import Daemon
from tests.waiting import eventually

from kronkeep_common.models import CronJobCreate
from kronkeep_daemon.kube import paths

SETTINGS = """
[[alerts.channels]]
name = "ops"
kind = "webhook"
url_secret = {secret = "alert-urls", key = "ops"}
"""


@pytest.fixture
async def messages(daemon: Daemon) -> AsyncIterator[list[dict[str, Any]]]:
    """The messages that a web server receives from the daemon, whose only channel has its URL in a Secret."""
    received: list[dict[str, Any]] = []

    async def receive(request: web.Request) -> web.Response:
        received.append(json.loads(await request.read()))
        return web.Response()

    app = web.Application()
    app.router.add_post("/token", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/token"
    cluster = await daemon.cluster()
    data = {"ops": base64.b64encode(url.encode()).decode()}
    await cluster.create(paths.secrets("kronkeep"), {"metadata": {"name": "alert-urls"}, "data": data})
    await cluster.close()
    await daemon.stop()
    config = daemon.state.parent / "kronkeepd.toml"
    config.write_text(SETTINGS)
    daemon.arguments = ("--config", str(config))
    await daemon.start()
    yield received
    await runner.cleanup()


async def test_an_alert_is_sent_once_over_a_kill_acknowledged_and_resolved(
    daemon: Daemon, messages: list[dict[str, Any]]
) -> None:
    async with daemon.client() as client:
        spec = CronJobCreate(
            name="flaky", image="busybox:1.36", command=("sh", "-c", "exit 3"), schedule="0 2 29 2 *"
        )
        await client.cronjobs.create(spec)
        await client.cronjobs.trigger("default", "flaky")
        alerts = await eventually(
            lambda: client.alerts.list(filter="code:RunFailed"), lambda page: bool(page.items)
        )
        (alert,) = alerts.items
        assert (alert.object, alert.status, alert.severity) == ("default/flaky", "open", "warning")
        assert "3" in alert.message

        async def events() -> list[str]:
            return [message["event"] for message in messages]

        await eventually(events, lambda names: names == ["opened"])
        assert alert in (await client.snapshot()).alerts
    await daemon.kill()
    await daemon.start()
    async with daemon.client() as client:
        listed = await asyncio.to_thread(
            run_kronkeep, daemon, "get", "alerts", "--filter", "severity:warning"
        )
        assert alert.id[:12] in listed.stdout
        acknowledged = await asyncio.to_thread(run_kronkeep, daemon, "acknowledge", alert.id)
        assert acknowledged.returncode == 0, acknowledged.stderr
        assert (await client.alerts.get(alert.id)).status == "acknowledged"
        assert (await client.alerts.get(alert.id)).acknowledged_by
        assert await events() == ["opened"]
        await client.cronjobs.delete("default", "flaky", "flaky")
        await eventually(events, lambda names: names == ["opened", "resolved"])
        resolved = await client.alerts.get(alert.id)
        assert resolved.resolved_at is not None
        again = await asyncio.to_thread(run_kronkeep, daemon, "acknowledge", alert.id)
        assert (again.returncode, "NotAllowedNow" in again.stderr) == (1, True)


async def test_a_silence_holds_an_alert_back_until_it_is_ended(
    daemon: Daemon, messages: list[dict[str, Any]]
) -> None:
    async with daemon.client() as client:
        spec = CronJobCreate(name="flaky", image="busybox:1.36", command=("false",), schedule="0 2 29 2 *")
        await client.cronjobs.create(spec)
        said = await asyncio.to_thread(
            run_kronkeep, daemon,
            "silence", "--filter", "ns:default code:RunFailed", "--for", "1h30m", "--because", "an upgrade",
        )  # fmt: skip
        assert (said.returncode, "holds back 0 open alerts" in said.stdout) == (0, True), said.stderr
        await client.cronjobs.trigger("default", "flaky")
        alerts = await eventually(
            lambda: client.alerts.list(filter="code:RunFailed"), lambda page: bool(page.items)
        )
        (silence,) = (await client.silences.list(filter="status:active")).items
        assert (alerts.items[0].silence_id, silence.alerts) == (silence.id, 1)
        assert silence.ends_at - silence.created_at == timedelta(minutes=90)
        listed = await asyncio.to_thread(run_kronkeep, daemon, "get", "silences")
        assert "an upgrade" in listed.stdout
    await daemon.kill()
    await daemon.start()
    assert messages == []
    ended = await asyncio.to_thread(run_kronkeep, daemon, "silence", "--end", silence.id[:8])
    assert ended.returncode == 0, ended.stderr

    async def events() -> list[str]:
        return [message["event"] for message in messages]

    await eventually(events, lambda names: names == ["opened"])
    refused = await asyncio.to_thread(
        run_kronkeep, daemon, "silence", "--filter", "ns:default", "--for", "1h"
    )
    assert (refused.returncode, "--because" in refused.stderr) == (2, True)
