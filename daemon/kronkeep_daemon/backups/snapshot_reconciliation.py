"""Reconciliation of the records of backups with the snapshots that are in the repositories.

It runs when this daemon begins to act on a cluster, then daily, with each check and measurement of a storage,
and before each forget. A snapshot that is not there is recorded as missing, and as back once it is there.
Backups that no record knows are recorded again when a person asks (`rescan`), and by themselves where there
is no record of any snapshot in the storage, as after the state folder was lost.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple, Protocol

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import ClusterNotFound, KronkeepError, StorageFailed
from kronkeep_common.models import (
    BackupCopy,
    BackupExecution,
    BackupPolicy,
    BackupStorage,
    ForeignSnapshot,
    StorageSnapshots,
)
from kronkeep_common.reasons import Reason
from kronkeep_common.states import BACKUP_TRANSITIONS, BackupStatus, StorageStatus, is_final
from kronkeep_common.text import clean
from kronkeep_daemon.backups import policy_annotations, recovered_backups
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.backups.first_comparisons import FirstComparisons
from kronkeep_daemon.backups.policy_lookup import PolicyLookup
from kronkeep_daemon.backups.recovered_backups import Recovery
from kronkeep_daemon.backups.shared_unusual import SharedUnusual
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.events import Bus, StorageChanged
from kronkeep_daemon.history import History
from kronkeep_daemon.kube.objects import CronJobRef
from kronkeep_daemon.repositories import reconciliation
from kronkeep_daemon.repositories.folder_passwords import FolderPasswords
from kronkeep_daemon.repositories.maintenance import RepositoryMaintenance
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.reconciliation import RepositoryComparison, SnapshotsByBackup
from kronkeep_daemon.repositories.repository import Repository, repository_of_backup, repository_of_policy
from kronkeep_daemon.repositories.repository_index import RepositoryIndex
from kronkeep_daemon.restic.snapshots import ListedSnapshot, SnapshotTags, as_originals
from kronkeep_daemon.storages.service import StorageService
from kronkeep_daemon.storages.upkeep import StorageUpkeep
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
LIST_SECONDS = 900.0
INTERVAL = timedelta(days=1).total_seconds()
RETRY_SECONDS = 900.0  # after a list that could not be made
ROUND_SECONDS = 30.0
SLICE = 200  # records read between two turns of the event loop
MOST_FOREIGN = 1000  # snapshots of others that are named


class _ListedRepository(NamedTuple):
    """A list of a repository, what of it differed from the records, and what those without a record are."""

    snapshots: list[ListedSnapshot]
    differences: RepositoryComparison
    recovery: Recovery


class CopyComparer(Protocol):
    """What compares repositories of copies with the records of those."""

    async def list_recorded_in(self, repository: Repository) -> list[BackupCopy]:
        """Return the records of the copies in a repository."""

    async def apply(
        self, repository: Repository, copies: Sequence[BackupCopy], snapshots: Sequence[ListedSnapshot]
    ) -> RepositoryComparison:
        """Change the records that differ from a list, made after `copies` were read."""

    def as_backups_of_first(self, repository: Repository, recovery: Recovery) -> Recovery:
        """Return what was recovered from copies as the backups of the first storage."""


class SnapshotReconciliation:
    """Reconciliation of the repositories in the clusters on which this daemon acts."""

    def __init__(
        self,
        *,
        records: BackupRecords,
        copies: CopyComparer,
        unusual: SharedUnusual,
        first_comparisons: FirstComparisons,
        index: RepositoryIndex,
        passwords: FolderPasswords,
        storages: StorageService,
        upkeep: StorageUpkeep,
        maintenance: RepositoryMaintenance,
        queues: RepositoryQueues,
        cronjobs: CronJobService,
        policies: PolicyLookup,
        history: History,
        bus: Bus,
        clock: Clock,
        supervisor: Supervisor,
    ) -> None:
        self._records = records
        self._copies = copies
        self._unusual = unusual
        self._first_comparisons = first_comparisons
        self._index = index
        self._passwords = passwords
        self._storages = storages
        self._maintenance = maintenance
        self._queues = queues
        self._cronjobs = cronjobs
        self._policies = policies
        self._history = history
        self._clock = clock
        self._supervisor = supervisor
        self._due_at: dict[str, float] = {}
        self._foreign: dict[str, list[ForeignSnapshot]] = {}
        self._wake = asyncio.Event()
        upkeep.observe_lists(self.apply_list)
        bus.subscribe(StorageChanged, self._on_storage_changed)

    def start(self) -> None:
        """Start to reconcile in the background."""
        self._supervisor.start("reconciliation", self._run_forever, death="restart")

    def foreign_snapshots(self, storage_id: str) -> Sequence[ForeignSnapshot]:
        """Return the snapshots of others that the last comparison of the storage has seen."""
        return self._foreign.get(storage_id, ())

    async def rescan(self, storage_id: str, *, other_clusters: bool = False) -> StorageSnapshots:
        """Compare a storage's repositories with the records, and record the backups that have none.

        other_clusters: whether backups of clusters that this daemon does not watch are recorded too.
        Raises StorageNotFound, NotAllowedNow, StorageFailed.
        """
        storage = self._storages.require_active(storage_id)
        return await self._compare_storage(storage, recover=True, other_clusters=other_clusters)

    async def find_other_repository(self, repository: Repository) -> StorageFailed | None:
        """Compare a repository in which restic did not find a snapshot with the records.

        So what restic said is not believed alone. Return the fault where another repository is in its place;
        then, and where it cannot be listed, nothing is recorded.
        """
        try:
            async with self._queues.hold_for_reading(repository.id, "reconciliation"):
                await self._list_and_compare(repository)
        except StorageFailed as fault:
            return fault if fault.details.get("reason") == Reason.WRONG_REPOSITORY else None
        return None

    async def list_and_apply(self, repository: Repository) -> SnapshotsByBackup:
        """List the repository's snapshots while the caller holds it, change the records that differ, and
        return the snapshots by their backup; raise StorageFailed.
        """
        return reconciliation.group_by_backup((await self._list_and_compare(repository)).snapshots)

    async def apply_list(self, repository: Repository, snapshots: Sequence[ListedSnapshot]) -> None:
        """Change the records that differ from a list that another Job made, while its caller holds the
        repository alone.
        """
        await self._compare_and_apply(repository, await self._backups_in(repository), snapshots)

    async def _list_and_compare(
        self, repository: Repository, *, other_clusters: bool = False
    ) -> _ListedRepository:
        if repository.first_storage_id:
            return await self._list_copies(repository, other_clusters=other_clusters)
        # Read before the list is made: an archive may end beside it, whose snapshot the list then lacks.
        backups = await self._backups_in(repository)
        listed = await self._maintenance.run_and_list("list", [], repository, LIST_SECONDS)
        differences = await self._compare_and_apply(repository, backups, listed.snapshots)
        recovery = await asyncio.to_thread(
            recovered_backups.recover_backups,
            differences.unrecorded,
            repository,
            is_our_cluster=_is_any if other_clusters else self._is_our_cluster,
            policy_of=self._policy_of,
            now=self._clock.now(),
        )
        return _ListedRepository(listed.snapshots, differences, recovery)

    async def _list_copies(self, repository: Repository, *, other_clusters: bool) -> _ListedRepository:
        """List a repository of copies, and compare it with their records."""
        copies = await self._copies.list_recorded_in(repository)
        listed = await self._maintenance.run_and_list("list", [], repository, LIST_SECONDS)
        differences = await self._copies.apply(repository, copies, listed.snapshots)
        recovery = await asyncio.to_thread(
            recovered_backups.recover_backups,
            as_originals(differences.unrecorded),
            repository.without_copies(),
            is_our_cluster=_is_any if other_clusters else self._is_our_cluster,
            policy_of=self._policy_of,
            now=self._clock.now(),
        )
        recovery = self._copies.as_backups_of_first(repository, recovery)
        return _ListedRepository(listed.snapshots, differences, recovery)

    def _is_our_cluster(self, cluster_id: str) -> bool:
        """Return whether this daemon watches the cluster, by its id now or before it was built again.

        An only cluster does not stand in for others here: they may have a kronkeep of their own.
        """
        return any(
            cluster_id == cluster.id or cluster_id in cluster.former for cluster in self._cronjobs.clusters
        )

    def _policy_of(self, tags: SnapshotTags) -> BackupPolicy | None:
        policy = self._policies.policy_of(CronJobRef(tags.cluster, tags.namespace, tags.cronjob))
        return policy if policy is not None and policy.id == tags.policy else None

    async def _backups_in(self, repository: Repository) -> list[BackupExecution]:
        """Return the backups that have ended with a snapshot in the repository."""
        return [
            backup
            async for backup in self._records.iter_in_storage(repository.storage.id)
            if backup.result is not None
            and is_final(BACKUP_TRANSITIONS, backup.status)
            and repository_of_backup(backup, repository.storage).id == repository.id
        ]

    async def _compare_and_apply(
        self,
        repository: Repository,
        backups: Sequence[BackupExecution],
        snapshots: Sequence[ListedSnapshot],
    ) -> RepositoryComparison:
        recorded = await self._list_recorded_ids(backups, snapshots)
        differences = await asyncio.to_thread(reconciliation.compare, backups, snapshots, recorded)
        for backup_id in differences.missing:
            log.warning("the snapshot of backup %s is not in %s", backup_id, repository.id)
            await self._records.set_missing(backup_id, self._clock.now())
        for backup_id, result in differences.renamed:
            log.warning(
                "the snapshot of backup %s has the id %s now, in %s",
                backup_id,
                result.snapshot_id,
                repository.id,
            )
            await self._records.change(backup_id, result=result)
        for backup_id in differences.removed:
            log.info("the snapshot of backup %s was removed from %s before a stop", backup_id, repository.id)
            await self._records.change(backup_id, snapshot_removed_at=self._clock.now())
        for backup_id in differences.returned:
            log.info("the snapshot of backup %s is in %s again", backup_id, repository.id)
            await self._records.set_missing(backup_id, None)
        await self._confirm_by_runs(backups)
        if differences.missing or differences.returned:
            await self.count_missing(repository.storage.id)
        return differences

    async def _list_recorded_ids(
        self, backups: Sequence[BackupExecution], snapshots: Sequence[ListedSnapshot]
    ) -> set[str]:
        """Return the ids in the snapshots' tags whose records know of a snapshot, or not of their end yet.

        backups: those with a snapshot, whose records need not be read again.
        """
        recorded = {backup.id for backup in backups}
        others = {snapshot.backup for snapshot in snapshots if snapshot.backup} - recorded
        for number, backup_id in enumerate(others, 1):
            if self._records.is_accounted_for(backup_id):
                recorded.add(backup_id)
            if number % SLICE == 0:
                await asyncio.sleep(0)  # there may be thousands: other tasks run in between
        return recorded

    async def count_missing(self, storage_id: str) -> None:
        """Record on the storage how many snapshots are missing and not acknowledged."""
        count = len(await self._records.missing_in(storage_id))
        storage = self._storages.find(storage_id)
        if storage is None or storage.snapshots is None or storage.snapshots.missing == count:
            return
        counts = msgspec.structs.replace(storage.snapshots, missing=count)
        await self._storages.save(storage, msgspec.structs.replace(storage, snapshots=counts))

    async def _confirm_by_runs(self, backups: Sequence[BackupExecution]) -> None:
        """Record the recovered backups as good of which the records of their runs say so."""
        for backup in backups:
            if backup.recovered_at is None or backup.status is not BackupStatus.UNKNOWN:
                continue
            run = self._history.executions.get(backup.cronjob_execution_id or "")
            if recovered_backups.is_confirmed_by(run, backup):
                current = self._records.get(backup.id)
                good = recovered_backups.as_good(current, (recovered_backups.AGREED_WARNING,))
                await self._records.put(current, good)

    async def _compare_storage(
        self, storage: BackupStorage, *, recover: bool, other_clusters: bool = False
    ) -> StorageSnapshots:
        """Compare all repositories of a storage and record what that showed; raise StorageFailed."""
        total = StorageSnapshots(listed_at=self._clock.now())
        foreign: list[ForeignSnapshot] = []
        first_fault: KronkeepError | None = None
        for repository in await self._list_repositories(storage):
            is_known = self._index.contains(repository)
            try:
                async with self._queues.hold_for_reading(repository.id, "reconciliation"):
                    comparison = await self._list_and_compare(repository, other_clusters=other_clusters)
            except KronkeepError as fault:
                # One that a policy would use may not be there yet, or its key: that is its archive's concern.
                first_fault = first_fault or (fault if is_known else None)
                continue
            if recover and comparison.recovery.backups:
                await self._record_recovered(comparison.recovery.backups)
                if repository.first_storage_id:
                    copies = await self._copies.list_recorded_in(repository)
                    await self._copies.apply(repository, copies, comparison.snapshots)
            total = _add_counts(total, comparison, recover=recover)
            foreign += map(_foreign_snapshot, comparison.differences.foreign[:MOST_FOREIGN])
        if first_fault is not None:
            raise first_fault
        self._foreign[storage.id] = foreign[:MOST_FOREIGN]
        missing = await self._records.missing_in(storage.id)
        total = msgspec.structs.replace(total, missing=len(missing))
        current = self._storages.get(storage.id)
        await self._storages.save(current, msgspec.structs.replace(current, snapshots=total))
        return total

    async def _record_recovered(self, backups: Sequence[BackupExecution]) -> None:
        await self._records.add_recovered(await self._with_unusual(backups))
        await self._confirm_by_runs(backups)

    async def _with_unusual(self, backups: Sequence[BackupExecution]) -> list[BackupExecution]:
        """Return the backups with what another daemon has found unusual about them."""
        words: dict[str, tuple[str, ...]] = {}
        for cluster_id in {backup.cluster for backup in backups}:
            with suppress(ClusterNotFound):
                words |= await self._unusual.fetch(cluster_id)
        return [msgspec.structs.replace(backup, unusual=words.get(backup.id, ())) for backup in backups]

    async def _list_repositories(self, storage: BackupStorage) -> list[Repository]:
        """Return the storage's repositories that are recorded or have a password, and those that policies
        would use.
        """
        with_password = await self._passwords.list_repositories(storage)
        repositories = {each.id: each for each in (*self._index.repositories_of(storage), *with_password)}
        for cronjob in self._cronjobs.subjects.objects():
            carrier = policy_annotations.carrier_of(cronjob)
            if carrier is None:
                continue
            policy = carrier.policy
            repository = repository_of_policy(
                policy.id, carrier.cluster, carrier.namespace, policy.encryption, storage
            )
            if policy.copy_in(storage.id) is not None:
                repository = repository.as_copies_of(policy.storage_id)
            elif policy.storage_id != storage.id:
                continue
            repositories.setdefault(repository.id, repository)
        return [repository for repository in repositories.values() if not repository.is_of_history]

    def _on_storage_changed(self, change: StorageChanged) -> None:
        """Compare a storage at once that has become active: its repository may have been there before."""
        new = change.new
        if new is None and change.old is not None:
            self._first_comparisons.forget(change.old.id)
        was_active = change.old is not None and change.old.status is StorageStatus.ACTIVE
        if new is not None and new.status is StorageStatus.ACTIVE and not was_active:
            self._wake.set()

    async def _run_forever(self) -> None:
        await self._cronjobs.wait_until_one_synced()
        while True:
            await self._cronjobs.leads.wait_until_leading()
            self._wake.clear()
            await self.compare_due_storages()
            try:
                async with asyncio.timeout(ROUND_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def compare_due_storages(self) -> None:
        """Compare the storages that are due; what fails is logged and tried again."""
        for storage in self._storages.list():
            await self._compare_if_due(storage)

    async def _compare_if_due(self, storage: BackupStorage) -> None:
        """Compare a storage once a day and after this daemon has begun to act on its cluster.

        The first comparison records what has no record: a daemon that acted before this one may have made
        it, or the state folder is older than it or new. What appears later is an alert first.
        """
        if not self._cronjobs.leads.leads(storage.cluster):
            self._due_at.pop(storage.id, None)
            return
        is_first = not self._first_comparisons.was_compared(storage)
        now = self._clock.monotonic()
        is_due = now >= self._due_at.get(storage.id, now) or not self._first_comparisons.was_tried(storage)
        if storage.status is not StorageStatus.ACTIVE or not is_due:
            return
        self._due_at[storage.id] = now + INTERVAL
        try:
            await self._compare_storage(storage, recover=is_first)
        except KronkeepError as fault:
            self._due_at[storage.id] = now + RETRY_SECONDS
            self._first_comparisons.mark_failed(storage)
            log.warning("the snapshots in %s could not be listed: %s", storage.id, fault)
        else:
            self._first_comparisons.mark_compared(storage)


def _is_any(_: str) -> bool:
    return True


def _foreign_snapshot(snapshot: ListedSnapshot) -> ForeignSnapshot:
    return ForeignSnapshot(
        id=snapshot.id,
        host=clean(snapshot.hostname, 100),
        created_at=clean(snapshot.time, 40),
        paths=tuple(clean(path, 200) for path in snapshot.paths or ()),
    )


def _add_counts(total: StorageSnapshots, comparison: _ListedRepository, *, recover: bool) -> StorageSnapshots:
    """Return the counts with those of another repository."""
    found = len(comparison.recovery.backups)
    return msgspec.structs.replace(
        total,
        snapshots=total.snapshots + len(comparison.snapshots),
        foreign=total.foreign + len(comparison.differences.foreign),
        elsewhere=total.elsewhere + len(comparison.recovery.elsewhere),
        unusable=total.unusable + len(comparison.recovery.unusable),
        unrecorded=total.unrecorded + (0 if recover else found),
        recovered=total.recovered + (found if recover else 0),
    )
