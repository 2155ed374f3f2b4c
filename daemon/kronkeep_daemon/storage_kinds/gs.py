"""A bucket of Google Cloud Storage."""

from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage_kinds import GsSettings
from kronkeep_daemon.storage_kinds.access import KEYS, RepositoryAccess, join_path
from kronkeep_daemon.storage_kinds.kind_functions import KindFunctions

KEY_FILE = "credentials.json"


def access(storage: BackupStorage, settings: GsSettings) -> RepositoryAccess:
    """Return `gs:bucket:/prefix`, with the service account's key as a file."""
    environment = {"GOOGLE_APPLICATION_CREDENTIALS": f"{KEYS}/{KEY_FILE}"}
    if settings.project:
        environment["GOOGLE_PROJECT_ID"] = settings.project
    address = f"gs:{settings.bucket}:/{join_path(settings.prefix)}"
    return RepositoryAccess(address=address, environment=environment, secret_files=(KEY_FILE,))


KIND = KindFunctions(access=access)
