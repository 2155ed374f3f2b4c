"""Rotation of a storage's passwords: new keys beside the old ones, the Secrets swapped, the old keys removed.

Each step is recorded before the next begins and may be repeated, so a daemon that was killed at any point
goes on from the record. At every moment what is in the Secret opens the repositories: the new password is in
them before the Secret has it, and the old one is removed only once they were opened with what the Secret has
then.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError, NotAllowedNow, StorageFailed
from kronkeep_common.models import BackupStorage, SecretKeyRef
from kronkeep_common.models.storage import KeyRotation, KitOutdated
from kronkeep_common.reasons import Reason
from kronkeep_common.states import ROTATION_TRANSITIONS, RotationState, may_follow
from kronkeep_daemon.jobs.outcome import FinishedJob
from kronkeep_daemon.repositories.job_manifests import Steps
from kronkeep_daemon.repositories.maintenance import RepositoryMaintenance
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_creation import CREATION
from kronkeep_daemon.repositories.repository_index import RepositoryIndex
from kronkeep_daemon.restic import key_changes
from kronkeep_daemon.storages.rotated_secrets import RotatedSecrets, next_password, previous_password
from kronkeep_daemon.storages.service import StorageService
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
TASK = "rotate-key"
SECONDS = 1800.0


class KeyRotations:
    """The rotations of storages' passwords; of each storage one at a time."""

    def __init__(
        self,
        *,
        storages: StorageService,
        index: RepositoryIndex,
        maintenance: RepositoryMaintenance,
        secrets: RotatedSecrets,
        queues: RepositoryQueues,
        clock: Clock,
        supervisor: Supervisor,
    ) -> None:
        self._storages = storages
        self._index = index
        self._maintenance = maintenance
        self._secrets = secrets
        self._queues = queues
        self._clock = clock
        self._supervisor = supervisor
        self._locks: dict[str, asyncio.Lock] = {}
        self._steps: Mapping[RotationState, Callable[[BackupStorage], Awaitable[None]]] = {
            RotationState.PREPARING: self._prepare,
            RotationState.ADDING: self._add_keys,
            RotationState.SWAPPING: self._swap_secrets,
            RotationState.OPENING: self._open_with_new,
            RotationState.REMOVING: self._remove_old_keys,
        }

    def resume(self) -> None:
        """Continue the rotations that a stop of the daemon interrupted."""
        for storage in self._storages.list():
            if storage.rotation is not None and storage.rotation.state is not RotationState.DONE:
                work = partial(self._try_again, storage.id)
                self._supervisor.start(f"{TASK} {storage.id}", work, death="quiet")

    async def _try_again(self, name: str) -> None:
        try:
            await self.rotate(name)
        except KronkeepError as fault:
            log.warning("the rotation of the key of %s: %s", name, fault)

    async def rotate(self, name: str) -> BackupStorage:
        """Give the storage's repositories a new password, or continue a rotation that has not ended.

        What was done stays, and the next call continues.
        Raises StorageNotFound, NotAllowedNow, StorageFailed.
        """
        async with self._locks.setdefault(name, asyncio.Lock()):
            storage = self._storages.require_active(name)
            if storage.rotation is None or storage.rotation.state is RotationState.DONE:
                storage = await self._begin(storage)
            while (state := self._rotation_of(name).state) in self._steps:
                try:
                    await self._steps[state](self._storages.get(name))
                except KronkeepError as fault:
                    await self._note(name, message=fault.message, next_step=fault.next_step)
                    raise
            return self._storages.get(name)

    def _rotation_of(self, name: str) -> KeyRotation:
        rotation = self._storages.get(name).rotation
        if rotation is None:
            raise NotAllowedNow(f"The storage {name} was made again meanwhile.")
        return rotation

    async def _begin(self, storage: BackupStorage) -> BackupStorage:
        rotation = KeyRotation(state=RotationState.PREPARING, created_at=self._clock.now())
        return await self._storages.save(storage, msgspec.structs.replace(storage, rotation=rotation))

    async def _note(self, name: str, **fields: object) -> None:
        storage = self._storages.get(name)
        changed = msgspec.structs.replace(self._rotation_of(name), **fields)
        await self._storages.save(storage, msgspec.structs.replace(storage, rotation=changed))

    async def _enter(self, name: str, state: RotationState, **fields: object) -> None:
        """Record the next state; raise ValueError for one that may not follow."""
        old = self._rotation_of(name).state
        if not may_follow(ROTATION_TRANSITIONS, old, state):
            raise ValueError(f"a rotation that is {old} cannot become {state}")
        await self._note(name, state=state, message=None, next_step=None, **fields)

    async def _prepare(self, storage: BackupStorage) -> None:
        """Make the new passwords."""
        await self._secrets.make_next(storage, self._repositories_of(storage))
        await self._enter(storage.id, RotationState.ADDING)

    def _repositories_of(self, storage: BackupStorage) -> list[Repository]:
        """Return the repositories that passwords of the storage open: its own one, or one of theirs."""
        every = self._index.repositories_of(storage)
        return [repository for repository in every if repository.key is None and repository.encrypted]

    async def _add_keys(self, storage: BackupStorage) -> None:
        """Let the new password open each repository, and record the keys of the old one."""
        new = await self._secrets.read_next(storage)
        for repository in self._repositories_of(storage):
            other = next_password(repository)
            if other.key in new:
                await self._ensure(repository, other, new=key_changes.OTHER, old="password")
        await self._enter(storage.id, RotationState.SWAPPING)

    async def _ensure(self, repository: Repository, other: SecretKeyRef, *, new: str, old: str) -> None:
        """Let the password in the file `new` open a repository; record the key of that in `old`."""
        name = repository.storage.id
        steps = [
            ("old-key", key_changes.list_argv(old)),
            ("new-key", key_changes.ensure_argv(new=new, old=old)),
        ]
        finished = await self._run(repository.with_other_password(other), steps)
        listed = finished.container("old-key")
        key_id = key_changes.parse_current(listed.log) if listed is not None else None
        if key_id is None:
            raise StorageFailed(
                f"restic did not list the keys of {repository.id}.", reason=Reason.LISTING_UNREADABLE
            )
        await self._note(name, old_keys={**self._rotation_of(name).old_keys, repository.id: key_id})

    async def _run(self, repository: Repository, steps: Steps) -> FinishedJob:
        async with self._queues.hold_exclusively(repository.id, TASK):
            return await self._maintenance.run(TASK, steps, repository, SECONDS)

    async def _swap_secrets(self, storage: BackupStorage) -> None:
        """Put the new passwords into the storage's Secrets, with the old ones beside them."""
        await self._secrets.swap(storage)
        await self._enter(storage.id, RotationState.OPENING)

    async def _open_with_new(self, storage: BackupStorage) -> None:
        """Open each repository with what the Secrets have now.

        One that was made meanwhile gets the key of the storage's new password; a password of its own is new.
        """
        await self._wait_for_creations(storage)
        new = await self._secrets.read_next(storage)
        known = self._rotation_of(storage.id).old_keys
        for repository in self._repositories_of(storage):
            if repository.id in known or next_password(repository).key not in new:
                await self._run(repository, [])
            else:
                other = previous_password(repository)
                await self._ensure(repository, other, new="password", old=key_changes.OTHER)
        await self._enter(storage.id, RotationState.REMOVING)

    async def _wait_for_creations(self, storage: BackupStorage) -> None:
        """Wait until each repository that is being created in the storage is in the index.

        Its Job may have got the old password; one that begins now gets the new one.
        """
        for queued in self._queues.list_work():
            name = queued.work.repository
            if queued.work.task == CREATION and name.startswith(f"{storage.id}/"):
                async with self._queues.hold_exclusively(name, TASK):
                    log.info("%s was created while the password of %s was changed", name, storage.id)

    async def _remove_old_keys(self, storage: BackupStorage) -> None:
        """Remove the old keys, then the old passwords and the Secret that had the new ones."""
        old_keys = self._rotation_of(storage.id).old_keys
        for repository in self._repositories_of(storage):
            key_id = old_keys.get(repository.id)
            if key_id is not None:
                steps = [("remove-key", key_changes.remove_argv(key_id))]
                await self._run(repository.for_deleting(), steps)
        await self._secrets.remove_previous(storage)
        await self._end(storage.id)

    async def _end(self, name: str) -> None:
        """Record that every kit that was made before is useless, then the end; both again after a kill."""
        now = self._clock.now()
        storage = self._storages.get(name)
        without_kit = msgspec.structs.replace(
            storage,
            kit_made_at=None,
            kit_confirmed_at=None,
            kit_hash=None,
            kit_outdated=KitOutdated(at=now, cause="rotation"),
        )
        await self._storages.save(storage, without_kit)
        await self._enter(name, RotationState.DONE, ended_at=now, old_keys={})
