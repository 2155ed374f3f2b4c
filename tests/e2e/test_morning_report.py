"""The morning report of a real daemon: its numbers equal an independent count over the API."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from tests.command_line import run_kronkeep
from tests.daemon_process import Daemon
from tests.waiting import eventually

from kronkeep_common.client import Client
from kronkeep_common.models import BackupPolicySpec, CronJobCreate, VolumeMount
from kronkeep_daemon.kube import paths


def cronjob(name: str, *command: str, **fields: Any) -> CronJobCreate:
    return CronJobCreate(
        **{"name": name, "image": "busybox:1.36", "command": command, "schedule": "0 2 29 2 *"} | fields
    )


async def read_all(listing: Callable[..., Awaitable[Any]]) -> list[Any]:
    """Return all records of a list, three at a time."""
    records: list[Any] = []
    cursor: str | None = None
    while True:
        page = await listing(limit=3, cursor=cursor)
        records += page.items
        cursor = page.next_cursor
        if cursor is None:
            return records


async def count_by_hand(client: Client, start: datetime, end: datetime) -> dict[str, int]:
    """Count over the API what a report counts, in other words than the daemon's."""
    runs = Counter(
        run.status for run in await read_all(client.runs.list) if run.ended_at and start <= run.ended_at < end
    )
    backups = [each for each in await read_all(client.backups.list) if each.ended_at]
    restores = [each for each in await read_all(client.restores.list) if each.ended_at]
    faulty = {run.cronjob for run in await read_all(client.runs.list) if run.status == "failed"}
    cronjobs = (await client.cronjobs.list()).items
    alerts = [alert for alert in await read_all(client.alerts.list) if alert.status != "resolved"]
    return {
        "cronjobs": len(cronjobs),
        "succeeded": runs["succeeded"],
        "failed": runs["failed"],
        "cancelled": runs["cancelled"],
        "backups_good": sum(backup.status == "succeeded" for backup in backups),
        "backups_failed": sum(backup.status == "failed" for backup in backups),
        "verified": sum(each.purpose != "restore" and each.status == "completed" for each in restores),
        "faulty_total": len(faulty),
        "overdue_total": sum(each.backup_overdue for each in cronjobs),
        "uncovered_total": sum(claim.is_uncovered for claim in (await client.coverage()).items),
        "storages_total": len((await client.storages.list()).items),
        "critical_alerts": sum(alert.severity == "critical" for alert in alerts),
        "warning_alerts": sum(alert.severity == "warning" for alert in alerts),
    }


async def test_its_numbers_equal_a_count_over_the_api(
    daemon: Daemon, client: Client, storage: Path, claim: Path
) -> None:
    policy = BackupPolicySpec(storage_id="vault", rpo_seconds=3600)
    volumes = (VolumeMount(claim="data", mount_path="/data"),)
    cluster = await daemon.cluster()
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    await cluster.create(paths.claims("default"), {"metadata": {"name": "forgotten"}, "spec": spec})
    await cluster.close()
    await client.cronjobs.create(cronjob("good", "true"))
    await client.cronjobs.create(cronjob("bad", "false"))
    await client.cronjobs.create(cronjob("hangs", "sleep", "600"))
    await client.cronjobs.create(
        cronjob("saved", "sh", "-c", "echo x >/data/x", policy=policy, volumes=volumes)
    )
    runs = [await client.cronjobs.trigger("default", name) for name in ("good", "good", "bad", "bad")]
    hangs = await client.cronjobs.trigger("default", "hangs")
    saved = await client.cronjobs.trigger("default", "saved")
    backup = await eventually(
        lambda: client.backups.get(saved.backup_id or ""), lambda each: each.ended_at is not None
    )
    await client.backups.verify(backup.id)
    for run in runs:
        await eventually(partial(client.runs.get, run.id), lambda each: each.ended_at is not None)
    await client.runs.cancel(hangs.id)
    await eventually(lambda: client.runs.get(hangs.id), lambda each: each.ended_at is not None)

    async def compare() -> tuple[dict[str, int], dict[str, int]]:
        """Return the report's numbers and the count; alerts may come in between, so it is tried again."""
        view = await client.morning_report()
        counted = await count_by_hand(client, view.report.from_at, view.report.to_at)
        return {name: getattr(view.report, name) for name in counted}, counted

    reported, counted = await eventually(compare, lambda both: both[0] == both[1])
    assert reported == counted
    assert counted | {"critical_alerts": 0, "warning_alerts": 0} == {
        "cronjobs": 4,
        "succeeded": 3,
        "failed": 2,
        "cancelled": 1,
        "backups_good": 1,
        "backups_failed": 0,
        "verified": 1,
        "faulty_total": 1,
        "overdue_total": 0,
        "uncovered_total": 1,
        "storages_total": 1,
        "critical_alerts": 0,
        "warning_alerts": 0,
    }
    command = ("report", "--morning")
    shown = await asyncio.to_thread(run_kronkeep, daemon, *command)
    assert shown.returncode == 0
    assert "Runs: 6 ended: 3 succeeded, 2 failed, 1 cancelled; 0 missed, 0 unknown." in shown.stdout
    assert "> default/bad: 2 failed" in shown.stdout
    assert "> default/forgotten: no CronJob mounts it, 1.0 GiB" in shown.stdout
    assert "It is sent to nobody" in shown.stdout
    past = ("--format", "json", "--from", "2020-01-01", "--to", "2020-01-02")
    other = await asyncio.to_thread(run_kronkeep, daemon, *command, *past)
    assert json.loads(other.stdout)["report"].get("succeeded", 0) == 0
