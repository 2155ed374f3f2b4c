"""Any remote of rclone, which restic runs itself (`rclone serve restic --stdio`)."""

from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage_kinds import RcloneSettings
from kronkeep_daemon.storage_kinds.access import KEYS, RepositoryAccess, StorageKind, require_keys

FILE = "rclone.conf"


def access(storage: BackupStorage, settings: RcloneSettings) -> RepositoryAccess:
    """`rclone:remote:path` with the configuration as a file."""
    environment = {"RCLONE_CONFIG": f"{KEYS}/{FILE}"}
    return RepositoryAccess(
        address=f"rclone:{settings.remote}:{settings.path}", environment=environment, secret_files=(FILE,)
    )


KIND = StorageKind(access=access, required_keys=require_keys("rclone"))
