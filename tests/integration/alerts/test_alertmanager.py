"""Debian's Alertmanager and amtool: alerts are routed, grouped, silenced and resolved there."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from aiohttp import web
from tests.integration.alerts.alert_scene import WELL, WRONG, ConfigMapCluster, channel, daemon
from tests.waiting import eventually

PROGRAM = shutil.which("prometheus-alertmanager")
AMTOOL = shutil.which("amtool")
CONFIG = """
route:
  receiver: ops
  group_by: [alertname, namespace]
  group_wait: 1s
  group_interval: 1s
  repeat_interval: 4h
  routes: [{{receiver: shop, matchers: [namespace="shop", severity="critical"]}}]
receivers:
  - {{name: ops, webhook_configs: [{{url: "{url}/ops", send_resolved: true}}]}}
  - {{name: shop, webhook_configs: [{{url: "{url}/shop", send_resolved: true}}]}}
"""
pytestmark = pytest.mark.skipif(
    PROGRAM is None or AMTOOL is None, reason="Debian's prometheus-alertmanager is not installed"
)


class Alertmanager(NamedTuple):
    """A running Alertmanager, and what its receivers were sent, by receiver."""

    url: str
    received: list[dict[str, Any]]

    async def amtool(self, *argv: str) -> str:
        """Run amtool and return what it prints."""
        command = [str(AMTOOL), f"--alertmanager.url={self.url}", *argv]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
        return str(done.stdout)

    async def query(self, *argv: str) -> list[str]:
        """Return the objects of the alerts that amtool finds."""
        alerts = json.loads(await self.amtool("-o", "json", "alert", "query", *argv))
        return sorted(alert["labels"]["object"] for alert in alerts)


@pytest.fixture
async def alertmanager(tmp_path: Path, unused_tcp_port: int) -> AsyncIterator[Alertmanager]:
    received: list[dict[str, Any]] = []

    async def receive(request: web.Request) -> web.Response:
        received.append(json.loads(await request.read()))
        return web.Response()

    app = web.Application()
    app.router.add_post("/{receiver}", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    config = tmp_path / "alertmanager.yml"
    config.write_text(CONFIG.format(url=f"http://127.0.0.1:{runner.addresses[0][1]}"))
    process = await asyncio.create_subprocess_exec(
        str(PROGRAM),
        f"--config.file={config}",
        f"--storage.path={tmp_path / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{unused_tcp_port}",
        "--cluster.listen-address=",
        stderr=asyncio.subprocess.DEVNULL,
    )
    running = Alertmanager(f"http://127.0.0.1:{unused_tcp_port}", received)
    yield running
    process.kill()
    await process.wait()
    await runner.cleanup()


async def test_routed_grouped_silenced_and_resolved(tmp_path: Path, alertmanager: Alertmanager) -> None:
    ops = channel(tmp_path, alertmanager.url, kind="alertmanager")
    async with daemon(tmp_path, ops, cluster=ConfigMapCluster()) as it:
        it.number = 3

        async def objects() -> list[str]:
            await it.service.evaluate()
            try:
                return await alertmanager.query()
            except subprocess.CalledProcessError:  # it has not started yet
                return []

        async def notifications() -> list[tuple[str, str, int]]:
            await it.service.evaluate()
            return [(each["receiver"], each["status"], len(each["alerts"])) for each in alertmanager.received]

        assert await eventually(objects, bool) == ["shop/dump", "shop/dump1", "shop/dump2"]
        assert await eventually(notifications, bool) == [("shop", "firing", 3)]
        (firing,) = alertmanager.received
        assert firing["groupLabels"] == {"alertname": "PolicyInvalid", "namespace": "shop"}
        assert firing["commonLabels"]["cluster"] == "prod"
        assert firing["alerts"][0]["annotations"]["description"] == "No JSON."
        assert firing["alerts"][0]["annotations"]["next_step"].startswith("Correct the annotation")

        silence = (
            await alertmanager.amtool(
                "silence", "add", "namespace=shop", "--comment=an upgrade", "--author=eve", "--duration=1h"
            )
        ).strip()
        it.number = 4
        await eventually(objects, lambda known: known == [])  # amtool lists what no silence holds back
        assert len(await alertmanager.query("--silenced")) >= 3
        await alertmanager.amtool("silence", "expire", silence)
        assert len(await eventually(objects, lambda known: len(known) == 4)) == 4
        it.cronjob = WELL
        await eventually(objects, lambda known: known == [])
        ended = await eventually(notifications, lambda told: told[-1][1] == "resolved")
        assert ended[-1] == ("shop", "resolved", 4)

        it.cronjob = msgspec.structs.replace(WRONG, namespace="bank")
        told = await eventually(notifications, lambda told: told[-1][1] == "firing")
        assert told[-1] == ("ops", "firing", 4)
