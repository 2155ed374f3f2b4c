"""Snapshots that another tool made become backups of a policy: they get its tags, and then records.

A record is believed only by the tags in the repository, so the tags come first: a stop between the two loses
nothing, as the next comparison records what has them. The snapshots keep the tags that they had.
"""

from collections.abc import Sequence

from kronkeep_common.errors import InvalidRequest, NotAllowedNow
from kronkeep_common.text import clean
from kronkeep_daemon.backups.policy_lookup import PolicyLookup
from kronkeep_daemon.backups.snapshot_reconciliation import LIST_SECONDS, SnapshotReconciliation
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.history.record_ids import derive_id
from kronkeep_daemon.kube.objects import CronJobRef
from kronkeep_daemon.kube.subjects import PolicySubject
from kronkeep_daemon.repositories.maintenance import RepositoryMaintenance
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.repository import Repository, repository_of_policy
from kronkeep_daemon.restic import tag
from kronkeep_daemon.restic.snapshots import SnapshotTags
from kronkeep_daemon.storages.service import StorageService

STEPS_PER_JOB = 20  # each opens the repository


class SnapshotImports:
    """The imports of foreign snapshots; the caller is somebody who may administer kronkeep."""

    def __init__(
        self,
        *,
        cronjobs: CronJobService,
        policies: PolicyLookup,
        storages: StorageService,
        maintenance: RepositoryMaintenance,
        queues: RepositoryQueues,
        reconciliation: SnapshotReconciliation,
    ) -> None:
        self._cronjobs = cronjobs
        self._policies = policies
        self._storages = storages
        self._maintenance = maintenance
        self._queues = queues
        self._reconciliation = reconciliation

    async def import_snapshots(
        self, storage_id: str, *, ref: CronJobRef, snapshot_ids: Sequence[str]
    ) -> None:
        """Make foreign snapshots of a storage backups of the CronJob's or claim's policy.

        Raises CronJobNotFound, PolicyNotFound, StorageNotFound, StorageFailed, NotAllowedNow where the policy
        has its backups elsewhere, InvalidRequest for a snapshot that is not there, or is no foreign one.
        """
        storage = self._storages.require_active(storage_id)
        carrier = self._policies.carrier_of(ref)
        if carrier.policy.storage_id != storage_id:
            raise NotAllowedNow(
                f"The policy of {ref} has its backups in {carrier.policy.storage_id}, not in {storage_id}.",
                next_step="Give it that storage first: kronkeep edit.",
            )
        # Other tools have their repository at the storage's address, whatever its layout is now.
        repository = repository_of_policy(
            carrier.policy.id,
            carrier.cluster,
            carrier.namespace,
            carrier.policy.encryption,
            storage,
            layout="shared",
        )
        subject = self._cronjobs.find_subject(ref)
        async with self._queues.hold_exclusively(repository.id, "tag"):
            await self._require_foreign(repository, snapshot_ids)
            await self._add_tags(repository, subject, carrier.policy.id, snapshot_ids)
        await self._reconciliation.rescan(storage_id)

    async def _require_foreign(self, repository: Repository, snapshot_ids: Sequence[str]) -> None:
        listed = await self._maintenance.run_and_list("list", [], repository, LIST_SECONDS)
        foreign = {each.id for each in listed.snapshots if not (each.backup or each.policy)}
        missing = [snapshot_id for snapshot_id in snapshot_ids if snapshot_id not in foreign]
        if missing:
            raise InvalidRequest(
                f"The snapshot {clean(missing[0], 64)} is not in the policy's repository, or has kronkeep's "
                "tags already.",
                next_step=f"kronkeep storage rescan {repository.storage.id} lists the snapshots of others.",
                field="snapshots",
            )

    async def _add_tags(
        self, repository: Repository, subject: PolicySubject, policy_id: str, snapshot_ids: Sequence[str]
    ) -> None:
        for start in range(0, len(snapshot_ids), STEPS_PER_JOB):
            steps = []
            for number, snapshot_id in enumerate(snapshot_ids[start : start + STEPS_PER_JOB]):
                tags = tags_of_import(repository.storage.id, subject, policy_id, snapshot_id)
                steps.append((f"tag-{number}", tag.argv(snapshot_id, tags)))
            await self._maintenance.run("tag", steps, repository, LIST_SECONDS)


def tags_of_import(storage_id: str, subject: PolicySubject, policy_id: str, snapshot_id: str) -> SnapshotTags:
    """Return the tags that make a snapshot a backup of the subject's policy; the same at each try."""
    backup_id = derive_id("imported snapshot", storage_id, snapshot_id)
    return SnapshotTags(
        policy=policy_id,
        run=backup_id,
        backup=backup_id,
        cluster=subject.cluster,
        namespace=subject.namespace,
        cronjob=subject.name,
        cronjob_id=subject.uid,
        backup_type="incremental",
        trigger="manual",
    )
