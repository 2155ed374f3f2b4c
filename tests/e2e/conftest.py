"""A fresh daemon for each end-to-end test, its client, and a storage and a claim in it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.daemon_process import Daemon
from tests.waiting import eventually

from kronkeep_common.client import Client
from kronkeep_common.models import BackupStorageCreate
from kronkeep_daemon.kube import paths


@pytest.fixture
async def daemon(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    process = Daemon(tmp_path_factory.mktemp("d", numbered=True) / "s")
    await process.start()
    yield process
    await process.end()


@pytest.fixture
async def client(daemon: Daemon) -> AsyncIterator[Client]:
    async with daemon.client() as connected:
        yield connected


@pytest.fixture
async def storage(daemon: Daemon, client: Client) -> Path:
    """Create the active storage `vault`; the folder of its repository."""
    assert daemon.claims
    folder = daemon.state.parent / "vault"
    await daemon.prepare_storage("vault", folder)
    await client.storages.create(
        BackupStorageCreate(
            layout="shared", id="vault", kind="local", settings={"path": str(folder)}, namespaces=("default",)
        )
    )
    vault = await eventually(
        lambda: client.storages.get("vault"), lambda s: s.status not in ("pending", "creating")
    )
    assert vault.status == "active", vault
    return folder


@pytest.fixture
async def claim(daemon: Daemon) -> Path:
    """Create the claim `data`; its folder."""
    cluster = await daemon.cluster()
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    await cluster.create(paths.claims("default"), {"metadata": {"name": "data"}, "spec": spec})
    await cluster.close()
    return daemon.claims / "default" / "data"
