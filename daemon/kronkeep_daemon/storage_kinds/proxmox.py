"""A claim on a storage of Proxmox VE, whose API tells what that storage has.

The claim goes through the StorageClass that the Proxmox CSI plugin has for the storage. The API's certificate
is pinned by its SHA-256 fingerprint, as Proxmox VE's own clients do, since it usually signs itself.
"""

import asyncio
import hashlib
import ssl
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from kronkeep_common.errors import StorageFailed
from kronkeep_common.json_decoding import decoded
from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage_kinds import ProxmoxSettings
from kronkeep_common.reasons import Reason
from kronkeep_common.text import clean
from kronkeep_daemon.storage_kinds.access import (
    MOUNT,
    RepositoryAccess,
    Secrets,
    StorageKind,
    StorageSpace,
    claim_name,
    claim_of_class,
    claim_volume,
    require_keys,
)

SECONDS = 15.0


class _Status(msgspec.Struct, kw_only=True):
    """What GET /nodes/{node}/storage/{storage}/status answers (Proxmox VE 7 and 8); sizes in bytes."""

    total: int = 0
    avail: int = 0
    active: int | bool = 0
    enabled: int | bool = 1


class _Answer(msgspec.Struct):
    data: _Status | None = None


def access(storage: BackupStorage, settings: ProxmoxSettings) -> RepositoryAccess:
    """The claim that was made for the storage."""
    return RepositoryAccess(address=MOUNT, volume=claim_volume(claim_name(storage.id)))


def claim(name: str, settings: ProxmoxSettings) -> dict[str, Any]:
    """The claim of the storage's StorageClass."""
    return claim_of_class(name, settings.storage_class, settings.size, settings.access_mode)


async def space(settings: ProxmoxSettings, secrets: Secrets) -> StorageSpace:
    """What the storage has, from the API; raises StorageFailed, also where it is not active."""
    context = await asyncio.to_thread(_pinned, settings)
    token = f"PVEAPIToken={secrets['PROXMOX_TOKEN_ID']}={secrets['PROXMOX_TOKEN_SECRET']}"
    path = f"{settings.url}/api2/json/nodes/{settings.node}/storage/{settings.storage}/status"
    try:
        async with httpx.AsyncClient(verify=context, timeout=SECONDS, trust_env=False) as client:
            answer = await client.get(path, headers={"Authorization": token})
    except (httpx.HTTPError, OSError) as fault:
        raise _unreachable(settings, str(fault) or type(fault).__name__) from fault
    return _space(settings, _read(settings, answer))


def _read(settings: ProxmoxSettings, answer: httpx.Response) -> _Status:
    where = f"{settings.node}/{settings.storage}"
    if answer.status_code in (401, 403):
        raise StorageFailed(
            f"Proxmox VE refuses the API token ({answer.status_code}).",
            next_step="Correct the token in the Secret, or give it the role PVEDatastoreUser on the storage.",
            reason=Reason.CREDENTIALS_REFUSED,
        )
    found = (decoded(answer.content, _Answer) or _Answer()).data
    if answer.status_code != 200 or found is None:
        raise StorageFailed(
            f"Proxmox VE does not know the storage {where}: {clean(answer.reason_phrase, 200)}.",
            next_step="Correct node and storage (pvesm status lists them).",
            reason=Reason.STORAGE_UNKNOWN,
        )
    return found


def _space(settings: ProxmoxSettings, found: _Status) -> StorageSpace:
    if not found.enabled or not found.active:
        word = "not active" if found.enabled else "disabled"
        raise StorageFailed(
            f"The Proxmox VE storage {settings.node}/{settings.storage} is {word}.",
            next_step="Look at it with pvesm status.",
            reason=Reason.STORAGE_INACTIVE,
        )
    return StorageSpace(found.total, found.avail)


def _pinned(settings: ProxmoxSettings) -> ssl.SSLContext:
    """A context that trusts exactly the certificate with the fingerprint; raises StorageFailed."""
    parts = urlsplit(settings.url)
    try:
        pem = ssl.get_server_certificate((parts.hostname or "", parts.port or 8006), timeout=SECONDS)
    except (OSError, ValueError) as fault:
        raise _unreachable(settings, str(fault) or type(fault).__name__) from fault
    found = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
    if found != settings.fingerprint.replace(":", "").lower():
        raise StorageFailed(
            "The Proxmox VE API shows another certificate than the one that is pinned.",
            next_step="Compare it with pvenode cert info; change the fingerprint only if it was renewed.",
            reason=Reason.CERTIFICATE_REFUSED,
        )
    context = ssl.create_default_context(cadata=pem)
    context.check_hostname = False  # the pinned certificate is the identity
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _unreachable(settings: ProxmoxSettings, why: str) -> StorageFailed:
    return StorageFailed(
        f"The Proxmox VE API at {settings.url} does not answer: {clean(why, 200)}.",
        next_step="Check the address and the network between.",
        reason=Reason.SERVER_UNREACHABLE,
    )


KIND = StorageKind(
    access=access,
    required_keys=require_keys("proxmox"),
    claim=claim,
    namespace=lambda settings: str(settings.namespace),
    space=space,
)
