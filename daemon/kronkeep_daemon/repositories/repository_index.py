"""The repositories that kronkeep has made or used, kept: which are there, which have something to prune."""

from datetime import datetime

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.models import BackupStorage, SecretKeyRef
from kronkeep_common.models.base import Record
from kronkeep_daemon.history import History, Records
from kronkeep_daemon.repositories.repository import PolicyKey, Repository


class RepositoryEntry(Record, frozen=True, kw_only=True):
    """A repository that is there; `cluster`, `namespace` and `key` name the Secret of a policy's own.

    Records of before there were several clusters have no `cluster`: it is the storage's.
    """

    id: str
    created_at: datetime
    storage_id: str
    folder: str = ""
    cluster: str = ""
    namespace: str = ""
    key: SecretKeyRef | None = None
    encrypted: bool = True
    forgotten_at: datetime | None = None
    pruned_at: datetime | None = None


class RepositoryIndex:
    """The table of repositories."""

    def __init__(self, history: History, clock: Clock) -> None:
        self._history = history
        self._clock = clock
        self._table: Records[RepositoryEntry] = Records(history.table("repositories"), RepositoryEntry)

    def contains(self, repository: Repository) -> bool:
        """Whether it was made; one that was and is gone is not made again by itself."""
        return not repository.folder or self._table.get(repository.id) is not None

    async def record(self, repository: Repository, **fields: datetime) -> None:
        """Keeps that the repository is there, with what was done to it."""
        old = self._table.get(repository.id) or RepositoryEntry(
            id=repository.id,
            created_at=self._clock.now(),
            storage_id=repository.storage.id,
            folder=repository.folder,
            cluster=repository.key.cluster if repository.key else "",
            namespace=repository.key.namespace if repository.key else "",
            key=repository.key.ref if repository.key else None,
            encrypted=repository.encrypted,
        )
        self._table.put(msgspec.structs.replace(old, **fields))
        await self._history.commit()

    def repositories_of(self, storage: BackupStorage) -> list[Repository]:
        """The storage's own repository and those below it."""
        kept = [r for r in self._table.all() if r.storage_id == storage.id and r.folder]
        return [
            Repository(storage=storage),
            *(
                Repository(storage=storage, folder=r.folder, key=_key_of(r, storage), encrypted=r.encrypted)
                for r in kept
            ),
        ]

    def needs_prune(self, storage_id: str, slot: datetime) -> bool:
        """Whether something was forgotten before the slot, and nothing was pruned since."""
        return any(
            r.forgotten_at is not None
            and r.forgotten_at < slot
            and (r.pruned_at is None or r.pruned_at < r.forgotten_at)
            for r in self._table.all()
            if r.storage_id == storage_id
        )


def _key_of(known: RepositoryEntry, storage: BackupStorage) -> PolicyKey | None:
    return PolicyKey(known.cluster or storage.cluster, known.namespace, known.key) if known.key else None
