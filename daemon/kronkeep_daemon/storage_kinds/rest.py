"""A restic rest-server, or rclone serve restic."""

from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage_kinds import RestSettings
from kronkeep_daemon.storage_kinds.access import RepositoryAccess, StorageKind, require_keys, server_access

USER = "RESTIC_REST_USERNAME"
PASSWORD = "RESTIC_REST_PASSWORD"  # noqa: S105 (the name of a variable)


def access(storage: BackupStorage, settings: RestSettings) -> RepositoryAccess:
    """`rest:https://user:password@host/path/`, user and password filled in by the kubelet (`$(NAME)`).

    restic reads those variables by itself from 0.17 on; in the address every version takes them.
    """
    scheme, _, rest = settings.url.partition("://")
    known = USER in storage.credential_keys and PASSWORD in storage.credential_keys
    user = f"$({USER}):$({PASSWORD})@" if known else ""
    return server_access(storage, f"rest:{scheme}://{user}{rest.rstrip('/')}/")


KIND = StorageKind(
    access=access, required_keys=require_keys("rest"), url_quoted_keys=frozenset({USER, PASSWORD})
)
