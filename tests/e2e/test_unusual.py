"""A backup with half of its data gone, from restic's summary to retention that waits, with a real restic."""

import asyncio
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from tests.command_line import run_kronkeep
from tests.daemon_process import Daemon
from tests.e2e.restore_site import back_up
from tests.waiting import eventually

from kronkeep_common.client import Client
from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import NotAllowedNow
from kronkeep_common.models import (
    BackupExecution,
    BackupPolicySpec,
    ClaimSource,
    CronJobCreate,
    Retention,
    Source,
)
from kronkeep_daemon.history import History

FILES = 40


async def add_past(daemon: Daemon, backup: BackupExecution) -> None:
    """Record ten backups of the days before, with the same figures as one."""
    history = await History.open(daemon.state / "history", clock=SystemClock())
    for day in range(1, 11):
        times = {"created_at": backup.created_at - timedelta(days=day), "ended_at": None, "sequence": 0}
        gone = {"snapshot_removed_at": backup.created_at}
        history.backups.put(msgspec.structs.replace(backup, id=f"past{day}", **times, **gone))
    await history.close()


async def test_a_claim_that_lost_half_of_its_files_stops_forgetting_until_somebody_knows(
    daemon: Daemon, client: Client, storage: Path, claim: Path
) -> None:
    source = Source(claims=(ClaimSource(claim="data"),))
    rules = Retention(keep_last=1, min_good=1)
    policy = BackupPolicySpec(storage_id="vault", retries=0, source=source, retention=rules)
    spec = CronJobCreate(name="job", image="busybox", command=("true",), schedule="0 2 29 2 *", policy=policy)
    created = await client.cronjobs.create(spec)
    assert created.policy is not None
    claim.mkdir(parents=True, exist_ok=True)
    for number in range(FILES):
        (claim / f"file{number}").write_bytes(bytes([number]) * 20_000)
    first = await back_up(client)
    assert first.unusual == ()
    await daemon.stop()
    await add_past(daemon, first)
    await daemon.start()
    async with daemon.client() as again:
        for number in range(FILES // 2):
            (claim / f"file{number}").unlink()
        halved = await back_up(again)
        assert halved.status == "succeeded"
        assert f"{FILES // 2} files, where about {FILES}" in halved.unusual[0]
        plan = await again.policies.retention(created.policy.id)
        assert [verdict.backup_id for verdict in plan.remove] == [first.id]
        assert plan.held_by is not None
        with pytest.raises(NotAllowedNow, match="BackupUnusual"):
            await again.policies.approve_retention(created.policy.id, plan.token)
        alerts = await eventually(
            lambda: again.alerts.list(filter="code:BackupUnusual"), lambda page: bool(page.items)
        )
        listed = await asyncio.to_thread(run_kronkeep, daemon, "get", "backups")
        assert "yes" in listed.stdout
        done = await asyncio.to_thread(run_kronkeep, daemon, "acknowledge", alerts.items[0].id)
        assert done.returncode == 0, done.stderr
        removed = await eventually(
            lambda: again.backups.get(first.id), lambda backup: backup.snapshot_removed_at is not None
        )
        assert removed.snapshot_state == "removed"
        known = await again.backups.get(halved.id)
        assert known.unusual_acknowledged_at is not None
