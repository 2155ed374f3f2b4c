"""Whether a policy's backups can be copied to the storages that it names, checked before it is written."""

from kronkeep_common.errors import InvalidPolicy, StorageFailed
from kronkeep_common.models import BackupPolicySpec, BackupStorage
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.repositories import copy_access
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_jobs import RepositoryJobs, require_serving
from kronkeep_daemon.storages.service import StorageService


class CopyChecks:
    """Checks of the copies of policies that are about to be written."""

    def __init__(self, *, storages: StorageService, repository_jobs: RepositoryJobs) -> None:
        self._storages = storages
        self._repository_jobs = repository_jobs

    def require(self, policy: BackupPolicySpec, cluster: Cluster, namespace: str) -> None:
        """Raise why one of the policy's copies could not be made.

        Raises StorageNotFound, NotAllowedNow, NamespaceNotServed, Denied, InvalidPolicy.
        """
        for number, spec in enumerate(policy.copies):
            first = self._storages.require_usable(policy.storage_id, cluster, namespace)
            second = self._storages.require_active(spec.storage_id)
            field = f"policy.copies[{number}].storage_id"
            require_serving(second, namespace, field=field)
            require_no_clash(first, second, field)
            try:
                self._repository_jobs.place_of(Repository(storage=second, source=Repository(storage=first)))
            except StorageFailed as apart:
                raise InvalidPolicy(apart.message, next_step=apart.next_step, field=field) from apart


def require_no_clash(first: BackupStorage, second: BackupStorage, field: str) -> None:
    """Raise InvalidPolicy where restic cannot be given what both storages need at once."""
    clash = copy_access.find_clash(first, second)
    if clash is not None:
        raise InvalidPolicy(
            f"restic cannot have {clash} of {first.id} and of {second.id} at once.",
            next_step="Let both storages name one Secret, with credentials that both servers accept, or make "
            "one of them a storage of the kind rclone.",
            field=field,
        )
