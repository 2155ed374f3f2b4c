"""A folder of an NFS server, mounted by the kubelet."""

from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage_kinds import NfsSettings
from kronkeep_daemon.storage_kinds.access import MOUNT, RepositoryAccess
from kronkeep_daemon.storage_kinds.kind_functions import KindFunctions


def access(storage: BackupStorage, settings: NfsSettings) -> RepositoryAccess:
    """Return the exported folder."""
    volume = {"nfs": {"server": settings.server, "path": settings.path}}
    return RepositoryAccess(address=MOUNT, volume=volume)


KIND = KindFunctions(access=access)
