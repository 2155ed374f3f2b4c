"""A claim on a storage of Proxmox VE, whose API says how much space that storage has.

The claim uses the StorageClass that the Proxmox CSI plugin has for the storage. The API's certificate is
pinned by its SHA-256 fingerprint, as Proxmox VE's own clients do, since it usually signs itself.
"""

import asyncio
import hashlib
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from kronkeep_common.errors import StorageFailed
from kronkeep_common.foreign_packages import import_httpx
from kronkeep_common.json_decoding import decode_or_none
from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage_kinds import ProxmoxSettings
from kronkeep_common.reasons import Reason
from kronkeep_common.text import clean
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.storage_kinds.access import (
    MOUNT,
    RepositoryAccess,
    claim_name,
    claim_of_class,
    claim_volume,
)
from kronkeep_daemon.storage_kinds.kind_functions import (
    Credentials,
    KindFunctions,
    StorageSpace,
    claim_namespace,
)

if TYPE_CHECKING:
    import httpx

TIMEOUT_SECONDS = 15.0
DEFAULT_PORT = 8006


class _ProxmoxStorage(msgspec.Struct, kw_only=True):
    """What GET /nodes/{node}/storage/{storage}/status answers (Proxmox VE 7 and 8); sizes in bytes."""

    total: int = 0
    avail: int = 0
    active: int | bool = 0
    enabled: int | bool = 1


class _ProxmoxResponse(msgspec.Struct):
    data: _ProxmoxStorage | None = None


def access(storage: BackupStorage, settings: ProxmoxSettings) -> RepositoryAccess:
    """Return the claim that was created for the storage."""
    return RepositoryAccess(address=MOUNT, volume=claim_volume(claim_name(storage.id)))


def claim(storage_id: str, settings: ProxmoxSettings) -> JsonObject:
    """Return the claim of the storage's StorageClass."""
    return claim_of_class(storage_id, settings.storage_class, settings.size, settings.access_mode)


async def fetch_space(settings: ProxmoxSettings, credentials: Credentials) -> StorageSpace:
    """Return the space of the storage from the API; raise StorageFailed, also where it is not active."""
    context = await asyncio.to_thread(_create_pinned_context, settings)
    token = f"PVEAPIToken={credentials['PROXMOX_TOKEN_ID']}={credentials['PROXMOX_TOKEN_SECRET']}"
    url = f"{settings.url}/api2/json/nodes/{settings.node}/storage/{settings.storage}/status"
    httpx = import_httpx()
    try:
        async with httpx.AsyncClient(verify=context, timeout=TIMEOUT_SECONDS, trust_env=False) as client:
            response = await client.get(url, headers={"Authorization": token})
    except (httpx.HTTPError, OSError) as fault:
        raise _unreachable(settings, str(fault) or type(fault).__name__) from fault
    return _space_of(settings, _parse(settings, response))


def _parse(settings: ProxmoxSettings, response: "httpx.Response") -> _ProxmoxStorage:
    if response.status_code in (401, 403):
        raise StorageFailed(
            f"Proxmox VE refuses the API token ({response.status_code}).",
            next_step="Correct the token in the Secret, or give it the role PVEDatastoreUser on the storage.",
            reason=Reason.CREDENTIALS_REFUSED,
        )
    parsed = decode_or_none(response.content, _ProxmoxResponse)
    if response.status_code != 200 or parsed is None or parsed.data is None:
        name = f"{settings.node}/{settings.storage}"
        raise StorageFailed(
            f"Proxmox VE does not know the storage {name}: {clean(response.reason_phrase, 200)}.",
            next_step="Correct node and storage (pvesm status lists them).",
            reason=Reason.STORAGE_UNKNOWN,
        )
    return parsed.data


def _space_of(settings: ProxmoxSettings, storage: _ProxmoxStorage) -> StorageSpace:
    if not storage.enabled or not storage.active:
        state = "not active" if storage.enabled else "disabled"
        raise StorageFailed(
            f"The Proxmox VE storage {settings.node}/{settings.storage} is {state}.",
            next_step="Look at it with pvesm status.",
            reason=Reason.STORAGE_INACTIVE,
        )
    return StorageSpace(storage.total, storage.avail)


def _create_pinned_context(settings: ProxmoxSettings) -> ssl.SSLContext:
    """Return a TLS context that trusts only the certificate with the fingerprint; raise StorageFailed."""
    parts = urlsplit(settings.url)
    address = (parts.hostname or "", parts.port or DEFAULT_PORT)
    try:
        pem = ssl.get_server_certificate(address, timeout=TIMEOUT_SECONDS)
    except (OSError, ValueError) as fault:
        raise _unreachable(settings, str(fault) or type(fault).__name__) from fault
    fingerprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
    if fingerprint != settings.fingerprint.replace(":", "").lower():
        raise StorageFailed(
            "The Proxmox VE API shows another certificate than the one that is pinned.",
            next_step="Compare it with pvenode cert info; change the fingerprint only if it was renewed.",
            reason=Reason.CERTIFICATE_REFUSED,
        )
    context = ssl.create_default_context(cadata=pem)
    context.check_hostname = False  # the pinned certificate is the identity
    # The certificate that the server shows is trusted itself, although it is not a root certificate.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # whatever Python 3.13 misses in it
    return context


def _unreachable(settings: ProxmoxSettings, why: str) -> StorageFailed:
    return StorageFailed(
        f"The Proxmox VE API at {settings.url} does not answer: {clean(why, 200)}.",
        next_step="Check the address and the network between.",
        reason=Reason.SERVER_UNREACHABLE,
    )


KIND = KindFunctions(access=access, claim=claim, namespace=claim_namespace, fetch_space=fetch_space)
