"""Storages of clouds on emulators that speak their protocols: whole lives, and keys that are refused."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from tests.daemon_process import Daemon
from tests.e2e.backup_site import DEBIAN_RESTIC, IMAGES, NEWER_RESTIC
from tests.e2e.storages.servers import clouds, needs_servers
from tests.e2e.storages.servers.clouds import Cloud, needs_azurite
from tests.e2e.storages.storage_steps import archive_claim, create_storage, replace_secret

from kronkeep_common import errors
from kronkeep_common.models import BackupStorageCreate

pytestmark = [needs_servers, pytest.mark.torture]  # an emulator and a daemon each: 6 s of CPU
needs_newer = pytest.mark.skipif(not NEWER_RESTIC.exists(), reason="make newer-restic has not run")
Serve = Callable[[Path], AbstractContextManager[Cloud]]


@pytest.mark.parametrize(
    ("kind", "serve", "image"),
    [
        # Debian's restic does not know STORAGE_EMULATOR_HOST; the newer one is built without Azure.
        pytest.param("gs", clouds.serve_gs, IMAGES[str(NEWER_RESTIC)], marks=needs_newer, id="gs"),
        pytest.param("azure", clouds.serve_azure, IMAGES[DEBIAN_RESTIC], marks=needs_azurite, id="azure"),
    ],
)
async def test_a_cloud_s_storage_from_creation_to_its_end(
    tmp_path: Path, kind: str, serve: Serve, image: str
) -> None:
    with serve(tmp_path) as cloud:
        config = tmp_path / "kronkeepd.toml"
        env = "\n".join(f"{name} = {json.dumps(value)}" for name, value in cloud.env.items())
        config.write_text(f"[archive]\nimage = {json.dumps(image)}\n[archive.env]\n{env}\n")
        daemon = Daemon(tmp_path / "s")
        daemon.arguments = ("--config", str(config))
        await daemon.start()
        try:
            await live_through(daemon, kind, cloud)
        finally:
            await daemon.end()


async def live_through(daemon: Daemon, kind: str, cloud: Cloud) -> None:
    await replace_secret(daemon, "keys", cloud.secret)
    request = BackupStorageCreate(
        layout="shared",
        id="vault",
        kind=kind,
        settings=cloud.settings,
        credentials="keys",
        namespaces=("default",),
    )
    async with daemon.client() as client:
        storage = await create_storage(client, request)
        assert (storage.status, storage.message) == ("active", None), storage
        await archive_claim(daemon, client, "job", "vault")
        usage = (await client.storages.measure("vault")).usage
        assert usage is not None
        assert 300_000 < usage.used_bytes < 400_000
        assert (await client.storages.check("vault")).check_ok is True
        if kind == "azure":
            await replace_secret(daemon, "keys", cloud.secret | {"AZURE_ACCOUNT_KEY": "d3Jvbmc="})
            with pytest.raises(errors.StorageFailed, match="refuses the credentials"):
                await client.storages.test("vault")
