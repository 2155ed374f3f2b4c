"""A storage's address is changed: only to where its own repository is."""

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.command_line import run_kronkeep
from tests.daemon_process import Daemon
from tests.e2e.backup_site import DEBIAN_RESTIC, BackupSite
from tests.e2e.storages.storage_steps import replace_secret
from tests.waiting import eventually

from kronkeep_common.client import Client
from kronkeep_common.errors import InvalidRequest, StorageFailed
from kronkeep_common.models import BackupStorage, BackupStorageCreate, SecretKeyRef
from kronkeep_common.models.storage import StorageAddress


async def test_a_storage_moves_only_to_where_its_own_repository_is(
    daemon: Daemon, client: Client, storage: Path, claim: Path
) -> None:
    site = BackupSite(daemon, DEBIAN_RESTIC)
    claim.mkdir(parents=True, exist_ok=True)
    (claim / "file").write_bytes(b"x" * 100)
    await site.create_cronjob(client, "job", "data", "vault")
    assert (await site.back_up(client, "job")).status == "succeeded"
    await asyncio.to_thread(shutil.copytree, storage, storage.with_name("copied"))

    # Another repository with the same password, an empty folder, and the place where it is already.
    other = storage.with_name("other")
    environment = {**os.environ, "RESTIC_PASSWORD": await site.read_password("vault")}
    argv = [DEBIAN_RESTIC, "-r", str(other), "--no-cache", "init"]
    await asyncio.to_thread(subprocess.run, argv, env=environment, check=True, stdout=subprocess.DEVNULL)
    for place, reason in (
        (other, "another repository is in the place"),
        (storage.with_name("none"), "no repository"),
    ):
        with pytest.raises(StorageFailed, match=f"(?i){reason}"):
            await client.storages.change_address("vault", StorageAddress(settings={"path": str(place)}))
    with pytest.raises(InvalidRequest, match="the address of vault already"):
        await client.storages.change_address("vault", StorageAddress(settings={"path": str(storage)}))
    assert (await client.storages.get("vault")).settings["path"] == str(storage)

    moved = run_kronkeep(daemon, "storage", "set-address", "vault", f"path={storage.with_name('copied')}")
    assert (moved.returncode, moved.stdout) == (0, f"vault active at path={storage.with_name('copied')}\n"), (
        moved
    )
    assert (await site.back_up(client, "job")).status == "succeeded"
    counts = [
        len(await site.list_snapshots("vault", folder)) for folder in (storage, storage.with_name("copied"))
    ]
    assert counts == [1, 2]
    assert len(await site.list_snapshots("vault", other)) == 0

    # A storage whose creation failed has no repository of its own yet: it is made at the new address.
    await replace_secret(daemon, "keys", {"AWS_ACCESS_KEY_ID": "a", "password": "another"})
    secrets = {secret.name: secret.keys for secret in (await client.storages.secrets()).items}
    assert secrets["keys"] == ("AWS_ACCESS_KEY_ID", "password")
    typo = BackupStorageCreate(
        id="typo",
        kind="local",
        settings={"path": str(other)},
        password=SecretKeyRef(secret="keys"),
        namespaces=("default",),
    )
    await client.storages.create(typo)
    failed = await eventually(lambda: client.storages.get("typo"), has_settled)
    assert failed.reason == "WrongPassword"
    line = ("storage", "set-address", "typo", f"path={storage.with_name('right')}")
    trial = run_kronkeep(daemon, *line, "--dry-run", "-o", "json")
    assert json.loads(trial.stdout)["settings"]["path"] == str(storage.with_name("right"))
    assert (await client.storages.get("typo")).settings["path"] == str(other)
    assert run_kronkeep(daemon, *line).returncode == 0
    settled = await eventually(lambda: client.storages.get("typo"), has_settled)
    assert (settled.status, settled.reason) == ("active", None), settled


def has_settled(storage: BackupStorage) -> bool:
    return storage.status in ("active", "failed")
