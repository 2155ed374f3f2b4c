"""A container of Azure Blob Storage."""

from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage_kinds import AzureSettings
from kronkeep_daemon.storage_kinds.access import Kind, Place, cloud, joined, required


def place(storage: BackupStorage, settings: AzureSettings) -> Place:
    """`azure:container:/prefix`; AZURE_ENDPOINT_SUFFIX is read from restic 0.15 on."""
    environment = {"AZURE_ENDPOINT_SUFFIX": settings.endpoint_suffix}
    repository = f"azure:{settings.container}:/{joined(settings.prefix)}"
    return cloud(storage, repository, environment=environment)


KIND = Kind(place=place, required=required("azure"))
