"""Change of the address of a storage: each of its repositories must be there, by its id.

A repository is known by restic's own id of it, which was recorded at its creation. The ids at the new address
are compared while nothing else of ours works on the repositories, and only then is the record changed.
"""

from contextlib import AsyncExitStack

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import InvalidRequest, NotAllowedNow, StorageInUse
from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage import KitOutdated, StorageAddress
from kronkeep_common.states import RotationState, StorageStatus
from kronkeep_daemon import storage_kinds
from kronkeep_daemon.repositories.maintenance import RepositoryMaintenance
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_creation import opening_steps
from kronkeep_daemon.repositories.repository_index import RepositoryIndex
from kronkeep_daemon.repositories.repository_jobs import RepositoryJobs
from kronkeep_daemon.repositories.repository_secrets import RepositorySecrets
from kronkeep_daemon.storages.service import StorageService

TASK = "address"
SECONDS = 180.0  # for one repository


class AddressChanges:
    """Changes of the settings and credentials by which storages are reached."""

    def __init__(
        self,
        *,
        storages: StorageService,
        index: RepositoryIndex,
        jobs: RepositoryJobs,
        maintenance: RepositoryMaintenance,
        secrets: RepositorySecrets,
        queues: RepositoryQueues,
        clock: Clock,
    ) -> None:
        self._storages = storages
        self._index = index
        self._jobs = jobs
        self._maintenance = maintenance
        self._secrets = secrets
        self._queues = queues
        self._clock = clock

    async def check(self, name: str, address: StorageAddress) -> BackupStorage:
        """Return what the storage would be at the address, before its repositories are looked at.

        Raises StorageNotFound, NotAllowedNow, StorageInUse, and InvalidRequest for settings or a Secret that
        are wrong, or that are those of now.
        """
        storage = self._storages.get(name)
        self._require_idle(storage)
        typed = storage_kinds.parse_settings(storage.kind, address.settings)
        credentials = address.credentials or storage.credentials
        cluster = self._jobs.cluster_of(storage)
        keys = await self._secrets.require_keys(cluster, storage.kind, typed, credentials)
        await self._secrets.require_maintenance_keys(cluster, storage.maintenance_credentials, keys)
        moved = msgspec.structs.replace(
            storage, settings=msgspec.to_builtins(typed), credentials=credentials, credential_keys=keys
        )
        moved = msgspec.structs.replace(moved, repository=storage_kinds.access_of(moved).address)
        if (moved.settings, moved.credentials) == (storage.settings, storage.credentials):
            raise InvalidRequest(
                f"That is the address of {name} already.",
                next_step="Change a field of its kind, or its credentials.",
                field="settings",
            )
        self._storages.require_servable(moved)
        return moved

    def _require_idle(self, storage: BackupStorage) -> None:
        """Raise NotAllowedNow, StorageInUse while something could still write to the old address."""
        name = storage.id
        if storage.status not in (StorageStatus.ACTIVE, StorageStatus.FAILED):
            raise NotAllowedNow(f"The storage {name} is {storage.status}.")
        if storage.rotation is not None and storage.rotation.state is not RotationState.DONE:
            raise NotAllowedNow(
                f"The rotation of the key of {name} has not ended.",
                next_step=f"kronkeep storage rotate-key {name} continues it.",
            )
        if storage.is_moving:
            raise NotAllowedNow(f"The backups of {name} are being moved to another layout.")
        if self._storages.is_busy(name):
            raise StorageInUse(
                f"A backup, copy or restore of the storage {name} has not ended.",
                next_step="Wait for its end, or cancel it; then change the address again.",
            )

    async def change(self, name: str, address: StorageAddress) -> BackupStorage:
        """Let the storage be at another address once its repositories are found there; return it.

        A storage whose creation failed has no repository yet: it is created at the new address. Raises what
        `check` raises, and StorageFailed where a repository is missing there, or is another one.
        """
        moved = await self.check(name, address)
        repositories = self._index.repositories_of(moved)
        if moved.status is StorageStatus.FAILED and not self._index.id_of(repositories[0]):
            await self._save(moved)
            return await self._storages.retry(name)
        async with AsyncExitStack() as holds:
            for repository in repositories:
                await holds.enter_async_context(self._queues.hold_exclusively(repository.id, TASK))
            for repository in repositories:
                await self._find(repository)
            # A backup that was begun meanwhile waits with the old address.
            self._require_idle(self._storages.get(name))
            changed = await self._save(moved)
        if changed.status is StorageStatus.FAILED:
            return await self._storages.retry(name)
        return changed

    async def _find(self, repository: Repository) -> None:
        """Open a repository at its new address; raise NotAllowedNow, StorageFailed."""
        repository_id = self._index.id_of(repository)
        if not repository_id:
            name = repository.storage.id
            raise NotAllowedNow(
                f"The id of the repository {repository.id} is not known, so it cannot be told from another.",
                next_step=f"kronkeep storage check {name} records it; the address is changed after that.",
            )
        await self._maintenance.run(TASK, opening_steps(repository, repository_id), repository, SECONDS)

    async def _save(self, moved: BackupStorage) -> BackupStorage:
        """Record the address; the last failure and the recovery kit were those of the old one."""
        storage = self._storages.get(moved.id)
        is_active = storage.status is StorageStatus.ACTIVE
        outdated = storage.kit_outdated
        if storage.kit_made_at is not None:
            outdated = KitOutdated(at=self._clock.now(), cause="address")
        changed = msgspec.structs.replace(
            storage,
            settings=moved.settings,
            credentials=moved.credentials,
            credential_keys=moved.credential_keys,
            repository=moved.repository,
            append_only=None,
            append_only_tested_at=None,
            kit_made_at=None,
            kit_confirmed_at=None,
            kit_hash=None,
            kit_outdated=outdated,
            reached_at=self._clock.now() if is_active else storage.reached_at,
            reason=None if is_active else storage.reason,
            message=None if is_active else storage.message,
            next_step=None if is_active else storage.next_step,
        )
        return await self._storages.save(storage, changed)
