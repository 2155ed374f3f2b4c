"""A bucket of Amazon S3, or of a server that speaks S3."""

from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage_kinds import S3Settings
from kronkeep_daemon.storage_kinds.access import RepositoryAccess, join_path, server_access
from kronkeep_daemon.storage_kinds.kind_functions import KindFunctions


def access(storage: BackupStorage, settings: S3Settings) -> RepositoryAccess:
    """Return `s3:https://host/bucket/prefix` with restic's options s3.region and s3.bucket-lookup."""
    options: tuple[str, ...] = ()
    if settings.region:
        options += ("-o", f"s3.region={settings.region}")
    if settings.bucket_lookup != "auto":
        options += ("-o", f"s3.bucket-lookup={settings.bucket_lookup}")
    address = bucket_address(settings.endpoint, settings.bucket, settings.prefix)
    return server_access(storage, address, options=options)


def bucket_address(endpoint: str, bucket: str, prefix: str) -> str:
    """Return restic's address of a bucket."""
    return f"s3:{endpoint.rstrip('/')}/{join_path(bucket, prefix)}"


KIND = KindFunctions(access=access)
