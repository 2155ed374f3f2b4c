"""The move of a storage's backups and copies into the repositories of another layout, by `restic copy`.

Each state is recorded before its work begins, and its work may be repeated: what a repository shows decides
what is still to be done (see `moved_backups`). Until all copies are made and all their data was read the
records name the originals; those are removed only when a person asks, and each only while the repository that
its record names shows it. So a daemon that is killed at any point loses nothing and copies nothing twice.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError, NotAllowedNow, StorageFailed
from kronkeep_common.models import BackupExecution, BackupStorage
from kronkeep_common.models.storage_layout import Layout
from kronkeep_common.models.storage_move import LayoutMove, MovePlan
from kronkeep_common.reasons import Reason
from kronkeep_common.states import (
    BACKUP_TRANSITIONS,
    MOVE_TRANSITIONS,
    MoveState,
    is_final,
    may_follow,
)
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.backups.retention_service import RetentionService
from kronkeep_daemon.backups.snapshot_reconciliation import SnapshotReconciliation
from kronkeep_daemon.copies import moved_backups
from kronkeep_daemon.copies.copy_manifests import COPY_STEP, SOURCE_STEP
from kronkeep_daemon.copies.moved_backups import READ_PARTS, MovedGroup
from kronkeep_daemon.copies.moved_copies import MovedCopies
from kronkeep_daemon.history import History
from kronkeep_daemon.repositories import reconciliation
from kronkeep_daemon.repositories.job_manifests import Steps
from kronkeep_daemon.repositories.maintenance import RepositoryMaintenance
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.reconciliation import SnapshotsByBackup, snapshot_ids
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_creation import RepositoryMaker
from kronkeep_daemon.repositories.repository_index import RepositoryIndex
from kronkeep_daemon.restic import cat, check, forget
from kronkeep_daemon.restic import copy as restic_copy
from kronkeep_daemon.storages.service import StorageService, require_unmoved
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
ROLE = "move"
BACKUPS_PER_JOB = 25  # archives of the target wait while one Job copies
MOST_ROUNDS = 5  # of copying before new archives go to the new repositories
LIST_SECONDS = 900.0
LONG_SECONDS = 86400.0
RETRY_SECONDS = 300.0  # after a fault
STRAGGLER_SECONDS = 5.0  # between two looks at archives that still go to an old repository
IDS_PER_COMMAND = 200
_CANCELLABLE = (MoveState.COPYING, MoveState.CHECKING)


class LayoutMoves:
    """The moves of storages; of each storage one at a time."""

    def __init__(
        self,
        *,
        storages: StorageService,
        records: BackupRecords,
        copies: MovedCopies,
        history: History,
        index: RepositoryIndex,
        maker: RepositoryMaker,
        maintenance: RepositoryMaintenance,
        reconciliation: SnapshotReconciliation,
        retention: RetentionService,
        queues: RepositoryQueues,
        clock: Clock,
        supervisor: Supervisor,
    ) -> None:
        self._storages = storages
        self._records = records
        self._copies = copies
        self._history = history
        self._index = index
        self._maker = maker
        self._maintenance = maintenance
        self._reconciliation = reconciliation
        self._retention = retention
        self._queues = queues
        self._clock = clock
        self._supervisor = supervisor
        self._wake = asyncio.Event()
        self._steps: Mapping[MoveState, Callable[[str], Awaitable[None]]] = {
            MoveState.COPYING: self._copy_while_archives_go_on,
            MoveState.CHECKING: self._copy_rest_and_read,
            MoveState.POINTING: self._point_records,
            MoveState.REMOVING: self._remove_superseded,
        }

    def resume(self) -> None:
        """Continue the moves that a stop of the daemon interrupted."""
        for storage in self._storages.list():
            if storage.is_moving:
                self._start(storage.id)

    async def plan(self, name: str, layout: Layout) -> MovePlan:
        """Return what a move to the layout would copy; raise StorageNotFound."""
        return moved_backups.describe_plan(await self._group(self._storages.get(name), layout), layout)

    async def begin(self, name: str, layout: Layout) -> BackupStorage:
        """Begin to move the storage's backups to the layout, which new archives get once most are copied.

        Raises StorageNotFound, NotAllowedNow.
        """
        storage = self._storages.require_active(name)
        require_unmoved(storage)
        if storage.move is not None and storage.move.state is MoveState.KEPT:
            raise NotAllowedNow(
                f"The originals of the last move of {name} are still there.",
                next_step=f"Remove them first: kronkeep storage move {name} --remove-old.",
            )
        plan = await self.plan(name, layout)
        if plan.backups == 0 and layout == storage.layout:
            raise NotAllowedNow(
                f"All backups of {name} are in the layout {layout} already.",
                next_step="Nothing is left to move.",
            )
        storage = self._storages.require_active(name)
        require_unmoved(storage)
        move = LayoutMove(
            layout=layout,
            from_layout=storage.layout,
            state=MoveState.COPYING,
            created_at=self._clock.now(),
            backups=plan.backups,
        )
        storage = await self._storages.save(storage, msgspec.structs.replace(storage, move=move))
        self._start(name)
        return storage

    async def remove_old(self, name: str) -> BackupStorage:
        """Begin to remove the originals of a move whose copies were verified; raise NotAllowedNow."""
        if self._move_of(name).state is not MoveState.KEPT:
            raise NotAllowedNow(f"The storage {name} has no originals of a move that is done.")
        storage = self._storages.get(name)
        # An archive that began before the move may have ended in an old repository since.
        has_rest = bool(await self._group(storage, self._move_of(name).layout))
        await self._enter(name, MoveState.POINTING if has_rest else MoveState.REMOVING)
        self._start(name)
        return self._storages.get(name)

    async def cancel(self, name: str) -> BackupStorage:
        """Give up a move whose copies no record names yet, and begin to remove them; raise NotAllowedNow."""
        if self._move_of(name).state not in _CANCELLABLE:
            raise NotAllowedNow(f"The move of {name} is {self._move_of(name).state}: it cannot be cancelled.")
        await self._note(name, is_cancelled=True)
        self._wake.set()
        self._start(name)
        return self._storages.get(name)

    def _start(self, name: str) -> None:
        task = f"move of {name}"
        if not self._supervisor.running(task):
            self._supervisor.start(task, partial(self._run, name), death="quiet")

    async def _run(self, name: str) -> None:
        """Do what the states say, one after the other; what fails is tried again after a pause."""
        while (state := self._move_of(name).state) in self._steps:
            try:
                if self._move_of(name).is_cancelled and state in _CANCELLABLE:
                    await self._go_back(name)
                else:
                    await self._steps[state](name)
            except KronkeepError as fault:
                log.warning("the move of %s: %s", name, fault)
                await self._note(name, message=fault.message, next_step=fault.next_step)
                await self._pause(RETRY_SECONDS)

    async def _pause(self, seconds: float) -> None:
        """Wait until the time is over or a move is cancelled."""
        self._wake.clear()
        waiting = [
            asyncio.ensure_future(self._wake.wait()),
            asyncio.ensure_future(self._clock.sleep(seconds)),
        ]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()

    def _move_of(self, name: str) -> LayoutMove:
        move = self._storages.get(name).move
        if move is None:
            raise NotAllowedNow(f"The storage {name} is not being moved to another layout.")
        return move

    async def _note(self, name: str, **fields: object) -> None:
        storage = self._storages.get(name)
        changed = msgspec.structs.replace(self._move_of(name), **fields)
        await self._storages.save(storage, msgspec.structs.replace(storage, move=changed))

    async def _enter(
        self, name: str, state: MoveState, *, layout: Layout | None = None, **fields: object
    ) -> None:
        """Record the next state, and with it the layout of new archives; raise ValueError for a wrong one."""
        old = self._move_of(name)
        if not may_follow(MOVE_TRANSITIONS, old.state, state):
            raise ValueError(f"a move that is {old.state} cannot become {state}")
        move = msgspec.structs.replace(old, state=state, message=None, next_step=None, **fields)
        storage = self._storages.get(name)
        await self._storages.save(
            storage, msgspec.structs.replace(storage, move=move, layout=layout or storage.layout)
        )

    async def _group(self, storage: BackupStorage, layout: Layout) -> list[MovedGroup]:
        backups = [backup async for backup in self._records.iter_in_storage(storage.id)]
        own = await asyncio.to_thread(moved_backups.group_backups, backups, storage, layout)
        return [*own, *await self._copies.group(storage, layout)]

    async def _go_back(self, name: str) -> None:
        """Let new archives go to the old layout again, and remove the copies."""
        await self._enter(name, MoveState.REMOVING, layout=self._move_of(name).from_layout)

    async def _copy_while_archives_go_on(self, name: str) -> None:
        """Copy what there is, again until nothing new has come meanwhile."""
        for _ in range(MOST_ROUNDS):
            if not await self._copy_all(name):
                break
        if not self._move_of(name).is_cancelled:
            await self._enter(name, MoveState.CHECKING, layout=self._move_of(name).layout)

    async def _copy_all(self, name: str) -> int:
        """Copy each backup that its new repository does not show; return how many that were."""
        layout = self._move_of(name).layout
        copied = 0
        for group in await self._group(self._storages.get(name), layout):
            copied += await self._copy_group(name, group)
        return copied

    async def _copy_group(self, name: str, group: MovedGroup) -> int:
        both = group.target.with_source(group.source)
        began_at = self._move_of(name).created_at.isoformat()
        await self._maker.make_if_missing(both, ROLE, began_at)
        async with self._queues.hold_for_reading(group.source.id, ROLE):
            await self._reconciliation.list_and_apply(group.source)
        listed = await self._list(group.target)
        lacking = [each for each in group.backups if moved_backups.find_result(each, listed) is None]
        for start in range(0, len(lacking), BACKUPS_PER_JOB):
            if self._move_of(name).is_cancelled:
                break
            page = lacking[start : start + BACKUPS_PER_JOB]
            await self._copy_page(group, page)
            count = self._move_of(name).copied + len(page)
            backups = max(count, self._move_of(name).backups)
            await self._note(name, copied=count, backups=backups, message=None, next_step=None)
        return len(lacking)

    async def _list(self, repository: Repository) -> SnapshotsByBackup:
        async with self._queues.hold_for_reading(repository.id, ROLE):
            listed = await self._maintenance.run_and_list("list", [], repository, LIST_SECONDS)
        return reconciliation.group_by_backup(listed.snapshots)

    async def _copy_page(self, group: MovedGroup, backups: list[BackupExecution]) -> None:
        """Copy some backups in one Job, which then shows what the new repository has."""
        current = [self._find_record(group.source, backup.id) for backup in backups]
        present = [each for each in current if each is not None and each.snapshot_state == "present"]
        ids = [snapshot_id for backup in present for snapshot_id in snapshot_ids(backup)]
        if not ids:
            return
        source_id = self._index.id_of(group.source)
        steps: Steps = [
            (SOURCE_STEP, restic_copy.on_source(cat.argv(source_id, lock=False))),
            (COPY_STEP, restic_copy.argv(ids, encrypted=group.source.encrypted)),
        ]
        async with (
            self._queues.hold_exclusively(group.target.id, ROLE),
            self._queues.hold_for_reading(group.source.id, ROLE),
        ):
            both = group.target.with_source(group.source)
            done = await self._maintenance.run_and_list(ROLE, steps, both, LONG_SECONDS)
        listed = reconciliation.group_by_backup(done.snapshots)
        _require_copied(present, listed)

    async def _copy_rest_and_read(self, name: str) -> None:
        """Copy what was archived meanwhile, and read all data of the new repositories."""
        while await self._count_stragglers(name):
            if self._move_of(name).is_cancelled:
                return
            await self._pause(STRAGGLER_SECONDS)
        await self._copy_all(name)
        storage = self._storages.get(name)
        groups = await self._group(storage, self._move_of(name).layout)
        targets = {group.target.id: group.target for group in groups}
        for target in targets.values():
            await self._read_data(name, target, moved_backups.count_bytes(storage, groups))
        if not self._move_of(name).is_cancelled:
            await self._enter(name, MoveState.POINTING)

    async def _count_stragglers(self, name: str) -> int:
        """Return how many archives that have not ended go to an old repository."""
        storage = self._storages.get(name)
        layout = self._move_of(name).layout
        copies = await self._copies.count_running_elsewhere(storage, layout)
        return copies + len(
            [
                backup
                async for backup in self._records.iter_in_storage(name)
                if not is_final(BACKUP_TRANSITIONS, backup.status)
                and moved_backups.is_elsewhere(backup, storage, layout)
            ]
        )

    async def _read_data(self, name: str, repository: Repository, size: int) -> None:
        """Read the data of a repository, of at most `size` bytes; raise StorageFailed where it is damaged."""
        while (read := self._move_of(name).read_parts.get(repository.id, 0)) < READ_PARTS:
            if self._move_of(name).is_cancelled:
                return
            subset = moved_backups.choose_subset(read, size)
            await self._maintenance.run_exclusively("data", check.steps(subset), repository, LONG_SECONDS)
            done = READ_PARTS * subset.part // subset.parts
            parts = {**self._move_of(name).read_parts, repository.id: done}
            await self._note(name, read_parts=parts, message=None, next_step=None)

    async def _point_records(self, name: str) -> None:
        """Let the record of each backup name its copy, which the new repository shows now."""
        await self._copy_all(name)
        layout = self._move_of(name).layout
        for group in await self._group(self._storages.get(name), layout):
            listed = await self._list(group.target)
            _require_copied(group.backups, listed)
            for backup in group.backups:
                await self._point_record(group, backup.id, layout, listed)
        await self._enter(name, MoveState.KEPT, read_parts={})
        if self._move_of(name).backups == 0:
            await self._enter(name, MoveState.REMOVING)

    async def _point_record(
        self, group: MovedGroup, backup_id: str, layout: Layout, listed: SnapshotsByBackup
    ) -> None:
        current = self._find_record(group.source, backup_id)
        result = moved_backups.find_result(current, listed) if current is not None else None
        if result is None:
            return
        if group.source.first_storage_id:
            await self._copies.point(backup_id, group.source.storage.id, layout, result)
        else:
            await self._records.change(backup_id, layout=layout, result=result)

    def _find_record(self, repository: Repository, backup_id: str) -> BackupExecution | None:
        """Return the record of a backup, or of its copy where the repository has copies."""
        if repository.first_storage_id:
            return self._copies.find(backup_id, repository.storage.id)
        return self._history.backups.get(backup_id)

    async def _remove_superseded(self, name: str) -> None:
        """Forget what the repository that a record names shows, too, and free the space."""
        every = self._index.repositories_of(self._storages.get(name))
        repositories = [repository for repository in every if not repository.is_of_history]
        shown = {repository.id: await self._list(repository) for repository in repositories}
        for repository in repositories:
            await self._remove_from(repository, shown)
        await self._enter(name, MoveState.DONE, ended_at=self._clock.now())
        try:
            await self._retention.prune(name)
        except KronkeepError as fault:
            log.warning("the space of the originals in %s is freed by a later prune: %s", name, fault)

    async def _remove_from(self, repository: Repository, shown: Mapping[str, SnapshotsByBackup]) -> None:
        """Forget the superseded snapshots of one repository; no record names them.

        shown: what the repositories of the storage have.
        """
        superseded = moved_backups.choose_superseded(
            repository,
            shown[repository.id],
            find_record=partial(self._find_record, repository),
            shown_in=partial(_snapshots_shown_in, shown),
        )
        for start in range(0, len(superseded), IDS_PER_COMMAND):
            steps = [("forget", forget.argv(superseded[start : start + IDS_PER_COMMAND]))]
            await self._maintenance.run_exclusively("forget", steps, repository, LONG_SECONDS)
            await self._index.record(repository, forgotten_at=self._clock.now())


def _snapshots_shown_in(shown: Mapping[str, SnapshotsByBackup], repository_id: str) -> SnapshotsByBackup:
    return shown.get(repository_id, {})


def _require_copied(backups: Iterable[BackupExecution], listed: SnapshotsByBackup) -> None:
    """Raise StorageFailed where the new repository does not show one of the backups."""
    lacking = [backup.id for backup in backups if moved_backups.find_result(backup, listed) is None]
    if lacking:
        reason = Reason.COPY_INCOMPLETE
        message = f"{reason.meaning} It lacks the backups {', '.join(lacking[:5])}."
        raise StorageFailed(message, next_step=reason.next_step, reason=reason)
