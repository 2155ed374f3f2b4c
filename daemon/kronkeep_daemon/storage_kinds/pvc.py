"""A PersistentVolumeClaim that is there already."""

from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage_kinds import PvcSettings
from kronkeep_daemon.storage_kinds.access import MOUNT, Kind, Place, claim_volume, required


def place(storage: BackupStorage, settings: PvcSettings) -> Place:
    """The claim's root."""
    return Place(repository=MOUNT, volume=claim_volume(settings.claim))


KIND = Kind(place=place, required=required("pvc"), namespace=lambda settings: str(settings.namespace))
