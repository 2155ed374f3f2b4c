"""A bucket of Google Cloud Storage."""

from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage_kinds import GsSettings
from kronkeep_daemon.storage_kinds.access import KEYS, RepositoryAccess, StorageKind, join_path, require_keys

FILE = "credentials.json"


def access(storage: BackupStorage, settings: GsSettings) -> RepositoryAccess:
    """`gs:bucket:/prefix`, the service account's key as a file."""
    environment = {"GOOGLE_APPLICATION_CREDENTIALS": f"{KEYS}/{FILE}"}
    if settings.project:
        environment["GOOGLE_PROJECT_ID"] = settings.project
    repository = f"gs:{settings.bucket}:/{join_path(settings.prefix)}"
    return RepositoryAccess(address=repository, environment=environment, secret_files=(FILE,))


KIND = StorageKind(access=access, required_keys=require_keys("gs"))
