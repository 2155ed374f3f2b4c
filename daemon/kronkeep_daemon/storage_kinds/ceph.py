"""Ceph: a claim of a StorageClass (CephFS, RBD), or RADOS Gateway, which speaks S3."""

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage_kinds import CephSettings
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.storage_kinds import s3
from kronkeep_daemon.storage_kinds.access import (
    MOUNT,
    RepositoryAccess,
    claim_name,
    claim_of_class,
    claim_volume,
    server_access,
)
from kronkeep_daemon.storage_kinds.kind_functions import KindFunctions, claim_namespace

_CLAIM_FIELDS = ("storage_class", "namespace", "size")
_GATEWAY_FIELDS = ("endpoint", "bucket")


def access(storage: BackupStorage, settings: CephSettings) -> RepositoryAccess:
    """Return the claim that was created for the storage, or the bucket of the gateway.

    The gateway takes the bucket's name in the path, not in the host name.
    """
    if settings.storage_class:
        return RepositoryAccess(address=MOUNT, volume=claim_volume(claim_name(storage.id)))
    address = s3.bucket_address(settings.endpoint, settings.bucket, settings.prefix)
    return server_access(storage, address, options=("-o", "s3.bucket-lookup=path"))


def validate(settings: CephSettings) -> None:
    """Raise InvalidRequest unless all fields of a claim or all of a bucket are set, and none of the other."""
    claim = [bool(getattr(settings, name)) for name in _CLAIM_FIELDS]
    gateway = [bool(getattr(settings, name)) for name in _GATEWAY_FIELDS]
    if (all(claim) and not any(gateway) and not settings.prefix) or (all(gateway) and not any(claim)):
        return
    raise InvalidRequest(
        "A ceph storage needs storage_class, namespace and size, or else endpoint and bucket.",
        field="settings",
    )


def claim(storage_id: str, settings: CephSettings) -> JsonObject | None:
    """Return the claim of the StorageClass; None for the gateway."""
    if not settings.storage_class:
        return None
    return claim_of_class(storage_id, settings.storage_class, settings.size, settings.access_mode)


def mandatory_keys(settings: CephSettings) -> tuple[str, ...]:
    """Return the gateway's keys; a claim needs none."""
    return ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY") if settings.endpoint else ()


KIND = KindFunctions(
    access=access,
    validate=validate,
    mandatory_keys=mandatory_keys,
    claim=claim,
    namespace=claim_namespace,
)
