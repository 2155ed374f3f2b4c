"""A folder of the nodes, as a hostPath volume."""

from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage_kinds import LocalSettings
from kronkeep_daemon.storage_kinds.access import MOUNT, RepositoryAccess
from kronkeep_daemon.storage_kinds.kind_functions import KindFunctions


def access(storage: BackupStorage, settings: LocalSettings) -> RepositoryAccess:
    """Return the folder, which the kubelet creates where it is missing."""
    volume = {"hostPath": {"path": settings.path, "type": "DirectoryOrCreate"}}
    return RepositoryAccess(address=MOUNT, volume=volume, node=settings.node)


KIND = KindFunctions(access=access)
