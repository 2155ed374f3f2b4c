"""A bucket of Backblaze B2."""

from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage_kinds import B2Settings
from kronkeep_daemon.storage_kinds.access import Kind, Place, cloud, joined, required


def place(storage: BackupStorage, settings: B2Settings) -> Place:
    """`b2:bucket:prefix`."""
    return cloud(storage, f"b2:{settings.bucket}:{joined(settings.prefix)}")


KIND = Kind(place=place, required=required("b2"))
