"""A container of Azure Blob Storage."""

from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage_kinds import AzureSettings
from kronkeep_daemon.storage_kinds.access import (
    RepositoryAccess,
    StorageKind,
    join_path,
    require_keys,
    server_access,
)


def access(storage: BackupStorage, settings: AzureSettings) -> RepositoryAccess:
    """`azure:container:/prefix`; AZURE_ENDPOINT_SUFFIX is read from restic 0.15 on."""
    environment = {"AZURE_ENDPOINT_SUFFIX": settings.endpoint_suffix}
    repository = f"azure:{settings.container}:/{join_path(settings.prefix)}"
    return server_access(storage, repository, environment=environment)


KIND = StorageKind(access=access, required_keys=require_keys("azure"))
