"""What one backup archives: its CronJob, policy, repository and claims, resolved from its record."""

from typing import NamedTuple

from kronkeep_common.errors import InvalidPolicy, PolicyNotFound
from kronkeep_common.models import BackupExecution, BackupPolicy
from kronkeep_daemon.backups import policy_annotations
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.cronjobs.cronjob_manifests import claims_of
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.objects import CronJobObject, CronJobRef
from kronkeep_daemon.repositories import repository as repositories
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.storages.service import StorageService


class ArchiveInputs(NamedTuple):
    """What a backup archives, and on which cluster; `claims` names the claims that it reads."""

    cluster: Cluster
    cronjob: CronJobObject
    policy: BackupPolicy
    repository: Repository
    claims: tuple[str, ...]


class ArchiveInputsResolver:
    """Resolver of a backup's record to what it archives."""

    def __init__(self, *, cronjobs: CronJobService, storages: StorageService) -> None:
        self._cronjobs = cronjobs
        self._storages = storages

    def resolve(self, backup: BackupExecution) -> ArchiveInputs:
        """Return what the backup archives, by the policy as it was when the backup was recorded.

        Raises CronJobNotFound, PolicyNotFound, StorageNotFound, NotAllowedNow, Denied or InvalidPolicy.
        """
        cronjob = self._cronjobs.find(CronJobRef.of(backup))
        policy = backup.policy or policy_annotations.read_policy(cronjob).policy
        if policy is None:
            raise PolicyNotFound(f"{backup.namespace}/{backup.cronjob} has no backup policy any more.")
        cluster = self._cronjobs.clusters.of(backup.cluster)
        storage = self._storages.require_usable(backup.storage_id, cluster, backup.namespace)
        repository = repositories.repository_of_policy(
            policy.id, cluster.id, backup.namespace, policy.encryption, storage
        )
        return ArchiveInputs(
            cluster=cluster,
            cronjob=cronjob,
            policy=policy,
            repository=repository,
            claims=claims_to_archive(policy, cronjob),
        )


def claims_to_archive(policy: BackupPolicy, cronjob: CronJobObject) -> tuple[str, ...]:
    """Return the claims to archive; raises InvalidPolicy where nothing at all would be archived."""
    if not policy.include.volumes:
        return ()
    claims = tuple(source.claim for source in policy.source.claims) or claims_of(cronjob)
    if not claims and not policy.include.configuration and policy.include.database is None:
        raise InvalidPolicy(
            "There is nothing to archive: the CronJob mounts no claim and the policy names none.",
            next_step="Name a claim in the policy's source.",
        )
    return claims
