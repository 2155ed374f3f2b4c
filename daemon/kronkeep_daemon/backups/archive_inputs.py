"""What one backup archives: its CronJob, policy, repository and claims, resolved from its record."""

from typing import NamedTuple

from kronkeep_common import archive_contents
from kronkeep_common.errors import NothingToArchive, PolicyNotFound
from kronkeep_common.models import BackupExecution, BackupPolicy, UnarchivedVolume
from kronkeep_daemon.backups import policy_annotations
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.cronjobs.pod_volumes import list_mounted_volumes
from kronkeep_daemon.history import History
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.objects import CronJobRef
from kronkeep_daemon.kube.subjects import PolicySubject
from kronkeep_daemon.repositories import repository as repositories
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.storages.service import StorageService


class ArchiveInputs(NamedTuple):
    """What a backup archives, and on which cluster.

    `claims` names the claims that it reads, `unarchived` what the CronJob mounts besides. `run_status` is the
    status of the run that it belongs to; empty where that has no record.
    """

    cluster: Cluster
    cronjob: PolicySubject
    policy: BackupPolicy
    repository: Repository
    claims: tuple[str, ...]
    unarchived: tuple[UnarchivedVolume, ...] = ()
    run_status: str = ""


class ArchiveInputsResolver:
    """Resolver of a backup's record to what it archives."""

    def __init__(self, *, cronjobs: CronJobService, storages: StorageService, history: History) -> None:
        self._history = history
        self._cronjobs = cronjobs
        self._storages = storages

    def resolve(self, backup: BackupExecution) -> ArchiveInputs:
        """Return what the backup archives, by the policy as it was when the backup was recorded.

        Raises CronJobNotFound, PolicyNotFound, StorageNotFound, NotAllowedNow, Denied or NothingToArchive.
        """
        cronjob = self._cronjobs.find_subject(CronJobRef.of(backup))
        policy = backup.policy or policy_annotations.read_policy(cronjob).policy
        if policy is None:
            raise PolicyNotFound(f"{backup.namespace}/{backup.cronjob} has no backup policy any more.")
        volumes = list_mounted_volumes(cronjob)
        if (nothing := archive_contents.explain_nothing(policy, volumes)) is not None:
            raise NothingToArchive(nothing)
        cluster = self._cronjobs.clusters.of(backup.cluster)
        storage = self._storages.require_usable(backup.storage_id, cluster, backup.namespace)
        repository = repositories.repository_of_policy(
            policy.id, cluster.id, backup.namespace, policy.encryption, storage, layout=backup.layout
        )
        run = self._history.executions.get(backup.cronjob_execution_id or "")
        return ArchiveInputs(
            cluster=cluster,
            cronjob=cronjob,
            policy=policy,
            repository=repository,
            claims=archive_contents.claims_to_archive(policy, volumes),
            unarchived=archive_contents.find_unarchived(policy, volumes),
            run_status=str(run.status) if run is not None else "",
        )
