"""What two backups differ in, compared with restic's own diff, and where a file is found."""

import asyncio
import json
import os
from pathlib import Path

import pytest
from tests.command_line import run_kronkeep
from tests.daemon_process import Daemon
from tests.e2e.restore_site import back_up
from tests.restic_command import run_restic

from kronkeep_common.client import Client
from kronkeep_common.errors import BackupNotFound, InvalidRequest
from kronkeep_common.models import BackupPolicySpec, ClaimSource, CronJobCreate, Source


async def test_diff_agrees_with_restic_and_find_tells_first_and_last(
    daemon: Daemon, client: Client, storage: Path, claim: Path
) -> None:
    source = Source(claims=(ClaimSource(claim="data"),))
    policy = BackupPolicySpec(storage_id="vault", retries=0, source=source)
    spec = CronJobCreate(name="job", image="busybox", command=("true",), schedule="0 2 29 2 *", policy=policy)
    await client.cronjobs.create(spec)
    (claim / "folder").mkdir(parents=True)
    for name in ("same", "gone.sql", "grown", "folder/ünï\\code"):
        (claim / name).write_text(name)
    first = await back_up(client)
    (claim / "gone.sql").unlink()
    (claim / "grown").write_text("grown and grown")
    os.utime(claim / "grown", (1, 1))
    (claim / "folder" / "new.sql").write_text("new")
    second = await back_up(client)
    assert first.result is not None
    assert second.result is not None

    answer = await client.backups.diff(first.id, second.id)
    words = ("diff", "--json", first.result.snapshot_id, second.result.snapshot_id)
    lines = (await run_restic(daemon, storage, *words)).splitlines()
    messages = [json.loads(line) for line in lines if line.startswith("{")]
    changes = {(m["path"], m["modifier"]) for m in messages if m["message_type"] == "change"}
    signs = {"added": "+", "removed": "-", "changed": "M"}
    assert {(item.path, signs[item.change]) for item in answer.items} == changes
    assert (answer.added, answer.removed, answer.changed) == (1, 1, 1)
    told = await asyncio.to_thread(run_kronkeep, daemon, "diff", first.id, second.id)
    assert "M" in told.stdout
    assert "1 added, 1 removed, 1 changed: 13 B more, 8 B less" in told.stdout, told

    matches = await client.backups.find("default", "job", "*.sql")
    assert [(m.path, m.first_backup_id, m.last_backup_id) for m in matches.items] == [
        ("/source/data/folder/new.sql", second.id, second.id),
        ("/source/data/gone.sql", first.id, first.id),
    ]
    assert (matches.backups, matches.is_cut, matches.unread) == (2, False, ())
    printed = await asyncio.to_thread(run_kronkeep, daemon, "find", "default/job", "same")
    assert "/source/data/same" in printed.stdout, printed
    assert "1 path in 2 backups" in printed.stdout
    with pytest.raises(BackupNotFound):
        await client.backups.diff(first.id, "nowhere")
    with pytest.raises(InvalidRequest):
        await client.backups.find("default", "job", "")
