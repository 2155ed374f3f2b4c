"""Ceph: a claim of a StorageClass (CephFS, RBD), or RADOS Gateway, which speaks S3."""

from typing import Any

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage_kinds import CephSettings
from kronkeep_daemon.storage_kinds import s3
from kronkeep_daemon.storage_kinds.access import (
    MOUNT,
    RepositoryAccess,
    StorageKind,
    claim_name,
    claim_of_class,
    claim_volume,
    server_access,
)

_CLAIM = ("storage_class", "namespace", "size")
_GATEWAY = ("endpoint", "bucket")


def access(storage: BackupStorage, settings: CephSettings) -> RepositoryAccess:
    """The claim that was made for the storage, or the bucket; the gateway takes bucket names in the path."""
    if settings.storage_class:
        return RepositoryAccess(address=MOUNT, volume=claim_volume(claim_name(storage.id)))
    repository = s3.address(settings.endpoint, settings.bucket, settings.prefix)
    return server_access(storage, repository, options=("-o", "s3.bucket-lookup=path"))


def validate(settings: CephSettings) -> None:
    """Either all fields of a claim or all of a bucket, and none of the other."""
    claim = [bool(getattr(settings, name)) for name in _CLAIM]
    gateway = [bool(getattr(settings, name)) for name in _GATEWAY]
    if (all(claim) and not any(gateway) and not settings.prefix) or (all(gateway) and not any(claim)):
        return
    raise InvalidRequest(
        "A ceph storage needs storage_class, namespace and size, or else endpoint and bucket.",
        field="settings",
    )


def claim(name: str, settings: CephSettings) -> dict[str, Any] | None:
    """The claim of the StorageClass; none for the gateway."""
    if not settings.storage_class:
        return None
    return claim_of_class(name, settings.storage_class, settings.size, settings.access_mode)


def _required(settings: CephSettings) -> tuple[str, ...]:
    return ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY") if settings.endpoint else ()


KIND = StorageKind(
    access=access,
    required_keys=_required,
    validate=validate,
    claim=claim,
    namespace=lambda settings: str(settings.namespace),
)
