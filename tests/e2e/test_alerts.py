"""An alert from a run that fails to the web server that is told, over a kill -9, to its end."""

import asyncio
import base64
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
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
async def told(daemon: Daemon) -> AsyncIterator[list[dict[str, Any]]]:
    """What a web server was told; its URL is in a Secret, and the daemon is started anew with a channel."""
    got: list[dict[str, Any]] = []

    async def take(request: web.Request) -> web.Response:
        got.append(json.loads(await request.read()))
        return web.Response()

    app = web.Application()
    app.router.add_post("/token", take)
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
    yield got
    await runner.cleanup()


def kronkeep(daemon: Daemon, *argv: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kronkeep_tui", "--socket", daemon.announcement["socket"], *argv]
    return subprocess.run(command, capture_output=True, text=True, check=False)


async def test_told_once_over_a_kill_acknowledged_and_resolved(
    daemon: Daemon, told: list[dict[str, Any]]
) -> None:
    async with daemon.client() as client:
        wanted = CronJobCreate(
            name="flaky", image="busybox:1.36", command=("sh", "-c", "exit 3"), schedule="0 2 29 2 *"
        )
        await client.cronjobs.create(wanted)
        await client.cronjobs.trigger("default", "flaky")
        found = await eventually(
            lambda: client.alerts.list(filter="code:RunFailed"), lambda page: bool(page.items)
        )
        (alert,) = found.items
        assert (alert.object, alert.status, alert.severity) == ("default/flaky", "open", "warning")
        assert "3" in alert.message

        async def events() -> list[str]:
            return [message["event"] for message in told]

        await eventually(events, lambda seen: seen == ["opened"])
        assert alert in (await client.snapshot()).alerts
    await daemon.kill()
    await daemon.start()
    async with daemon.client() as client:
        shown = await asyncio.to_thread(kronkeep, daemon, "get", "alerts", "--filter", "severity:warning")
        assert alert.id in shown.stdout
        done = await asyncio.to_thread(kronkeep, daemon, "acknowledge", alert.id)
        assert done.returncode == 0, done.stderr
        assert (await client.alerts.get(alert.id)).status == "acknowledged"
        assert (await client.alerts.get(alert.id)).acknowledged_by
        assert await events() == ["opened"]
        await client.cronjobs.delete("default", "flaky", "flaky")
        await eventually(events, lambda seen: seen == ["opened", "resolved"])
        ended = await client.alerts.get(alert.id)
        assert ended.resolved_at is not None
        again = await asyncio.to_thread(kronkeep, daemon, "acknowledge", alert.id)
        assert (again.returncode, "NotAllowedNow" in again.stderr) == (1, True)
