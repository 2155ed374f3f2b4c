"""A bucket of Google Cloud Storage."""

from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage_kinds import GsSettings
from kronkeep_daemon.storage_kinds.access import KEYS, Kind, Place, joined, required

FILE = "credentials.json"


def place(storage: BackupStorage, settings: GsSettings) -> Place:
    """`gs:bucket:/prefix`, the service account's key as a file."""
    environment = {"GOOGLE_APPLICATION_CREDENTIALS": f"{KEYS}/{FILE}"}
    if settings.project:
        environment["GOOGLE_PROJECT_ID"] = settings.project
    repository = f"gs:{settings.bucket}:/{joined(settings.prefix)}"
    return Place(repository=repository, environment=environment, secret_files=(FILE,))


KIND = Kind(place=place, required=required("gs"))
