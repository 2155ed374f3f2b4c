"""Data checks with real restic: a part that is whole, damaged, and whole again."""

import asyncio
import base64
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from tests.cluster_proxy import other_cluster
from tests.quick_repository import prepare_storage
from tests.waiting import eventually

from kronkeep_common.clock import SystemClock
from kronkeep_common.models import BackupStorageCreate
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.settings import AllowSettings, ArchiveSettings, Settings
from kronkeep_daemon.supervisor import Supervisor
from kronkeep_daemon.testing import open_composition

PARTS = 30


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with other_cluster(tmp_path / "cluster") as kubeconfig:
        connection = await Cluster.connect(kubeconfig=kubeconfig)
        yield connection
        await connection.close()


async def test_damage_is_found_in_its_part_and_reported_until_it_is_gone(
    cluster: Cluster, tmp_path: Path
) -> None:
    settings = Settings(state=str(tmp_path), allow=AllowSettings(host_path=True), archive=ArchiveSettings())
    folder = tmp_path / "vault"
    clock = SystemClock()
    async with open_composition(cluster, tmp_path / "history", Supervisor(clock), settings) as composition:
        storages = composition.services.storages
        checks = composition.data_checks
        spec = BackupStorageCreate(
            layout="shared", id="vault", kind="local", settings={"path": str(folder)}, namespaces=("default",)
        )
        await prepare_storage(cluster, "vault", folder)
        await storages.create(spec, cluster)

        async def fetch_status() -> str:
            return storages.get("vault").status

        await eventually(fetch_status, lambda status: status == "active")
        secret = await cluster.get(paths.secrets("kronkeep", "kronkeep-storage-vault"))
        key = tmp_path / "key"
        key.write_bytes(base64.b64decode(secret["data"]["password"]))
        call = ["restic", "-r", str(folder), "--password-file", str(key), "--no-cache"]
        (tmp_path / "large").write_bytes(os.urandom(1_000_000))
        call += ["backup", str(tmp_path / "large")]
        await asyncio.to_thread(subprocess.run, call, check=True, capture_output=True)
        pack = max((p for p in (folder / "data").rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
        part = int(pack.name[:2], 16) % PARTS + 1
        whole = pack.read_bytes()
        pack.chmod(0o600)
        pack.write_bytes(whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:])
        bad = await checks.read_part(storages.get("vault"), part)
        assert bad.data_check is not None
        assert (bad.data_check.part, bad.data_check.ok, bad.check_ok) == (part, False, False)
        assert (bad.reason, bool(bad.next_step)) == ("RepositoryDamaged", True), bad
        assert (await composition.services.storage_upkeep.check("vault")).check_ok is False
        pack.write_bytes(whole)
        good = await checks.read_part(storages.get("vault"), part)
        assert good.data_check == msgspec.structs.replace(bad.data_check, ok=True, checked_at=good.checked_at)
        assert (good.check_ok, good.reason) == (True, None)
