"""A folder of the nodes, as a hostPath volume."""

from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage_kinds import LocalSettings
from kronkeep_daemon.storage_kinds.access import MOUNT, RepositoryAccess, StorageKind, require_keys


def access(storage: BackupStorage, settings: LocalSettings) -> RepositoryAccess:
    """The folder, made if it is not there."""
    volume = {"hostPath": {"path": settings.path, "type": "DirectoryOrCreate"}}
    return RepositoryAccess(address=MOUNT, volume=volume, node=settings.node)


KIND = StorageKind(access=access, required_keys=require_keys("local"))
