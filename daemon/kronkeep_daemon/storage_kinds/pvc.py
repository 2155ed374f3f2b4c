"""A PersistentVolumeClaim that is there already."""

from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage_kinds import PvcSettings
from kronkeep_daemon.storage_kinds.access import (
    MOUNT,
    RepositoryAccess,
    StorageKind,
    claim_volume,
    require_keys,
)


def access(storage: BackupStorage, settings: PvcSettings) -> RepositoryAccess:
    """The claim's root."""
    return RepositoryAccess(address=MOUNT, volume=claim_volume(settings.claim))


KIND = StorageKind(
    access=access, required_keys=require_keys("pvc"), namespace=lambda settings: str(settings.namespace)
)
