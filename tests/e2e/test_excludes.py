"""A policy that leaves files out: what is archived, and what is told before."""

from pathlib import Path

import msgspec
import pytest
from tests.e2e.restore_site import back_up
from tests.waiting import eventually

from kronkeep_common import object_keys
from kronkeep_common.client import Client
from kronkeep_common.errors import InvalidPolicy, StillReading
from kronkeep_common.models import (
    BackupPolicySpec,
    ClaimSource,
    CronJobCreate,
    CronJobManifest,
    Limits,
    SnapshotFolder,
    Source,
)

PICTURES = ("keep.jpg", "a.tmp", "cache/x", "cache/keep")


def policy_of(exclude: tuple[str, ...] = ()) -> BackupPolicySpec:
    return BackupPolicySpec(
        storage_id="vault",
        source=Source(claims=(ClaimSource(claim="data"),), exclude=exclude),
        retries=0,
        limits=Limits(upload_kib=100_000, download_kib=100_000),
    )


def manifest_of(policy: BackupPolicySpec) -> CronJobManifest:
    """Return a manifest of the CronJob with another policy."""
    container = {"name": "main", "image": "busybox:1.36", "command": ["true"]}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    body = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {
            "name": "job",
            "namespace": "default",
            "annotations": {object_keys.POLICY: msgspec.json.encode(policy).decode()},
        },
        "spec": {"schedule": "0 2 29 2 *", "jobTemplate": {"spec": {"template": template}}},
    }
    return msgspec.convert(body, CronJobManifest)


async def list_files(client: Client, backup_id: str, path: str) -> set[str]:
    async def read() -> SnapshotFolder | None:
        try:
            return await client.backups.files(backup_id, path)
        except StillReading:
            return None

    folder = await eventually(read, lambda page: page is not None)
    assert folder is not None
    return {entry.name for entry in folder.items}


@pytest.mark.usefixtures("daemon", "storage")
async def test_excludes_are_reported_before_and_kept_in_the_archive(client: Client, claim: Path) -> None:
    for name in PICTURES:
        (claim / name).parent.mkdir(parents=True, exist_ok=True)
        (claim / name).write_text(name)
    spec = CronJobCreate(
        name="job", image="busybox:1.36", command=("true",), schedule="0 2 29 2 *", policy=policy_of()
    )
    await client.cronjobs.create(spec)
    whole = await back_up(client)
    assert await list_files(client, whole.id, "/source/data") == {"keep.jpg", "a.tmp", "cache"}
    answer = await client.cronjobs.set_policy(
        "default", "job", policy_of(exclude=("*.tmp", "/cache/*", "!/cache/keep"))
    )
    assert (
        f"leave out 2 of 4 files (12 B) of the newest listing, of backup {whole.id}"
        in answer.claim_warnings[-1]
    )
    part = await back_up(client)
    assert await list_files(client, part.id, "/source/data") == {"keep.jpg", "cache"}
    assert await list_files(client, part.id, "/source/data/cache") == {"keep"}
    with pytest.raises(InvalidPolicy, match="leave out all 2 files") as all_:
        await client.cronjobs.set_policy("default", "job", policy_of(exclude=("keep*",)))
    assert all_.value.details["field"] == "policy.source.exclude"
    with pytest.raises(InvalidPolicy, match="leave out everything"):
        await client.cronjobs.set_policy("default", "job", policy_of(exclude=("*",)))
    with pytest.raises(InvalidPolicy, match="leave out all 2 files"):
        await client.cronjobs.apply(manifest_of(policy_of(exclude=("keep*",))))
    kept = (await client.cronjobs.get("default", "job")).policy
    assert kept is not None
    assert kept.source.exclude == ("*.tmp", "/cache/*", "!/cache/keep")
    with pytest.raises(InvalidPolicy, match="cannot be used"):
        await client.cronjobs.set_policy("default", "job", policy_of(exclude=("[",)))
