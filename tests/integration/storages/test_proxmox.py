"""The space of a Proxmox VE storage, asked for over TLS with a token and a pinned certificate."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.integration.storages.proxmox import STATUS, TOKEN, ProxmoxApi, create_certificate, serve

from kronkeep_common.errors import StorageFailed
from kronkeep_common.models.storage_kinds import ProxmoxSettings
from kronkeep_daemon.storage_kinds.proxmox import fetch_space

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="make servers has not run")
KEYS = dict(zip(("PROXMOX_TOKEN_ID", "PROXMOX_TOKEN_SECRET"), TOKEN.split("="), strict=True))


@pytest.fixture
def api(tmp_path: Path) -> Iterator[tuple[ProxmoxApi, ProxmoxSettings]]:
    file, fingerprint = create_certificate(tmp_path, "pve")
    with serve(file) as server:
        settings = ProxmoxSettings(
            url=f"https://127.0.0.1:{server.server_address[1]}",
            node="pve1",
            storage="tank",
            fingerprint=fingerprint,
            storage_class="proxmox-tank",
            namespace="default",
            size="10Gi",
        )
        yield server, settings


async def test_its_size_and_what_is_free(api: tuple[ProxmoxApi, ProxmoxSettings]) -> None:
    server, settings = api
    assert await fetch_space(settings, KEYS) == (STATUS["total"], STATUS["avail"])
    lower = msgspec.structs.replace(settings, fingerprint=settings.fingerprint.lower())
    assert await fetch_space(lower, KEYS) == (STATUS["total"], STATUS["avail"])
    assert server.requested_paths == ["/api2/json/nodes/pve1/storage/tank/status"] * 2


async def test_another_certificate_gets_no_token(
    api: tuple[ProxmoxApi, ProxmoxSettings], tmp_path: Path
) -> None:
    server, settings = api
    _, other = create_certificate(tmp_path, "other")
    with pytest.raises(StorageFailed) as refusal:
        await fetch_space(msgspec.structs.replace(settings, fingerprint=other), KEYS)
    assert refusal.value.details["reason"] == "CertificateRefused"
    assert server.requested_paths == []


@pytest.mark.parametrize(
    ("change", "keys", "status", "reason"),
    [
        ({}, {"PROXMOX_TOKEN_SECRET": "wrong"}, {}, "CredentialsRefused"),
        ({"storage": "other"}, {}, {}, "StorageUnknown"),
        ({}, {}, {"active": 0}, "StorageInactive"),
        ({}, {}, {"enabled": 0}, "StorageInactive"),
        ({}, {}, {"total": "much"}, "StorageUnknown"),
        ({"url": "https://127.0.0.1:1"}, {}, {}, "ServerUnreachable"),
    ],
)
async def test_each_refusal_has_its_own_reason(
    api: tuple[ProxmoxApi, ProxmoxSettings],
    change: dict[str, str],
    keys: dict[str, str],
    status: dict[str, object],
    reason: str,
) -> None:
    server, settings = api
    server.status |= status
    with pytest.raises(StorageFailed) as refusal:
        await fetch_space(msgspec.structs.replace(settings, **change), KEYS | keys)
    assert refusal.value.details["reason"] == reason
    assert "canary" not in f"{refusal.value} {refusal.value.next_step} {refusal.value.__cause__}"
