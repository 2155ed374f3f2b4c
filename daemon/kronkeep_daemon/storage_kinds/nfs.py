"""A folder of an NFS server, mounted by the kubelet."""

from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage_kinds import NfsSettings
from kronkeep_daemon.storage_kinds.access import MOUNT, RepositoryAccess, StorageKind, require_keys


def access(storage: BackupStorage, settings: NfsSettings) -> RepositoryAccess:
    """The exported folder."""
    return RepositoryAccess(address=MOUNT, volume={"nfs": {"server": settings.server, "path": settings.path}})


KIND = StorageKind(access=access, required_keys=require_keys("nfs"))
