"""The records of backups: read, stored durably, published on the bus."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import NamedTuple

import msgspec

from kronkeep_common.errors import BackupNotFound
from kronkeep_common.models import BackupExecution, CronJobExecution, Progress
from kronkeep_common.models.backup import FirstOwner
from kronkeep_common.states import BACKUP_TRANSITIONS, BackupStatus, is_final
from kronkeep_common.text import clean
from kronkeep_daemon.backups import unusual_backups
from kronkeep_daemon.backups.policy_annotations import PolicyCarrier
from kronkeep_daemon.events import BackupChanged, Bus, CopyChanged
from kronkeep_daemon.history import CronJobMemo, History
from kronkeep_daemon.history.facts import adopted_policies_key
from kronkeep_daemon.history.record_ids import copy_id_for, derive_id
from kronkeep_daemon.kube.clusters import Clusters

BACKUPS_PER_POLICY = 100_000
GOOD_PER_PAGE = 10
PAGE = 200  # backups read between two turns of the event loop


def backup_id_for(*, cluster: str, cronjob_id: str, policy_id: str, key: str) -> str:
    """Return a backup's id; `key` is its run's id, its slot or its request, so that each is made once."""
    return derive_id("backup", cluster, cronjob_id, policy_id, key)


class GoodBackup(NamedTuple):
    """When a good backup was created, and when it ended."""

    created_at: datetime
    ended_at: datetime | None


class BackupRecords:
    """The backups in the history, and how runs are linked to them."""

    def __init__(self, history: History, bus: Bus, clusters: Clusters) -> None:
        self._history = history
        self._newest_good = CronJobMemo(self._read_newest_good, history.backups)
        self._policy_ids = CronJobMemo(self._read_policy_ids, history.backups)
        self._clusters = clusters
        self._bus = bus

    def get(self, backup_id: str) -> BackupExecution:
        """Return one backup; raises BackupNotFound."""
        backup = self._history.backups.get(backup_id)
        if backup is None:
            raise BackupNotFound(f"There is no backup {clean(backup_id, 80)}.")
        return backup

    async def put(self, old: BackupExecution | None, new: BackupExecution) -> None:
        """Store a backup durably, then publish the change; `old` is None for a new one."""
        if old is None and new.sequence == 0:
            new = msgspec.structs.replace(new, sequence=self._history.backups.next_number())
        self._history.backups.put(new)
        if new.is_unusual:
            unusual_backups.remember(self._history, new)
        await self._history.commit()
        self._bus.publish(BackupChanged(old, new))

    async def with_unusual_words(self, backup: BackupExecution) -> BackupExecution:
        """Return a backup that ends with what is unusual about it, by the good ones of its CronJob before."""
        return msgspec.structs.replace(backup, unusual=await unusual_backups.judge(self._history, backup))

    def has_unusual(self, cronjob_id: str) -> bool:
        """Return whether a CronJob has unusual backups that nobody has acknowledged."""
        return bool(unusual_backups.list_unacknowledged(self._history, cronjob_id))

    async def acknowledge_unusual(self, cronjob_id: str, user: str, now: datetime) -> None:
        """Record that a person accepts the unusual backups of a CronJob."""
        for backup in unusual_backups.list_unacknowledged(self._history, cronjob_id):
            by = clean(user, 100)
            await self.change(backup.id, unusual_acknowledged_at=now, unusual_acknowledged_by=by)
            unusual_backups.forget_acknowledged(self._history, backup)
        await self._history.commit()

    async def change(self, backup_id: str, **fields: object) -> BackupExecution:
        """Change fields of a backup's current record; return the new one. Raises BackupNotFound."""
        backup = self.get(backup_id)
        changed = msgspec.structs.replace(backup, **fields)
        await self.put(backup, changed)
        return changed

    async def set_missing(self, backup_id: str, at: datetime | None) -> None:
        """Record that the repository lacks the backup's snapshot since `at`, or (None) that it is there.

        The time when it was first missing stays, and a snapshot that retention has removed is not missing.
        One that is there was not removed, or is there again.
        """
        backup = self.get(backup_id)
        if backup.result is None:
            return
        is_gone = backup.snapshot_missing_at is not None or backup.snapshot_removed_at is not None
        if at is None and (is_gone or backup.forget_began_at is not None):
            await self.change(
                backup_id,
                forget_began_at=None,
                snapshot_missing_at=None,
                snapshot_missing_acknowledged_at=None,
                snapshot_removed_at=None,
            )
        elif at is not None and not is_gone:
            await self.change(backup_id, snapshot_missing_at=at)

    async def add_recovered(self, recovered: Sequence[BackupExecution]) -> None:
        """Record backups that were made from snapshots, without a sequence: they are older than all others.

        A backup that has ended without a snapshot, so far as is known, gets what was found. One that has got
        a record of its own since the list was made is left alone.
        """
        await self._put_all(recovered, self._recover)

    def _recover(self, recovered: BackupExecution) -> BackupExecution | None:
        if self.is_accounted_for(recovered.id):
            return None
        old = self._history.backups.get(recovered.id)
        return recovered if old is None else _with_found_snapshot(old, recovered)

    async def acknowledge_missing(self, backups: Sequence[BackupExecution], now: datetime) -> None:
        """Record that a person knows of the snapshots that are missing."""

        def acknowledge(backup: BackupExecution) -> BackupExecution | None:
            current = self.get(backup.id)
            if not _is_missing_unacknowledged(current):
                return None
            return msgspec.structs.replace(current, snapshot_missing_acknowledged_at=now)

        await self._put_all(backups, acknowledge)

    async def adopt(
        self, backups: Sequence[BackupExecution], adopter: PolicyCarrier, cronjob_id: str
    ) -> None:
        """Record the backups as those of another policy; their snapshots keep the tags that they have.

        Their ids are made of the id of the old policy, so it is remembered for the runs of its CronJob.
        """

        def adopt(backup: BackupExecution) -> BackupExecution | None:
            current = self.get(backup.id)
            if current.policy_id != backup.policy_id:
                return None  # another policy has it since
            self._remember_adopted(current)
            first_owner = FirstOwner(cronjob=current.cronjob, cronjob_id=current.cronjob_id)
            return msgspec.structs.replace(
                current,
                policy_id=adopter.policy.id,
                tagged_policy_id=current.snapshot_policy_id,
                cronjob=adopter.cronjob,
                cronjob_id=cronjob_id,
                first_owner=current.first_owner or first_owner,
            )

        await self._put_all(backups, adopt)

    async def undo_adoption(self, backups: Sequence[BackupExecution]) -> None:
        """Give backups that were adopted back to their first CronJob and policy."""
        await self._put_all(backups, self._give_back)

    def _give_back(self, backup: BackupExecution) -> BackupExecution | None:
        current = self.get(backup.id)
        owner = current.first_owner
        if owner is None:
            return None
        return msgspec.structs.replace(
            current,
            policy_id=current.snapshot_policy_id,
            tagged_policy_id=None,
            cronjob=owner.cronjob,
            cronjob_id=owner.cronjob_id,
            first_owner=None,
        )

    def _remember_adopted(self, backup: BackupExecution) -> None:
        key = adopted_policies_key(backup.cronjob_id)
        known = self._list_adopted_policy_ids(backup.cronjob_id)
        if backup.snapshot_policy_id not in known:
            ids = " ".join((*known, backup.snapshot_policy_id))
            self._history.facts.set(key, backup.created_at, name=ids)

    def _list_adopted_policy_ids(self, cronjob_id: str) -> tuple[str, ...]:
        """Return the ids of the policies whose backups after runs of a CronJob are another policy's now."""
        fact = self._history.facts.get(adopted_policies_key(cronjob_id))
        return tuple((fact.name or "").split()) if fact is not None else ()

    async def _put_all(
        self,
        backups: Sequence[BackupExecution],
        change: Callable[[BackupExecution], BackupExecution | None],
    ) -> None:
        """Store many backups with few syncs, and publish the changes; between pages other tasks run.

        change: returns the new record of a backup by its current one, None where it is to stay. So what
            others have changed since the caller read the backups is kept.
        """
        storage_ids = list(self._history.copies.distinct("storage_id"))
        for start in range(0, len(backups), PAGE):
            changes: list[BackupChanged | CopyChanged] = []
            for backup in backups[start : start + PAGE]:
                old = self._history.backups.get(backup.id)
                new = change(backup)
                if new is None:
                    continue
                self._history.backups.put(new)
                if new.is_unusual:
                    unusual_backups.remember(self._history, new)
                changes.append(BackupChanged(old, new))
                changes += self._move_copies(new, storage_ids)
            await self._history.commit()
            for each in changes:
                self._bus.publish(each)
            await asyncio.sleep(0)

    def _move_copies(self, backup: BackupExecution, storage_ids: Iterable[str]) -> list[CopyChanged]:
        """Record the copies of a backup in these storages as those of its CronJob and policy, as it is.

        By these a policy finds its copies, and expiry a backup that only they have.
        """
        changes = []
        for storage_id in storage_ids:
            old = self._history.copies.get(copy_id_for(backup.id, storage_id))
            if old is None or (old.policy_id, old.cronjob_id) == (backup.policy_id, backup.cronjob_id):
                continue
            new = msgspec.structs.replace(
                old, policy_id=backup.policy_id, cronjob=backup.cronjob, cronjob_id=backup.cronjob_id
            )
            self._history.copies.put(new)
            changes.append(CopyChanged(old, new))
        return changes

    async def missing_in(self, storage_id: str) -> list[BackupExecution]:
        """Return the backups of a storage whose snapshots are missing and not acknowledged."""
        return [
            backup async for backup in self.iter_in_storage(storage_id) if _is_missing_unacknowledged(backup)
        ]

    async def missing_of(self, cronjob_id: str) -> list[BackupExecution]:
        """Return such backups of a CronJob."""
        return [
            backup async for backup in self._iter(cronjob_id=cronjob_id) if _is_missing_unacknowledged(backup)
        ]

    def iter_of_policy(self, policy_id: str) -> AsyncIterator[BackupExecution]:
        """Yield the backups of a policy, whichever CronJob carried it; between pages other tasks run."""
        return self._iter(policy_id=policy_id)

    def policies_by_cronjob(self) -> Iterator[tuple[str, str]]:
        """Yield the uid of each CronJob that has backups, with the id of each policy of them."""
        for cronjob_id in self._history.backups.values("cronjob_id"):
            for policy_id in self._history.backups.values("policy_id", cronjob_id=cronjob_id):
                yield cronjob_id, policy_id

    async def owners_named(self, namespace: str, name: str) -> dict[str, str]:
        """Return the uids of the CronJobs of a name that have backups, each with its cluster.

        Those that were deleted are among them; between two CronJobs other tasks run.
        """
        owners: dict[str, str] = {}
        for cronjob_id in self._history.backups.distinct("cronjob_id"):
            newest = self._history.backups.newest(limit=1, cronjob_id=cronjob_id).items
            owners |= {
                b.cronjob_id: b.cluster for b in newest if (b.namespace, b.cronjob) == (namespace, name)
            }
            await asyncio.sleep(0)
        return owners

    def policy_ids_with_prefix(self, prefix: str) -> list[str]:
        """Return the ids of policies with backups that begin so."""
        return [each for each in self._history.backups.distinct("policy_id") if each.startswith(prefix)]

    def is_accounted_for(self, backup_id: str) -> bool:
        """Return whether the backup has a record that names its snapshot, or that has not ended yet."""
        backup = self._history.backups.get(backup_id)
        if backup is None:
            return False
        return backup.result is not None or not is_final(BACKUP_TRANSITIONS, backup.status)

    def iter_in_storage(self, storage_id: str) -> AsyncIterator[BackupExecution]:
        """Yield the backups in a storage, newest first; between pages other tasks run."""
        return self._iter(storage_id=storage_id)

    async def _iter(
        self,
        *,
        storage_id: str | None = None,
        policy_id: str | None = None,
        cronjob_id: str | None = None,
    ) -> AsyncIterator[BackupExecution]:
        backups = self._history.backups
        for page in backups.pages(PAGE, storage_id=storage_id, policy_id=policy_id, cronjob_id=cronjob_id):
            for backup in page:
                yield backup
            await asyncio.sleep(0)

    def put_progress(self, backup_id: str, progress: Progress) -> None:
        """Store a backup's progress without waiting for the disk; the next commit includes it."""
        self._history.backups.put(msgspec.structs.replace(self.get(backup_id), progress=progress))

    def id_after_run(self, run: CronJobExecution) -> str | None:
        """Return the id of the backup that belongs to a run because its policy archives after runs.

        The id follows from the policy's, so nothing but the CronJob's policies is looked up. Of several, as
        when a policy was replaced by another, it is the newest.
        """
        ids = [
            backup_id_for(cluster=run.cluster, cronjob_id=run.cronjob_id, policy_id=policy_id, key=run.id)
            for policy_id in self._policy_ids(run.cronjob_id)
        ]
        present = [backup_id for backup_id in ids if backup_id in self._history.backups]
        return max(present, key=self._creation_time) if len(present) > 1 else next(iter(present), None)

    def _creation_time(self, backup_id: str) -> datetime:
        return self.get(backup_id).created_at

    def link_to_backup(self, run: CronJobExecution) -> CronJobExecution:
        """Return a run as answers show it: with the ids of the backup that belongs to it and its policy."""
        backup_id = self.id_after_run(run)
        if backup_id is None:
            return run
        return msgspec.structs.replace(run, backup_id=backup_id, policy_id=self.get(backup_id).policy_id)

    def cronjob_ids(self, policy_id: str) -> tuple[str, ...]:
        """Return the uids of the CronJobs that have backups of a policy."""
        return tuple(self._history.backups.values("cronjob_id", policy_id=policy_id))

    def newest_good_end(self, cronjob_id: str, until: datetime) -> datetime | None:
        """Return when the newest good backup of a CronJob ended that was created before `until`.

        A good backup succeeded, and its snapshot is not missing; None where there is none.
        """
        newest = self._newest_good(cronjob_id)
        if newest is not None and newest.created_at >= until:
            newest = self._read_newest_good(cronjob_id, until)
        return newest.ended_at if newest is not None else None

    def _read_newest_good(self, cronjob_id: str, until: datetime | None = None) -> GoodBackup | None:
        pages = self._history.backups.pages(
            GOOD_PER_PAGE, until=until, cronjob_id=cronjob_id, status=BackupStatus.SUCCEEDED
        )
        for backup in chain.from_iterable(pages):
            if backup.snapshot_missing_at is None:
                return GoodBackup(backup.created_at, backup.ended_at)
        return None

    def _read_policy_ids(self, cronjob_id: str) -> tuple[str, ...]:
        own = self._history.backups.values("policy_id", cronjob_id=cronjob_id)
        return tuple(dict.fromkeys((*own, *self._list_adopted_policy_ids(cronjob_id))))

    def newest(self, carrier: PolicyCarrier, until: datetime) -> BackupExecution | None:
        """Return the newest backup of a policy that was created before `until`, or None."""
        return next(iter(self._of(carrier, limit=1, cluster=carrier.cluster, until=until)), None)

    def with_snapshot(self, carrier: PolicyCarrier) -> Sequence[BackupExecution]:
        """Return the ended backups of a policy whose snapshot is there, so far as is known, newest first.

        One whose hooks still run is left out: whether it is good is not known yet.
        """
        return [
            backup
            for backup in self._of(carrier, limit=BACKUPS_PER_POLICY)
            if self._has_snapshot_of(carrier, backup) and is_final(BACKUP_TRANSITIONS, backup.status)
        ]

    def with_result(self, carrier: PolicyCarrier) -> Sequence[BackupExecution]:
        """Return the backups of a policy that made a snapshot, whether it is there or not, newest first."""
        return [
            backup
            for backup in self._of(carrier, limit=BACKUPS_PER_POLICY)
            if backup.result is not None and self._clusters.same(backup.cluster, carrier.cluster)
        ]

    def newest_with_snapshot(self, carrier: PolicyCarrier) -> BackupExecution | None:
        """Return the newest backup of a policy that has a snapshot, as far as known; reads until one has."""
        pages = self._history.backups.pages(
            GOOD_PER_PAGE,
            policy_id=carrier.policy.id,
            namespace=carrier.namespace,
            cronjob=carrier.cronjob,
        )
        every = chain.from_iterable(pages)
        return next((backup for backup in every if self._has_snapshot_of(carrier, backup)), None)

    def _has_snapshot_of(self, carrier: PolicyCarrier, backup: BackupExecution) -> bool:
        is_present = backup.snapshot_state == "present"
        return is_present and self._clusters.same(backup.cluster, carrier.cluster)

    def _of(
        self,
        carrier: PolicyCarrier,
        limit: int,
        cluster: str | None = None,
        until: datetime | None = None,
    ) -> Sequence[BackupExecution]:
        return self._history.backups.newest(
            limit=limit,
            until=until,
            policy_id=carrier.policy.id,
            namespace=carrier.namespace,
            cronjob=carrier.cronjob,
            cluster=cluster,
        ).items


def _is_missing_unacknowledged(backup: BackupExecution) -> bool:
    return backup.snapshot_missing_at is not None and backup.snapshot_missing_acknowledged_at is None


def _with_found_snapshot(old: BackupExecution, recovered: BackupExecution) -> BackupExecution:
    """Return the record of a backup that knew of no snapshot, with what was found and its time."""
    why = old.message or old.reason or ""
    return msgspec.structs.replace(
        old,
        sequence=0,
        created_at=recovered.created_at,
        ended_at=recovered.ended_at,
        status=recovered.status,
        result=recovered.result,
        recovered_at=recovered.recovered_at,
        reason=recovered.reason,
        message=recovered.message,
        next_step=recovered.next_step,
        warnings=(*old.warnings, f"Its snapshot was found later; before, it was {old.status}. {why}".strip()),
    )
