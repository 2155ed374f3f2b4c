"""A bucket of Amazon S3, or of a server that speaks S3."""

from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage_kinds import S3Settings
from kronkeep_daemon.storage_kinds.access import (
    RepositoryAccess,
    StorageKind,
    join_path,
    require_keys,
    server_access,
)


def access(storage: BackupStorage, settings: S3Settings) -> RepositoryAccess:
    """`s3:https://host/bucket/prefix` with restic's options s3.region and s3.bucket-lookup."""
    options: tuple[str, ...] = ()
    if settings.region:
        options += ("-o", f"s3.region={settings.region}")
    if settings.bucket_lookup != "auto":
        options += ("-o", f"s3.bucket-lookup={settings.bucket_lookup}")
    return server_access(
        storage, address(settings.endpoint, settings.bucket, settings.prefix), options=options
    )


def address(endpoint: str, bucket: str, prefix: str) -> str:
    """restic's address of a bucket."""
    return f"s3:{endpoint.rstrip('/')}/{join_path(bucket, prefix)}"


KIND = StorageKind(access=access, required_keys=require_keys("s3"))
