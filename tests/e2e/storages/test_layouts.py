"""A storage as it is made by default: each namespace has a repository and a password of its own."""

import asyncio
import base64
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.cluster_proxy import daemon_behind_proxy
from tests.e2e.backup_site import DEBIAN_RESTIC, BackupSite, wait_for_end
from tests.waiting import eventually

from kronkeep_common.client import Client
from kronkeep_common.models import (
    BackupExecution,
    BackupPolicySpec,
    ClaimSource,
    CronJobCreate,
    RestoreRequest,
    RestoreTarget,
    Source,
)
from kronkeep_common.states import RotationState
from kronkeep_daemon.kube import paths
from kronkeep_daemon.repositories.repository import password_secret_of_folders

NAMESPACES = ("default", "shop")


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[BackupSite]:
    """A daemon whose cluster is another process, which lives on."""
    async with daemon_behind_proxy(tmp_path) as (daemon, _, _):
        yield BackupSite(daemon, DEBIAN_RESTIC)


async def read_passwords(site: BackupSite, storage: str) -> dict[str, str]:
    """Return the passwords of a storage's repositories by folder, its own under the empty one."""
    cluster = await site.daemon.cluster()
    secret = await cluster.get(paths.secrets("kronkeep", password_secret_of_folders(storage)))
    await cluster.close()
    texts = {name: base64.b64decode(value).decode() for name, value in secret["data"].items()}
    return {"": await site.read_password(storage), **texts}


def list_ids(folder: Path, password: str) -> list[str] | None:
    """Return the ids of a repository's snapshots; None where the password does not open it."""
    argv = [DEBIAN_RESTIC, "-r", str(folder), "--no-cache", "--no-lock", "snapshots", "--json"]
    done = subprocess.run(argv, env={"RESTIC_PASSWORD": password}, capture_output=True, check=False)
    return None if done.returncode else [each["id"] for each in json.loads(done.stdout) or []]


async def create_cronjob(client: Client, namespace: str, storage: str, **policy: Any) -> None:
    spec = BackupPolicySpec(
        storage_id=storage, source=Source(claims=(ClaimSource(claim="data"),)), retries=0, **policy
    )
    await client.cronjobs.create(
        CronJobCreate(
            namespace=namespace,
            name="job",
            image="busybox:1.36",
            command=("true",),
            schedule="0 2 29 2 *",
            policy=spec,
        )
    )


async def back_up(client: Client, namespace: str) -> BackupExecution:
    begun = await client.cronjobs.back_up(namespace, "job")
    return await wait_for_end(client, begun.id)


async def prepare_namespaces(site: BackupSite) -> None:
    """Create the claim `data` in each namespace, with a file that says whose it is."""
    cluster = await site.daemon.cluster()
    await cluster.create(paths.namespaces(), {"metadata": {"name": "shop"}})
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    for namespace in NAMESPACES:
        await cluster.create(paths.claims(namespace), {"metadata": {"name": "data"}, "spec": spec})
        folder = site.daemon.claims / namespace / "data"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "file").write_text(f"of {namespace}")
    await cluster.close()


async def test_each_namespace_has_a_repository_and_a_password_that_outlive_rotation_and_lost_records(
    site: BackupSite,
) -> None:
    await prepare_namespaces(site)
    folder = await site.create_storage("vault", layout="namespace", namespaces=NAMESPACES)
    async with site.client() as client:
        for namespace in NAMESPACES:
            await create_cronjob(client, namespace, "vault")
        backups = await asyncio.gather(*(back_up(client, namespace) for namespace in NAMESPACES))
        assert [backup.status for backup in backups] == ["succeeded"] * 2, backups
        assert {backup.layout for backup in backups} == {"namespace"}
        passwords = await read_passwords(site, "vault")
        assert len(passwords) == 3
        opened = {
            (name, other): list_ids(folder / name, password)
            for name in passwords
            for other, password in passwords.items()
        }
        assert {pair for pair, ids in opened.items() if ids is not None} == {(n, n) for n in passwords}
        held = [opened[name, name] or [] for name in passwords if name]
        assert [len(ids) for ids in held] == [1, 1]
        assert opened["", ""] == []
        kit = await client.storages.recovery_kit("vault")
        assert {each.password for each in kit.repositories} == set(passwords.values())

        rotated = await client.storages.rotate_key("vault")
        assert rotated.rotation is not None
        assert rotated.rotation.state is RotationState.DONE
        new = await read_passwords(site, "vault")
        assert set(new) == set(passwords)
        assert not set(new.values()) & set(passwords.values())
        for name in new:
            assert list_ids(folder / name, new[name]) is not None
            assert list_ids(folder / name, passwords[name]) is None
        # The CronJob of shop goes, and with the records all that says which repository it had.
        await client.cronjobs.delete("shop", "job", "job")

    await site.daemon.stop()
    for entry in site.daemon.state.iterdir():
        if entry.name != "cluster":
            await asyncio.to_thread(shutil.rmtree if entry.is_dir() else Path.unlink, entry)
    await site.daemon.start()
    await site.create_storage("vault", layout="namespace", namespaces=NAMESPACES)
    async with site.client() as client:
        storage = await eventually(lambda: client.storages.get("vault"), lambda s: s.snapshots is not None)
        assert storage.snapshots is not None
        assert storage.snapshots.recovered == 2
        of_default = await client.backups.get(backups[0].id)
        assert of_default.layout == "namespace"
        request = RestoreRequest(target=RestoreTarget(claim="back"))
        restore = await client.backups.restore(of_default.id, request)
        ended = await eventually(
            lambda: client.restores.get(restore.id), lambda r: r.status in ("completed", "failed")
        )
        assert (ended.status, ended.reason) == ("completed", None)
        restored = [path.read_text() for path in (site.daemon.claims / "default" / "back").rglob("file")]
        assert restored == ["of default"]
        again = await back_up(client, "default")
        assert again.status == "succeeded"
        assert await read_passwords(site, "vault") == new
