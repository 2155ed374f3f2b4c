"""A PersistentVolumeClaim that exists already."""

from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage_kinds import PvcSettings
from kronkeep_daemon.storage_kinds.access import MOUNT, RepositoryAccess, claim_volume
from kronkeep_daemon.storage_kinds.kind_functions import KindFunctions, claim_namespace


def access(storage: BackupStorage, settings: PvcSettings) -> RepositoryAccess:
    """Return the claim's root folder."""
    return RepositoryAccess(address=MOUNT, volume=claim_volume(settings.claim))


KIND = KindFunctions(access=access, namespace=claim_namespace)
