"""A folder of an NFS server, mounted by the kubelet."""

from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage_kinds import NfsSettings
from kronkeep_daemon.storage_kinds.access import MOUNT, Kind, Place, required


def place(storage: BackupStorage, settings: NfsSettings) -> Place:
    """The exported folder."""
    return Place(repository=MOUNT, volume={"nfs": {"server": settings.server, "path": settings.path}})


KIND = Kind(place=place, required=required("nfs"))
