"""Which restic repositories a storage has, and in which of them a backup or copy is; pure.

The storage's own is at its address and opens with its password; the others are in folders below it. By the
storage's layout a namespace or a policy has one with a password of its own, because a password opens all of a
repository. A policy with a key of its own, or with none, has one in any layout. A backup keeps its layout and
the policy that it was made with, and so the way to its repository, whatever happens to storage and policy
later.
"""

from datetime import datetime
from typing import NamedTuple

import msgspec

from kronkeep_common.bandwidth import limit_of
from kronkeep_common.models import BackupCopy, BackupExecution, BackupStorage, Encryption, SecretKeyRef
from kronkeep_common.models.storage_layout import Layout, password_secret_of_folders
from kronkeep_daemon import storage_kinds
from kronkeep_daemon.history.record_ids import derive_id
from kronkeep_daemon.repositories import copy_access
from kronkeep_daemon.restic.command_line import NO_PASSWORD
from kronkeep_daemon.storage_kinds import RepositoryAccess

COPIES = "copies-of-"  # begins the folder of a repository of copies
# What the folder of a repository begins with that has a password of its own, by layout.
_PREFIXES: dict[Layout, str] = {"namespace": "namespace-", "policy": "one-policy-"}
_HISTORY = "history-"
HOST = "kronkeep"  # with a pod's own name every file would look new (restic #4597)


class PolicyKey(NamedTuple):
    """A policy's own key, in a Secret in the namespace of its CronJob; `cluster` is the cluster's id."""

    cluster: str
    namespace: str
    ref: SecretKeyRef


class Repository(NamedTuple):
    """A repository of a storage.

    `folder` is empty for the storage's own, which opens with the storage's password; so do the others, unless
    they have a password of their own, or none. `key` is set where the policy has a key of its own. `source`
    is the repository that it gets copies from, to which a Job then has access too. `deletes` is set for Jobs
    that delete from it, which get the storage's credentials for maintenance. `other_password` is a Secret of
    kronkeep's namespace that a Job gets beside the password.
    """

    storage: BackupStorage
    folder: str = ""
    key: PolicyKey | None = None
    encrypted: bool = True
    source: "Repository | None" = None
    deletes: bool = False
    other_password: SecretKeyRef | None = None

    @property
    def id(self) -> str:
        """The repository's id in queues and records."""
        return f"{self.storage.id}/{self.folder}" if self.folder else self.storage.id

    @property
    def layout(self) -> Layout:
        """Whose archives or copies share it, as its folder says."""
        place = self.without_copies().folder if self.first_storage_id else self.folder
        layouts = (layout for layout, prefix in _PREFIXES.items() if place.startswith(prefix))
        return next(layouts, "shared")

    @property
    def is_of_history(self) -> bool:
        """Whether it has copies of a daemon's own history."""
        return self.folder.startswith(_HISTORY)

    @property
    def has_own_password(self) -> bool:
        """Whether it has a password of its own, by its folder."""
        return self.layout != "shared" or self.is_of_history

    @property
    def password(self) -> SecretKeyRef:
        """Where in kronkeep's namespace its password is, unless a policy's key opens it, or it has none."""
        if not self.has_own_password:
            return self.storage.password
        return SecretKeyRef(secret=password_secret_of_folders(self.storage.id), key=self.folder)

    @property
    def access(self) -> RepositoryAccess:
        """How a pod reaches it."""
        access = storage_kinds.access_of(self.storage)
        if self.folder:
            access = access.in_folder(self.folder)
        if not self.encrypted:
            access = access._replace(options=(*access.options, NO_PASSWORD))
        if self.source is None:
            return access
        keys = copy_access.source_keys(self.source.storage, self.storage)
        source = copy_access.as_source(self.source.access, keys)
        return copy_access.combine(access, source, encrypted=self.source.encrypted)

    @property
    def has_bandwidth(self) -> bool:
        """Whether its storage, or that of its source, limits how much of the network its Jobs take."""
        return bool(self.storage.bandwidth) or (self.source is not None and self.source.has_bandwidth)

    def limit_at(self, now: datetime) -> int | None:
        """Return how many KiB a second its Jobs may take that begin now; None for no limit."""
        limits = [limit_of(self.storage, now)]
        if self.source is not None:
            limits.append(limit_of(self.source.storage, now))
        return min((limit for limit in limits if limit is not None), default=None)

    @property
    def first_storage_id(self) -> str:
        """The id of the storage whose backups it has copies of; empty where it has none."""
        return self.folder.removeprefix(COPIES).split(".")[0] if self.folder.startswith(COPIES) else ""

    def as_copies_of(self, storage_id: str) -> "Repository":
        """Return the repository, in this one's storage, of copies from that place in another storage.

        It has a folder of its own, so that it is made with the chunks of the first and is never taken for a
        repository of backups, whose tags its snapshots have too. No storage's id has a dot.
        """
        parts = (storage_id, self.folder) if self.folder else (storage_id,)
        return self._replace(folder=COPIES + ".".join(parts))

    def without_copies(self) -> "Repository":
        """Return a repository of copies as that of the backups would be in its storage."""
        return self._replace(folder=self.folder.removeprefix(COPIES).partition(".")[2])

    def for_deleting(self) -> "Repository":
        """Return the repository for Jobs that delete from it."""
        return self._replace(deletes=True)

    def with_other_password(self, ref: SecretKeyRef) -> "Repository":
        """Return the repository for Jobs that change its keys."""
        return self._replace(other_password=ref)

    def with_source(self, source: "Repository") -> "Repository":
        """Return the repository for Jobs that copy into it from another one."""
        return self._replace(source=source)

    def snapshot_host(self, backup: BackupExecution) -> str:
        """Return restic's `--host` for the archives of the backup's CronJob.

        restic takes the last snapshot of the same host and paths for the parent, whose unchanged files it
        does not read again. Claims of one name in two namespaces have equal paths, so each CronJob has a host
        of its own, which its archives share. So it is found where the records know of no parent.
        """
        cluster = "" if backup.cluster == self.storage.cluster else f"-{backup.cluster}"
        return f"{HOST}{cluster}.{backup.namespace}.{backup.cronjob}"


def repository_in_folder(folder: str, storage: BackupStorage) -> Repository:
    """Return the repository with a password of its own in a folder of the storage."""
    return Repository(storage=storage, folder=folder)


def repository_of_history(storage: BackupStorage, archive_name: str) -> Repository:
    """Return the repository of the copies of a daemon's own history."""
    return repository_in_folder(f"{_HISTORY}{archive_name}", storage)


def repository_of_policy(
    policy_id: str,
    cluster: str,
    namespace: str,
    encryption: Encryption,
    storage: BackupStorage,
    *,
    layout: Layout | None = None,
) -> Repository:
    """Return the repository of the archives of a policy in that namespace of a cluster (by its id).

    Whoever may change a CronJob chooses its policy's id, so the folder depends on the namespace too: nobody
    can take the folder of another namespace's policy.

    layout: None for the storage's present one.
    """
    name = f"{policy_id}-{derive_id('repository', cluster, namespace, policy_id)}"
    if not encryption.enabled:
        return Repository(storage=storage, folder=f"open-{name}", encrypted=False)
    if encryption.key is not None:
        key = PolicyKey(cluster, namespace, encryption.key)
        return Repository(storage=storage, folder=f"policy-{name}", key=key)
    match layout or storage.layout:
        case "policy":
            return Repository(storage=storage, folder=f"{_PREFIXES['policy']}{name}")
        case "namespace":
            name = f"{namespace}-{derive_id('repository of namespace', cluster, namespace)}"
            return Repository(storage=storage, folder=f"{_PREFIXES['namespace']}{name}")
    return Repository(storage=storage)


def repository_of_backup(backup: BackupExecution, storage: BackupStorage) -> Repository:
    """Return the repository that has the backup's snapshots."""
    encryption = backup.policy.encryption if backup.policy is not None else Encryption()
    policy_id = backup.snapshot_policy_id
    return repository_of_policy(
        policy_id, backup.cluster, backup.namespace, encryption, storage, layout=backup.layout
    )


def repository_of_copy(backup: BackupExecution, copy: BackupCopy, storage: BackupStorage) -> Repository:
    """Return the repository of a copy, in the storage that has it, whose layout it has."""
    in_storage = msgspec.structs.replace(backup, layout=copy.layout)
    return repository_of_backup(in_storage, storage).as_copies_of(copy.from_storage_id)
