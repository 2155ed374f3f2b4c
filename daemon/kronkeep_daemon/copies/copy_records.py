"""The records of copies: durable before anything acts on them, changed along the table of states only."""

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import CopyNotFound
from kronkeep_common.models import BackupCopy, BackupExecution, BackupPolicy
from kronkeep_common.models.backup_copy import CopyTrigger
from kronkeep_common.states import COPY_TRANSITIONS, CopyStatus, may_follow
from kronkeep_common.text import clean
from kronkeep_daemon.events import Bus, CopyChanged
from kronkeep_daemon.history import History
from kronkeep_daemon.history.record_ids import copy_id_for

PAGE = 200  # copies read between two turns of the event loop
COPIES_PER_POLICY = 100_000
UNFINISHED = (CopyStatus.QUEUED, CopyStatus.RUNNING)


def new_copy(
    backup: BackupExecution,
    storage_id: str,
    trigger: CopyTrigger,
    now: datetime,
    due_at: datetime | None = None,
) -> BackupCopy:
    """Return a new copy of a backup that waits for its turn."""
    return BackupCopy(
        id=copy_id_for(backup.id, storage_id),
        backup_id=backup.id,
        cluster=backup.cluster,
        namespace=backup.namespace,
        cronjob=backup.cronjob,
        cronjob_id=backup.cronjob_id,
        policy_id=backup.policy_id,
        from_storage_id=backup.storage_id,
        storage_id=storage_id,
        trigger=trigger,
        status=CopyStatus.QUEUED,
        created_at=now,
        due_at=due_at,
    )


class CopyRecords:
    """The copies in the history."""

    def __init__(self, history: History, bus: Bus, clock: Clock) -> None:
        self._history = history
        self._bus = bus
        self._clock = clock

    def get(self, copy_id: str) -> BackupCopy:
        """Return one copy; raise CopyNotFound."""
        copy = self._history.copies.get(copy_id)
        if copy is None:
            raise CopyNotFound(f"There is no copy {clean(copy_id, 80)}.")
        return copy

    def find(self, backup_id: str, storage_id: str) -> BackupCopy | None:
        """Return the copy of a backup in a storage, if there is one."""
        return self._history.copies.get(copy_id_for(backup_id, storage_id))

    def of_backup(self, backup_id: str) -> list[BackupCopy]:
        """Return the copies of a backup, by storage."""
        storages = sorted(self._history.copies.distinct("storage_id"))
        copies = (self.find(backup_id, storage_id) for storage_id in storages)
        return [copy for copy in copies if copy is not None]

    def of_policy(self, policy: BackupPolicy, storage_id: str) -> Sequence[BackupCopy]:
        """Return the copies of a policy's backups in a storage, the newest record first."""
        return self._history.copies.newest(
            limit=COPIES_PER_POLICY, policy_id=policy.id, storage_id=storage_id
        ).items

    def iterate_unfinished(self) -> Iterator[BackupCopy]:
        """Yield the copies that have not ended."""
        for status in UNFINISHED:
            yield from self._history.copies.newest(limit=PAGE * 5, status=status).items

    async def iter_in_storage(self, storage_id: str) -> AsyncIterator[BackupCopy]:
        """Yield the copies in a storage, newest first."""
        for page in self._history.copies.pages(PAGE, storage_id=storage_id):
            for copy in page:
                yield copy

    def version_of(self, cronjob_id: str) -> tuple[int, int]:
        """Return a value that differs after each change of the copies of a CronJob's backups."""
        return self._history.copies.version_of(cronjob_id)

    async def put(self, old: BackupCopy | None, new: BackupCopy) -> None:
        """Store a copy durably, then publish the change; `old` is None for a new one."""
        self._history.copies.put(new)
        await self._history.commit()
        self._bus.publish(CopyChanged(old, new))

    async def change(self, copy_id: str, **fields: object) -> BackupCopy:
        """Change fields durably and return the copy; raise ValueError for a state that may not follow."""
        old = self.get(copy_id)
        new = msgspec.structs.replace(old, **fields)
        if not may_follow(COPY_TRANSITIONS, old.status, new.status):
            raise ValueError(f"a copy that is {old.status} cannot become {new.status}")
        await self.put(old, new)
        return new

    async def begin_again(
        self, copy: BackupCopy, trigger: CopyTrigger, due_at: datetime | None
    ) -> BackupCopy:
        """Queue a copy that has ended, to be made again; what its last end was is forgotten."""
        return await self.change(
            copy.id,
            status=CopyStatus.QUEUED,
            trigger=trigger,
            due_at=due_at,
            attempt=copy.attempt + 1,
            started_at=None,
            ended_at=None,
            duration_seconds=None,
            snapshot_removed_at=None,
            reason=None,
            message=None,
            next_step=None,
        )

    async def set_missing(self, copy_id: str, *, is_missing: bool) -> None:
        """Record that the repository lacks the copy's snapshots, or that they are there."""
        copy = self.get(copy_id)
        if copy.snapshot_id is None:
            return
        was_gone = copy.snapshot_missing_at is not None or copy.snapshot_removed_at is not None
        if is_missing and not was_gone:
            await self.change(copy_id, snapshot_missing_at=self._clock.now())
        elif not is_missing and (was_gone or copy.forget_began_at is not None):
            await self.change(
                copy_id, snapshot_missing_at=None, snapshot_removed_at=None, forget_began_at=None
            )

    async def end(self, copy_id: str, status: CopyStatus, **fields: object) -> BackupCopy:
        """Record how a copy ended, with its times."""
        now = self._clock.now()
        copy = self.get(copy_id)
        seconds = (now - copy.started_at).total_seconds() if copy.started_at is not None else None
        return await self.change(
            copy_id, status=status, ended_at=now, deadline_at=None, duration_seconds=seconds, **fields
        )
