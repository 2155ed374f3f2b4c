"""One restic repository: a storage's own, or a policy's own in a folder below it; pure.

A policy with a key of its own, or with none, has a repository of its own, because a key opens all of a
repository. A backup keeps the policy that it was made with, and so the way to its repository, whatever
happens to the policy later.
"""

from typing import NamedTuple

from kronkeep_common.models import BackupExecution, BackupStorage, Encryption, SecretKeyRef
from kronkeep_daemon import storage_kinds
from kronkeep_daemon.history.record_ids import derive_id
from kronkeep_daemon.restic.command_line import NO_PASSWORD
from kronkeep_daemon.storage_kinds import RepositoryAccess

HOST = "kronkeep"  # with a pod's own name every file would look new (restic #4597)


class PolicyKey(NamedTuple):
    """A policy's own key, in a Secret in the namespace of its CronJob; `cluster` is the cluster's id."""

    cluster: str
    namespace: str
    ref: SecretKeyRef


class Repository(NamedTuple):
    """A repository of a storage.

    `folder` is empty for the storage's own, which opens with the storage's password; `key` is set where the
    policy has a key of its own.
    """

    storage: BackupStorage
    folder: str = ""
    key: PolicyKey | None = None
    encrypted: bool = True

    @property
    def id(self) -> str:
        """The repository's id in queues and records."""
        return f"{self.storage.id}/{self.folder}" if self.folder else self.storage.id

    @property
    def access(self) -> RepositoryAccess:
        """How a pod reaches it."""
        access = storage_kinds.access_of(self.storage)
        if self.folder:
            access = access.in_folder(self.folder)
        if not self.encrypted:
            access = access._replace(options=(*access.options, NO_PASSWORD))
        return access

    def snapshot_host(self, backup: BackupExecution) -> str:
        """Return restic's `--host` for the archives of the backup's CronJob.

        restic takes the last snapshot of the same host and paths for the parent, whose unchanged files it
        does not read again. Claims of one name in two namespaces have equal paths, so each CronJob has a host
        of its own, which its archives share. A parent given by its id (`--parent`) would make restic fail
        where somebody has removed that snapshot.
        """
        cluster = "" if backup.cluster == self.storage.cluster else f"-{backup.cluster}"
        return f"{HOST}{cluster}.{backup.namespace}.{backup.cronjob}"


def repository_of_policy(
    policy_id: str, cluster: str, namespace: str, encryption: Encryption, storage: BackupStorage
) -> Repository:
    """Return the repository of the archives of a policy in that namespace of a cluster (by its id).

    Whoever may change a CronJob chooses its policy's id, so the folder depends on the namespace too: nobody
    can take the folder of another namespace's policy.
    """
    name = f"{policy_id}-{derive_id('repository', cluster, namespace, policy_id)}"
    if not encryption.enabled:
        return Repository(storage=storage, folder=f"open-{name}", encrypted=False)
    if encryption.key is not None:
        key = PolicyKey(cluster, namespace, encryption.key)
        return Repository(storage=storage, folder=f"policy-{name}", key=key)
    return Repository(storage=storage)


def repository_of_backup(backup: BackupExecution, storage: BackupStorage) -> Repository:
    """Return the repository that has the backup's snapshots."""
    if backup.policy is None:
        return Repository(storage=storage)
    encryption = backup.policy.encryption
    policy_id = backup.snapshot_policy_id
    return repository_of_policy(policy_id, backup.cluster, backup.namespace, encryption, storage)
