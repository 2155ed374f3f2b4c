"""A maintenance of a whole daemon, by the command line, over a kill -9, without the backlog at its end."""

import asyncio
import subprocess
from datetime import UTC, datetime, timedelta

from tests import command_line
from tests.daemon_process import Daemon
from tests.waiting import eventually

from kronkeep_common.client import Client
from kronkeep_common.models import CronJobCreate
from kronkeep_daemon.kube import paths


async def run_kronkeep(daemon: Daemon, *argv: str) -> "subprocess.CompletedProcess[str]":
    return await asyncio.to_thread(command_line.run_kronkeep, daemon, *argv)


async def create(client: Client, name: str, *, suspend: bool = False) -> None:
    spec = CronJobCreate(
        name=name, image="busybox:1.36", command=("true",), schedule="0 * * * *", suspend=suspend
    )
    await client.cronjobs.create(spec)


async def suspended(client: Client) -> dict[str, bool]:
    return {each.name: each.suspended for each in (await client.cronjobs.list()).items}


async def test_cronjobs_pause_over_a_kill_and_run_again_without_their_backlog(daemon: Daemon) -> None:
    async with daemon.client() as client:
        await create(client, "pay-dump")
        await create(client, "pay-old", suspend=True)
        await create(client, "shop")
        told = await run_kronkeep(
            daemon, "maintenance", "start", "--filter", "name:pay", "--for", "4h", "--because", "an upgrade"
        )
        assert (told.returncode, "1 CronJob until" in told.stdout) == (0, True), told.stderr
        (maintenance,) = (await client.maintenance.list(filter="status:active")).items
        assert await suspended(client) == {"pay-dump": True, "pay-old": True, "shop": False}
        held = await client.cronjobs.get("default", "pay-dump")
        assert (held.maintenance, (await client.cronjobs.get("default", "pay-old")).maintenance) == (
            maintenance.id,
            None,
        )
        listed = await run_kronkeep(daemon, "get", "cronjobs")
        assert "maintenance" in listed.stdout
        assert "an upgrade" in (await run_kronkeep(daemon, "get", "maintenance")).stdout
        described = await run_kronkeep(daemon, "describe", "cronjob", "default/pay-dump")
        assert maintenance.id in described.stdout
        cluster = await daemon.cluster()
        last = datetime.now(UTC) - timedelta(hours=5)  # so that it has missed slots when it is resumed
        status = {"status": {"lastScheduleTime": f"{last:%Y-%m-%dT%H:%M:%SZ}"}}
        await cluster.patch(paths.cronjobs("default", "pay-dump") + "/status", status)
    await daemon.kill()
    await daemon.start()
    async with daemon.client() as client:
        assert (await suspended(client))["pay-dump"]
        ended = await run_kronkeep(daemon, "maintenance", "end", maintenance.id[:8])
        assert (ended.returncode, "has ended" in ended.stdout) == (0, True), ended.stderr
        assert await suspended(client) == {"pay-dump": False, "pay-old": True, "shop": False}
        # A CronJob that is resumed without care is started at once; this one was looked at before that.
        await create(client, "careless", suspend=True)
        await cluster.patch(paths.cronjobs("default", "careless") + "/status", status)
        await cluster.patch(paths.cronjobs("default", "careless"), {"spec": {"suspend": False}})
        await eventually(client.runs.list, lambda page: bool(page.items))
        runs = (await client.runs.list()).items
        assert {run.cronjob for run in runs} == {"careless"}
        audit = [(entry.method, entry.route) for entry in (await client.audit()).items]
        assert ("POST", "/v1/maintenance/{id}/end") in audit
        refused = await run_kronkeep(daemon, "maintenance", "end", maintenance.id)
        assert (refused.returncode, "NotAllowedNow" in refused.stderr) == (1, True)
        unknown = await run_kronkeep(daemon, "maintenance", "start", "--filter", "ns:nope", "--because", "x")
        assert (unknown.returncode, "There is no namespace" in unknown.stderr) == (2, True)
    await cluster.close()
