"""A folder of the nodes, as a hostPath volume."""

from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage_kinds import LocalSettings
from kronkeep_daemon.storage_kinds.access import MOUNT, Kind, Place, required


def place(storage: BackupStorage, settings: LocalSettings) -> Place:
    """The folder, made if it is not there."""
    volume = {"hostPath": {"path": settings.path, "type": "DirectoryOrCreate"}}
    return Place(repository=MOUNT, volume=volume, node=settings.node)


KIND = Kind(place=place, required=required("local"))
