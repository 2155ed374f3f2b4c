"""Any remote of rclone, which restic runs itself (`rclone serve restic --stdio`)."""

from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage_kinds import RcloneSettings
from kronkeep_daemon.storage_kinds.access import KEYS, RepositoryAccess
from kronkeep_daemon.storage_kinds.kind_functions import KindFunctions

CONFIGURATION = "rclone.conf"


def access(storage: BackupStorage, settings: RcloneSettings) -> RepositoryAccess:
    """Return `rclone:remote:path`, with rclone's configuration as a file."""
    return RepositoryAccess(
        address=f"rclone:{settings.remote}:{settings.path}",
        environment={"RCLONE_CONFIG": f"{KEYS}/{CONFIGURATION}"},
        secret_files=(CONFIGURATION,),
    )


KIND = KindFunctions(access=access)
