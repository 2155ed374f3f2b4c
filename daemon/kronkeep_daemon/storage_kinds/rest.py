"""A rest-server of restic, or `rclone serve restic`."""

from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage_kinds import RestSettings
from kronkeep_daemon.storage_kinds.access import RepositoryAccess, server_access
from kronkeep_daemon.storage_kinds.kind_functions import KindFunctions

USER = "RESTIC_REST_USERNAME"
PASSWORD = "RESTIC_REST_PASSWORD"  # noqa: S105 (the name of a variable)


def access(storage: BackupStorage, settings: RestSettings) -> RepositoryAccess:
    """Return `rest:https://user:password@host/path/`; the kubelet fills in the variables (`$(NAME)`).

    restic reads those variables itself from 0.17 on; in the address every version takes them.
    """
    scheme, _, rest = settings.url.partition("://")
    has_user = USER in storage.credential_keys and PASSWORD in storage.credential_keys
    user = f"$({USER}):$({PASSWORD})@" if has_user else ""
    return server_access(storage, f"rest:{scheme}://{user}{rest.rstrip('/')}/")


KIND = KindFunctions(access=access, url_quoted_keys=frozenset({USER, PASSWORD}))
