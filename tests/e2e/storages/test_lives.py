"""Storages on volumes: an existing repository, limits of namespaces and space, damage."""

import asyncio
import base64
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.daemon_process import Daemon
from tests.e2e.storages.servers import needs_servers
from tests.e2e.storages.storage_steps import (
    archive_claim,
    create_claim,
    create_quick_storage,
    create_storage,
    list_snapshots,
    replace_secret,
    wait_for_backup,
    wait_for_storage,
)
from tests.integration.storages import proxmox
from tests.quick_repository import write_quick_repository

from kronkeep_common import errors
from kronkeep_common.client import Client
from kronkeep_common.models import (
    BackupPolicySpec,
    BackupStorage,
    BackupStorageChange,
    BackupStorageCreate,
    CronJobCreate,
    Include,
    RestoreRequest,
    RestoreTarget,
    SecretKeyRef,
)
from kronkeep_daemon.kube import paths

pytestmark = needs_servers


async def test_an_existing_repository_is_adopted_and_never_written_over(
    storage_daemon: Daemon, client: Client, tmp_path: Path
) -> None:
    folder = str(tmp_path / "vault")
    await asyncio.to_thread(write_quick_repository, Path(folder), "first")
    command = ["restic", "-r", folder, "--no-cache", "backup", "/etc/hostname"]
    environment = {**os.environ, "RESTIC_PASSWORD": "first"}
    await asyncio.to_thread(subprocess.run, command, env=environment, check=True, stdout=subprocess.DEVNULL)
    before = await list_snapshots(folder, "first")
    await replace_secret(storage_daemon, "right", {"password": "first"})
    request = BackupStorageCreate(
        id="adopt-wrong", kind="local", settings={"path": folder}, namespaces=("default",)
    )
    storage = await create_storage(client, request)
    assert (storage.status, storage.reason) == ("failed", "WrongPassword"), storage
    assert await list_snapshots(folder, "first") == before
    storage = await create_storage(
        client,
        BackupStorageCreate(
            id="adopt-right",
            kind="local",
            settings={"path": folder},
            password=SecretKeyRef(secret="right"),
            namespaces=("default",),
        ),
    )
    assert storage.status == "active", storage
    usage = (await client.storages.measure("adopt-right")).usage
    assert usage is not None
    assert usage.snapshots == len(before) == 1
    cluster = await storage_daemon.cluster()
    data = {"data": {"password": base64.b64encode(b"first").decode()}}
    await cluster.patch(paths.secrets("kronkeep", "kronkeep-storage-adopt-wrong"), data)
    await cluster.close()
    attempts = [client.storages.retry("adopt-wrong") for _ in range(2)]
    begun, refused = sorted(
        await asyncio.gather(*attempts, return_exceptions=True),
        key=lambda answer: isinstance(answer, Exception),
    )
    assert isinstance(begun, BackupStorage)
    assert begun.status == "creating"
    assert isinstance(refused, errors.NotAllowedNow), "two attempts would create the repository side by side"
    storage = await wait_for_storage(client, "adopt-wrong")
    assert (storage.status, storage.reason) == ("active", None)


async def test_a_claim_s_storage_serves_its_own_namespace_only(
    storage_daemon: Daemon, client: Client
) -> None:
    await create_claim(storage_daemon, "shelf")
    settings: dict[str, str | int] = {"claim": "shelf", "namespace": "default"}
    with pytest.raises(errors.InvalidRequest, match="Only pods of the namespace default"):
        await client.storages.create(
            BackupStorageCreate(id="shelf", kind="pvc", settings=settings, namespaces=("kronkeep",))
        )
    storage = await create_storage(
        client, BackupStorageCreate(id="shelf", kind="pvc", settings=settings, namespaces=("default",))
    )
    assert (storage.status, storage.namespaces) == ("active", ("default",))
    await archive_claim(storage_daemon, client, "job-pvc", "shelf")
    usage = (await client.storages.measure("shelf")).usage
    assert usage is not None
    assert usage.capacity_bytes is not None
    assert usage.available_bytes is not None
    assert usage.used_bytes + usage.available_bytes <= usage.capacity_bytes
    assert len((await client.storages.usage("shelf")).items) == 1
    gone = await create_storage(
        client,
        BackupStorageCreate(
            id="gone", kind="pvc", settings={"claim": "none", "namespace": "default"}, namespaces=("default",)
        ),
    )
    assert (gone.status, gone.reason) == ("failed", "ClaimMissing")


async def test_a_claim_of_a_ceph_class_is_created_and_stays(storage_daemon: Daemon, client: Client) -> None:
    settings: dict[str, str | int] = {"storage_class": "cephfs", "namespace": "default", "size": "5Gi"}
    storage = await create_storage(
        client, BackupStorageCreate(id="reef", kind="ceph", settings=settings, namespaces=("default",))
    )
    assert storage.status == "active", storage
    cluster = await storage_daemon.cluster()
    spec = (await cluster.get(paths.claims("default", "kronkeep-storage-reef")))["spec"]
    assert (spec["storageClassName"], spec["accessModes"]) == ("cephfs", ["ReadWriteMany"])
    await client.storages.delete("reef", "reef")
    assert await cluster.get(paths.claims("default", "kronkeep-storage-reef"))
    await cluster.close()


async def test_proxmox_reports_its_space_and_that_it_is_not_active(
    storage_daemon: Daemon, client: Client, tmp_path: Path
) -> None:
    file, fingerprint = proxmox.create_certificate(tmp_path, "pve")
    token_id, token = proxmox.TOKEN.split("=")
    await replace_secret(storage_daemon, "pve", {"PROXMOX_TOKEN_ID": token_id, "PROXMOX_TOKEN_SECRET": token})
    with proxmox.serve(file) as api:
        settings: dict[str, str | int] = {
            "url": f"https://127.0.0.1:{api.server_address[1]}",
            "node": "pve1",
            "storage": "tank",
            "fingerprint": fingerprint,
            "storage_class": "proxmox-tank",
            "namespace": "default",
            "size": "5Gi",
        }
        request = BackupStorageCreate(
            id="pve", kind="proxmox", settings=settings, credentials="pve", namespaces=("default",)
        )
        storage = await create_storage(client, request)
        assert storage.status == "active", storage
        usage = (await client.storages.measure("pve")).usage
        assert usage is not None
        assert (usage.capacity_bytes, usage.available_bytes) == (
            proxmox.STATUS["total"],
            proxmox.STATUS["avail"],
        )
        api.status["active"] = 0
        with pytest.raises(errors.StorageFailed, match="is not active"):
            await client.storages.test("pve")
        assert (await client.storages.get("pve")).reason == "StorageInactive"
        api.status["active"] = 1
        assert (await client.storages.test("pve")).reason is None


async def test_who_may_use_a_storage_is_checked_when_the_archive_runs(
    storage_daemon: Daemon, client: Client, tmp_path: Path
) -> None:
    await create_quick_storage(storage_daemon, client, "closed", tmp_path / "closed")
    await archive_claim(storage_daemon, client, "job-closed", "closed")
    good = (await client.backups.list(limit=1)).items[0]
    change = BackupStorageChange(allow_namespaces=("elsewhere",), deny_namespaces=("default",))
    assert (await client.storages.change("closed", change)).namespaces == ("elsewhere",)
    backup = await client.cronjobs.back_up("default", "job-closed")
    ended = await wait_for_backup(client, backup.id)
    assert (ended.status, ended.reason) == ("failed", "NamespaceNotServed")
    assert "kronkeep storage change closed --allow-namespace default" in (ended.next_step or "")
    with pytest.raises(errors.NamespaceNotServed):
        await client.cronjobs.set_policy("default", "job-closed", BackupPolicySpec(storage_id="closed"))
    for target in (RestoreTarget(kind="in-place"), RestoreTarget(kind="new-claim", claim="new")):
        with pytest.raises(errors.NamespaceNotServed):
            await client.backups.plan_restore(good.id, RestoreRequest(target=target))
    with pytest.raises(errors.VerificationFailed, match="does not serve the namespace default"):
        await client.backups.verify(good.id)
    allowed = await client.storages.change("closed", BackupStorageChange(namespaces=("*",)))
    assert allowed.serves("default")
    reserved = RestoreTarget(kind="new-claim", claim="new", namespace="kronkeep")
    with pytest.raises(errors.Denied, match="reserved for kronkeep itself"):
        await client.backups.plan_restore(good.id, RestoreRequest(target=reserved))
    assert (await client.backups.verify(good.id)).verified_at is not None


async def test_a_storage_that_names_no_namespace_serves_none(
    storage_daemon: Daemon, client: Client, tmp_path: Path
) -> None:
    settings: dict[str, str | int] = {"path": str(tmp_path / "nobodys")}
    await create_storage(client, BackupStorageCreate(id="nobodys", kind="local", settings=settings))
    spec = CronJobCreate(
        name="refused",
        image="busybox:1.36",
        schedule="0 2 * * *",
        policy=BackupPolicySpec(storage_id="nobodys", include=Include(volumes=False, configuration=True)),
    )
    with pytest.raises(errors.NamespaceNotServed, match="does not serve the namespace default"):
        await client.cronjobs.create(spec)
    checks = [check for check in (await client.doctor()).items if check.name == "storage nobodys"]
    assert [check.status for check in checks] == ["warn"]
    assert "kronkeep storage change nobodys --allow-namespace" in (checks[0].next_step or "")
    await client.storages.change("nobodys", BackupStorageChange(allow_namespaces=("default",)))
    assert (await client.cronjobs.create(spec)).policy is not None
    with pytest.raises(errors.InvalidRequest, match="is no namespace"):
        await client.storages.change("nobodys", BackupStorageChange(allow_namespaces=("a*",)))


def size_of(path: Path) -> int:
    return path.stat().st_size


async def test_the_check_finds_a_lost_pack(storage_daemon: Daemon, client: Client, tmp_path: Path) -> None:
    folder = tmp_path / "holed"
    await create_quick_storage(storage_daemon, client, "holed", folder)
    await archive_claim(storage_daemon, client, "job-holed", "holed")
    packs = [path for path in (folder / "data").rglob("*") if path.is_file()]
    max(packs, key=size_of).unlink()
    with pytest.raises(errors.StorageFailed, match="damaged"):
        await client.storages.check("holed")
    storage = await client.storages.get("holed")
    assert (storage.reason, storage.check_ok, storage.status) == ("RepositoryDamaged", False, "active")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 8 MiB, which only root can do."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "kronkeep-test", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount")
async def test_levels_of_a_volume_that_others_fill(
    storage_daemon: Daemon, client: Client, small: Path
) -> None:
    """85 % and 95 % of the volume, whoever fills it; a limit of the storage's own counts at once."""
    await create_quick_storage(storage_daemon, client, "small", small / "vault")
    levels = []
    for more in (0, 7_400_000, 700_000):  # 0, 88 and 97 % of 8 MiB
        (small / f"others-{more}").write_bytes(bytes(more))
        usage = (await client.storages.measure("small")).usage
        assert usage is not None
        assert usage.total_bytes == usage.capacity_bytes == 8 * 2**20
        levels.append(usage.level)
    assert levels == ["ok", "warning", "critical"]
    for file in small.glob("others-*"):
        file.unlink()
    usage = (await client.storages.measure("small")).usage
    assert usage is not None
    assert usage.level == "ok"
    limit = BackupStorageChange(capacity_bytes=usage.used_bytes + 1)
    changed = (await client.storages.change("small", limit)).usage
    assert changed is not None
    assert (changed.level, changed.available_bytes) == ("critical", 1)


async def fetch_job_roles(daemon: Daemon, storage: str) -> list[str]:
    """Return the roles of the Jobs that created the storage; a list of its snapshots may have begun."""
    cluster = await daemon.cluster()
    jobs, _ = await cluster.list(paths.jobs("kronkeep"))
    await cluster.close()
    names = [job["metadata"]["name"].split("-", 2) for job in jobs]
    return sorted(role for _, role, rest in names if rest.startswith(f"{storage}-") and role != "list")


async def test_one_job_creates_a_repository_and_a_second_opens_it(
    storage_daemon: Daemon, client: Client, tmp_path: Path
) -> None:
    settings: dict[str, str | int] = {"path": str(tmp_path / "vault")}
    storage = await create_storage(
        client, BackupStorageCreate(id="once", kind="local", settings=settings, namespaces=("default",))
    )
    assert storage.status == "active", storage
    assert await fetch_job_roles(storage_daemon, "once") == ["init"]
    ref = SecretKeyRef(secret="kronkeep-storage-once")
    again = BackupStorageCreate(
        id="twice", kind="local", settings=settings, password=ref, namespaces=("default",)
    )
    assert (await create_storage(client, again)).status == "active"
    assert await fetch_job_roles(storage_daemon, "twice") == ["init", "open"]
    assert len(list((tmp_path / "vault/keys").iterdir())) == 1


async def test_a_folder_with_keys_and_no_config_gets_no_new_repository(
    client: Client, tmp_path: Path
) -> None:
    """restic 0.14 creates another repository there, whose prune would remove the data of the old one."""
    folder = tmp_path / "vault"
    await asyncio.to_thread(write_quick_repository, folder, "first")
    (folder / "config").unlink()
    request = BackupStorageCreate(
        id="rest-of", kind="local", settings={"path": str(folder)}, namespaces=("default",)
    )
    storage = await create_storage(client, request)
    assert (storage.status, storage.reason) == ("failed", "ConfigLost"), storage
    assert storage.next_step


async def open_first(daemon: Daemon, client: Client, name: str, folder: Path) -> BackupStorage:
    """Create a storage on an existing repository, whose password is `first`."""
    await replace_secret(daemon, f"{name}-password", {"password": "first"})
    return await create_storage(
        client,
        BackupStorageCreate(
            id=name,
            kind="local",
            settings={"path": str(folder)},
            password=SecretKeyRef(secret=f"{name}-password"),
            namespaces=("default",),
        ),
    )


async def test_a_repository_with_a_key_that_does_not_fit_its_config_is_never_active(
    storage_daemon: Daemon, client: Client, tmp_path: Path
) -> None:
    """Two restics that were killed while they created it leave two keys; chance decides which is tried."""
    folder = tmp_path / "vault"
    await asyncio.to_thread(write_quick_repository, folder, "first")
    await asyncio.to_thread(write_quick_repository, tmp_path / "other", "first")
    (key,) = (tmp_path / "other/keys").iterdir()
    key.rename(folder / "keys" / key.name)
    storage = await open_first(storage_daemon, client, "two-keys", folder)
    assert storage.status == "failed", storage
    assert storage.reason in ("ConfigLost", "RepositoryDamaged"), storage


async def test_a_key_that_somebody_added_is_no_fault(
    storage_daemon: Daemon, client: Client, tmp_path: Path
) -> None:
    folder = tmp_path / "vault"
    await asyncio.to_thread(write_quick_repository, folder, "first")
    (tmp_path / "password").write_text("second")
    argv = ["restic", "-r", str(folder), "key", "add", "--new-password-file", str(tmp_path / "password")]
    environment = {**os.environ, "RESTIC_PASSWORD": "first"}
    await asyncio.to_thread(subprocess.run, argv, check=True, env=environment)
    storage = await open_first(storage_daemon, client, "added-key", folder)
    assert storage.status == "active", storage


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount")
async def test_a_volume_that_can_only_be_read_fails_with_that_reason(client: Client, small: Path) -> None:
    (small / "vault").mkdir()
    await asyncio.to_thread(subprocess.run, ["mount", "-o", "remount,ro", str(small)], check=True)
    request = BackupStorageCreate(
        id="read-only", kind="local", settings={"path": str(small / "vault")}, namespaces=("default",)
    )
    storage = await create_storage(client, request)
    assert (storage.status, storage.reason) == ("failed", "StorageReadOnly"), storage
    assert storage.next_step
