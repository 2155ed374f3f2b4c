"""A bucket of Backblaze B2."""

from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage_kinds import B2Settings
from kronkeep_daemon.storage_kinds.access import RepositoryAccess, join_path, server_access
from kronkeep_daemon.storage_kinds.kind_functions import KindFunctions


def access(storage: BackupStorage, settings: B2Settings) -> RepositoryAccess:
    """Return the bucket as `b2:bucket:prefix`."""
    return server_access(storage, f"b2:{settings.bucket}:{join_path(settings.prefix)}")


KIND = KindFunctions(access=access)
