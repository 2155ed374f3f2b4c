"""Any remote of rclone, which restic runs itself (`rclone serve restic --stdio`)."""

from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage_kinds import RcloneSettings
from kronkeep_daemon.storage_kinds.access import KEYS, Kind, Place, required

FILE = "rclone.conf"


def place(storage: BackupStorage, settings: RcloneSettings) -> Place:
    """`rclone:remote:path` with the configuration as a file."""
    environment = {"RCLONE_CONFIG": f"{KEYS}/{FILE}"}
    return Place(
        repository=f"rclone:{settings.remote}:{settings.path}", environment=environment, secret_files=(FILE,)
    )


KIND = Kind(place=place, required=required("rclone"))
