"""A storage's limits of the network, with a real restic."""

import os
from pathlib import Path

import pytest
from tests.daemon_process import Daemon
from tests.e2e.restore_site import back_up

from kronkeep_common.client import Client
from kronkeep_common.errors import InvalidRequest, InvalidTimeZone
from kronkeep_common.models import (
    BackupPolicySpec,
    BackupStorageChange,
    ClaimSource,
    CronJobCreate,
    Source,
)

KIB = 1024


async def test_an_archive_takes_as_long_as_the_limit_of_its_start_says(
    daemon: Daemon, client: Client, storage: Path, claim: Path
) -> None:
    changed = await client.storages.change(
        "vault", BackupStorageChange(bandwidth="00:00-00:00 512 KiB/s, else unlimited", bandwidth_zone="UTC")
    )
    assert changed.bandwidth_zone == "UTC"
    policy = BackupPolicySpec(
        storage_id="vault", source=Source(claims=(ClaimSource(claim="data"),)), retries=0
    )
    created = await client.cronjobs.create(
        CronJobCreate(
            name="job", image="busybox:1.36", command=("true",), schedule="0 2 29 2 *", policy=policy
        )
    )
    assert any("512 KiB/s" in warning for warning in created.claim_warnings)
    claim.mkdir(parents=True, exist_ok=True)
    (claim / "file").write_bytes(os.urandom(1500 * KIB))
    limited = await back_up(client)
    await client.storages.change("vault", BackupStorageChange(bandwidth=""))
    (claim / "file").write_bytes(os.urandom(1500 * KIB))
    free = await back_up(client)
    assert limited.result is not None
    assert free.result is not None
    assert limited.result.duration_seconds > 2  # 1,500 KiB at 512 KiB/s, less what goes at once
    assert free.result.duration_seconds < limited.result.duration_seconds
    for change, error in (
        (BackupStorageChange(bandwidth="fast"), InvalidRequest),
        (BackupStorageChange(bandwidth="else 1 MiB/s", bandwidth_zone="Mars/Base"), InvalidTimeZone),
    ):
        with pytest.raises(error):
            await client.storages.change("vault", change)
