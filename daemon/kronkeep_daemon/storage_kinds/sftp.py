"""A folder of a machine with OpenSSH."""

from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage_kinds import SftpSettings
from kronkeep_daemon.storage_kinds.access import KEYS, RepositoryAccess
from kronkeep_daemon.storage_kinds.kind_functions import KindFunctions


def access(storage: BackupStorage, settings: SftpSettings) -> RepositoryAccess:
    """Return `sftp:user@host:/path` with restic's option sftp.command.

    ssh reads no configuration, asks nothing, uses only the key that it is given, and refuses a machine whose
    key is not in known_hosts. restic 0.14 loses about half of ssh's error messages, so ssh is also run alone.
    """
    options = (
        f"IdentityFile={KEYS}/ssh-privatekey",
        "IdentitiesOnly=yes",
        f"UserKnownHostsFile={KEYS}/known_hosts",
        "StrictHostKeyChecking=yes",
        "BatchMode=yes",
        "ConnectTimeout=20",
        "ServerAliveInterval=30",
    )
    command = ["ssh", "-F", "none", "-p", str(settings.port)]
    for option in options:
        command += ["-o", option]
    command += ["-l", settings.user, settings.host, "-s", "sftp"]
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return RepositoryAccess(
        address=f"sftp:{settings.user}@{host}:{settings.path}",
        options=("-o", f"sftp.command={' '.join(command)}"),
        secret_files=("ssh-privatekey", "known_hosts"),
        connection_test=tuple(command),
    )


KIND = KindFunctions(access=access)
