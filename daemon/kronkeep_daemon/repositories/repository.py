"""One restic repository: a storage's own, or a policy's own in a folder below it; pure.

A policy has its own repository when it has its own key, or none: the key opens the whole of a repository,
so policies with different keys cannot share one. A backup keeps the policy it ran under, and with it the way
to its repository, whatever becomes of the policy.
"""

from typing import NamedTuple

from kronkeep_common.models import BackupExecution, BackupStorage, Encryption, SecretKeyRef
from kronkeep_daemon import storage_kinds
from kronkeep_daemon.restic.command_line import NO_PASSWORD
from kronkeep_daemon.storage_kinds import RepositoryAccess

HOST = "kronkeep"  # with a pod's own name every file would look new (restic #4597)


class PolicyKey(NamedTuple):
    """A policy's own key: the Secret beside its CronJob."""

    cluster: str
    namespace: str
    ref: SecretKeyRef


class Repository(NamedTuple):
    """`folder` is empty for the storage's own, whose key is the storage's password."""

    storage: BackupStorage
    folder: str = ""
    key: PolicyKey | None = None
    encrypted: bool = True

    @property
    def id(self) -> str:
        """What the queue and the records call it."""
        return f"{self.storage.id}/{self.folder}" if self.folder else self.storage.id

    @property
    def access(self) -> RepositoryAccess:
        """How a pod reaches it."""
        place = storage_kinds.access_of(self.storage)
        if self.folder:
            place = place.in_folder(self.folder)
        if not self.encrypted:
            place = place._replace(options=(*place.options, NO_PASSWORD))
        return place

    def snapshot_host(self, cluster_id: str) -> str:
        """Return restic's `--host` for archives made in that cluster.

        It must not change, for restic takes the last snapshot of the same host and paths for the parent. A
        storage may be used from other clusters with equal paths, so theirs have hosts of their own.
        """
        return HOST if cluster_id == self.storage.cluster else f"{HOST}-{cluster_id[:8]}"


def repository_of(where: BackupStorage | Repository) -> Repository:
    """The storage's own repository, or the one that is given."""
    return where if isinstance(where, Repository) else Repository(storage=where)


def repository_of_policy(
    policy_id: str, cluster: str, namespace: str, encryption: Encryption, storage: BackupStorage
) -> Repository:
    """Where a policy of that cluster and namespace keeps its archives."""
    if not encryption.enabled:
        return Repository(storage=storage, folder=f"open-{policy_id}", encrypted=False)
    if encryption.key is not None:
        return Repository(
            storage=storage, folder=f"policy-{policy_id}", key=PolicyKey(cluster, namespace, encryption.key)
        )
    return Repository(storage=storage)


def repository_of_backup(backup: BackupExecution, storage: BackupStorage) -> Repository:
    """Where a backup's snapshots are."""
    if backup.policy is None:
        return Repository(storage=storage)
    encryption = backup.policy.encryption
    return repository_of_policy(backup.policy_id, backup.cluster, backup.namespace, encryption, storage)
