"""The repositories that kronkeep has created or used: which exist, and which have something to prune."""

from datetime import datetime
from statistics import median

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.models import BackupStorage, SecretKeyRef
from kronkeep_common.models.base import Record
from kronkeep_common.models.storage import StorageRepository
from kronkeep_daemon.events import Bus, RepositoryMade
from kronkeep_daemon.history import History, Records, time_repair
from kronkeep_daemon.repositories.repository import PolicyKey, Repository

MOST_FIRST_BYTES = 5
FEWEST_FIRST_BYTES = 3


class RepositoryEntry(Record, frozen=True, kw_only=True):
    """A repository that exists.

    `cluster` (its id), `namespace` and `key` name the Secret of a policy's own key; empty without one.
    `repository_id` is restic's own id of it, from its creation; another one in its place is not used.
    `first_bytes` are after how many seconds restic read the first file in its newest archives. `forgotten_at`
    and `pruned_at` are the last `restic forget` and `restic prune`.
    """

    id: str
    created_at: datetime
    storage_id: str
    folder: str = ""
    cluster: str = ""
    namespace: str = ""
    key: SecretKeyRef | None = None
    encrypted: bool = True
    repository_id: str = ""
    first_bytes: tuple[float, ...] = ()
    forgotten_at: datetime | None = None
    pruned_at: datetime | None = None

    def in_storage(self, storage: BackupStorage) -> Repository:
        """Return the repository of this entry."""
        key = PolicyKey(self.cluster, self.namespace, self.key) if self.key else None
        return Repository(storage=storage, folder=self.folder, key=key, encrypted=self.encrypted)

    def needs_prune(self, slot: datetime) -> bool:
        """Whether something was forgotten before the slot, and nothing was pruned since."""
        if self.forgotten_at is None or self.forgotten_at >= slot:
            return False
        return self.pruned_at is None or self.pruned_at < self.forgotten_at


def _describe(repository: Repository, entry: RepositoryEntry | None, limit: float) -> StorageRepository:
    first_bytes = entry.first_bytes if entry is not None else ()
    seconds = median(first_bytes) if len(first_bytes) >= FEWEST_FIRST_BYTES else None
    return StorageRepository(
        id=repository.id,
        layout=repository.layout,
        copies_of=repository.first_storage_id or None,
        has_own_password=repository.has_own_password,
        created_at=entry.created_at if entry is not None else None,
        first_byte_seconds=seconds,
        is_crowded=seconds is not None and seconds > limit,
        forgotten_at=entry.forgotten_at if entry is not None else None,
        pruned_at=entry.pruned_at if entry is not None else None,
    )


class RepositoryIndex:
    """The table of repositories."""

    def __init__(self, history: History, clock: Clock, bus: Bus) -> None:
        self._history = history
        self._clock = clock
        self._bus = bus
        self._entries: Records[RepositoryEntry] = Records(history.table("repositories"), RepositoryEntry)

    def contains(self, repository: Repository) -> bool:
        """Whether the repository was created, by its storage or before; a lost one is not created again."""
        return not repository.folder or self._entries.get(repository.id) is not None

    async def record(self, repository: Repository, **times: datetime) -> None:
        """Record that the repository exists, and when something was forgotten or pruned in it."""
        await self._put(repository, **times)

    async def record_id(self, repository: Repository, repository_id: str) -> None:
        """Record that the repository exists, and which id restic gave it."""
        await self._put(repository, repository_id=repository_id)

    async def _put(self, repository: Repository, **fields: object) -> None:
        known = self._entries.get(repository.id)
        self._entries.put(msgspec.structs.replace(known or self._new_entry(repository), **fields))
        await self._history.commit()
        if known is None:
            self._bus.publish(RepositoryMade(repository.storage.id))

    def id_of(self, repository: Repository) -> str:
        """Return the id that restic gave the repository; empty where it is not known."""
        entry = self._entries.get(repository.id)
        return entry.repository_id if entry is not None else ""

    def note_first_byte(self, repository: Repository, seconds: float) -> None:
        """Note after how many seconds an archive began to read; the next commit includes it."""
        entry = self._entries.get(repository.id) or self._new_entry(repository)
        first_bytes = (*entry.first_bytes, seconds)[-MOST_FIRST_BYTES:]
        self._entries.put(msgspec.structs.replace(entry, first_bytes=first_bytes))

    def describe(self, storage: BackupStorage, limit: float) -> list[StorageRepository]:
        """Return what is known of the storage's repositories; those that begin late are crowded.

        limit: how many seconds an archive may take until it reads the first file.
        """
        return [
            _describe(repository, self._entries.get(repository.id), limit)
            for repository in self.repositories_of(storage)
        ]

    def correct_times(self, now: datetime) -> int:
        """Correct what a clock that was ahead has dated; return how many entries that were."""
        return time_repair.correct_all(self._entries, now)

    def _new_entry(self, repository: Repository) -> RepositoryEntry:
        key = repository.key
        return RepositoryEntry(
            id=repository.id,
            created_at=self._clock.now(),
            storage_id=repository.storage.id,
            folder=repository.folder,
            cluster=key.cluster if key else "",
            namespace=key.namespace if key else "",
            key=key.ref if key else None,
            encrypted=repository.encrypted,
        )

    def _entries_of(self, storage_id: str) -> list[RepositoryEntry]:
        return [entry for entry in self._entries.all() if entry.storage_id == storage_id]

    def repositories_of(self, storage: BackupStorage) -> list[Repository]:
        """Return the storage's own repository, then those of policies in folders below it."""
        below = [entry.in_storage(storage) for entry in self._entries_of(storage.id) if entry.folder]
        return [Repository(storage=storage), *below]

    def needs_prune(self, storage_id: str, slot: datetime) -> bool:
        """Whether any of the storage's repositories needs a prune at the slot."""
        return any(entry.needs_prune(slot) for entry in self._entries_of(storage_id))
