"""A container of Azure Blob Storage."""

from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage_kinds import AzureSettings
from kronkeep_daemon.storage_kinds.access import RepositoryAccess, join_path, server_access
from kronkeep_daemon.storage_kinds.kind_functions import KindFunctions


def access(storage: BackupStorage, settings: AzureSettings) -> RepositoryAccess:
    """Return `azure:container:/prefix`; AZURE_ENDPOINT_SUFFIX is read by restic 0.15 and later."""
    environment = {"AZURE_ENDPOINT_SUFFIX": settings.endpoint_suffix}
    address = f"azure:{settings.container}:/{join_path(settings.prefix)}"
    return server_access(storage, address, environment=environment)


KIND = KindFunctions(access=access)
