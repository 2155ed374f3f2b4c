"""A bucket of Backblaze B2."""

from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage_kinds import B2Settings
from kronkeep_daemon.storage_kinds.access import (
    RepositoryAccess,
    StorageKind,
    join_path,
    require_keys,
    server_access,
)


def access(storage: BackupStorage, settings: B2Settings) -> RepositoryAccess:
    """`b2:bucket:prefix`."""
    return server_access(storage, f"b2:{settings.bucket}:{join_path(settings.prefix)}")


KIND = StorageKind(access=access, required_keys=require_keys("b2"))
