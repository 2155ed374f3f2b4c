"""A whole daemon that ships its history to PostgreSQL: its states in API, command line, doctor and alerts."""

import asyncio
import base64
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.command_line import run_kronkeep
from tests.daemon_process import Daemon
from tests.postgres_server import PostgresServer, rows_of
from tests.waiting import eventually

from kronkeep_common.api import SinkView
from kronkeep_common.client import Client
from kronkeep_common.models import CronJobCreate
from kronkeep_daemon.kube import paths

SINK = """
[alerts]
watch_seconds = 1
[[history.sinks]]
name = "fleet"
kind = "postgres"
daemon = "east"
"""


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server that the test stops."""
    server = PostgresServer()
    server.start()
    yield server
    server.close()


async def wait_for_sink(client: Client, status: str) -> SinkView:
    async def look() -> list[SinkView]:
        return (await client.sinks()).items

    return (await eventually(look, lambda sinks: [sink.status for sink in sinks] == [status]))[0]


def configure(daemon: Daemon, text: str) -> None:
    config = daemon.state.parent / "kronkeepd.toml"
    own = config.read_text().partition("\n[alerts]")[0] if config.exists() else ""
    config.write_text(own + text)
    daemon.arguments = ("--config", str(config))


async def test_runs_are_shipped_and_a_sink_that_is_away_is_an_alert(
    daemon: Daemon, server: PostgresServer
) -> None:
    await daemon.stop()
    url_file = daemon.state.parent / "fleet-url"
    configure(daemon, SINK + f'url_file = "{url_file}"\n')
    await daemon.start()
    async with daemon.client() as client:
        failed = await wait_for_sink(client, "failed")
        assert failed.reason == "SinkUrlUnreadable"
        url_file.write_text(server.url + "\n")
        await wait_for_sink(client, "live")
        await client.cronjobs.create(
            CronJobCreate(name="dump", image="busybox:1.36", command=("true",), schedule="0 2 29 2 *")
        )
        run = await client.cronjobs.trigger("default", "dump")
        await eventually(lambda: client.runs.get(run.id), lambda run: run.status == "succeeded")
        shipped = await eventually(lambda: rows_of(server), lambda rows: run.id in rows)
        assert set(shipped) == {run.id for run in (await client.runs.list()).items}
        assert server.query("SELECT name FROM kronkeep.daemons") == [("east",)]

        await asyncio.to_thread(server.stop)
        await client.cronjobs.trigger("default", "dump")

        async def look() -> list[str]:
            return [alert.code for alert in (await client.alerts.list()).items if alert.status == "open"]

        await eventually(look, lambda codes: "SinkNotShipped" in codes)
        listed = await asyncio.to_thread(run_kronkeep, daemon, "get", "sinks")
        assert "fleet" in listed.stdout
        assert "SinkUnreachable" in listed.stdout
        named = await asyncio.to_thread(run_kronkeep, daemon, "get", "sink", "-o", "name")
        assert named.stdout == "fleet\n"
        doctor = await asyncio.to_thread(run_kronkeep, daemon, "doctor")
        assert doctor.returncode == 1
        assert "fail  sink fleet: The database does not take changes" in doctor.stdout
        transport = httpx.AsyncHTTPTransport(uds=daemon.announcement["socket"])
        async with httpx.AsyncClient(transport=transport, base_url="http://kronkeepd") as http:
            assert 'kronkeep_sink_lag{sink="fleet"}' in (await http.get("/metrics")).text

        await asyncio.to_thread(server.start)
        await wait_for_sink(client, "live")
        await eventually(look, lambda codes: "SinkNotShipped" not in codes)
        runs = {run.id for run in (await client.runs.list()).items}
        assert set(await rows_of(server)) == runs


async def test_the_url_may_be_in_a_secret_and_a_missing_driver_is_named(
    daemon: Daemon, server: PostgresServer, tmp_path: Path
) -> None:
    cluster = await daemon.cluster()
    data = {"url": base64.b64encode(server.url.encode()).decode()}
    await cluster.create(paths.secrets("kronkeep"), {"metadata": {"name": "sink"}, "data": data})
    await cluster.close()
    await daemon.stop()
    configure(daemon, SINK + 'url_secret = {secret = "sink", key = "url"}\n')
    await daemon.start()
    async with daemon.client() as client:
        await wait_for_sink(client, "live")
    await daemon.stop()
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "psycopg.py").write_text("raise ImportError('not installed')")
    daemon.environment = {"PYTHONPATH": str(tmp_path / "without")}
    await daemon.start()
    async with daemon.client() as client:
        sink = await wait_for_sink(client, "failed")
        assert sink.reason == "SinkDriverMissing"
        assert sink.next_step is not None
        assert "kronkeep[postgres]" in sink.next_step
        configure(daemon, "[alerts]\nwatch_seconds = 1\n")

        async def look() -> list[SinkView]:
            return (await client.sinks()).items

        await eventually(look, lambda sinks: not sinks)
    listed = await asyncio.to_thread(run_kronkeep, daemon, "get", "sinks", "-o", "json")
    assert json.loads(listed.stdout) == []
