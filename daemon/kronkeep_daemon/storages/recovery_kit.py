"""The recovery kit of a storage: all that opens its repositories without kronkeep, and without the cluster.

Its fingerprint is made of the passwords, so that only whoever has the kit knows it; of it the record keeps a
hash. After 90 days somebody has to type it in again, which shows that the kit can still be found. A
repository that is made after the kit is not in it, and a rotation of the passwords makes it useless: then
another is due at once.
"""

import asyncio
import hashlib
import hmac

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import InvalidRequest, NotAllowedNow
from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage import KitOutdated, KitRepository, RecoveryKit
from kronkeep_daemon.events import Bus, RepositoryMade
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_index import RepositoryIndex
from kronkeep_daemon.repositories.repository_secrets import RepositorySecrets, SecretData
from kronkeep_daemon.storage_kinds.access import KEYS, MOUNT
from kronkeep_daemon.storages.service import StorageService
from kronkeep_daemon.supervisor import Supervisor

MOST_READS = 3  # of the Secrets, while a rotation takes a step meanwhile
GROUPS = 4  # of four hexadecimal digits: 64 bits


class RecoveryKits:
    """The recovery kits of storages; nothing of them but a hash is kept."""

    def __init__(
        self,
        *,
        storages: StorageService,
        index: RepositoryIndex,
        secrets: RepositorySecrets,
        bus: Bus,
        clock: Clock,
        supervisor: Supervisor,
    ) -> None:
        self._storages = storages
        self._index = index
        self._secrets = secrets
        self._clock = clock
        self._supervisor = supervisor
        self._wake = asyncio.Event()
        bus.trigger(self._wake, RepositoryMade)

    async def make(self, name: str) -> RecoveryKit:
        """Return the kit of a storage as it is now, and record that it was made.

        Raises StorageNotFound, NotAllowedNow, StorageFailed.
        """
        storage, repositories = await self._read_repositories(name)
        fingerprint = fingerprint_of(repositories)
        now = self._clock.now()
        kit = RecoveryKit(
            storage_id=name,
            kind=storage.kind,
            settings=storage.settings,
            made_at=now,
            fingerprint=fingerprint,
            repositories=tuple(repositories),
        )
        with_kit = msgspec.structs.replace(
            storage,
            kit_made_at=now,
            kit_confirmed_at=None,
            kit_hash=_hash_of(fingerprint),
            kit_repositories=len(repositories),
            kit_outdated=None,
        )
        await self._storages.save(storage, with_kit)
        await self.note_repositories(name)  # one may have been made meanwhile
        return kit

    async def _read_repositories(self, name: str) -> tuple[BackupStorage, list[KitRepository]]:
        """Return a storage and how its repositories are opened; raise NotAllowedNow where that changes.

        A kit of passwords that a rotation has just replaced would pass for one that opens them.
        """
        for _ in range(MOST_READS):
            storage = self._storages.require_active(name)
            repositories = []
            for repository in self._index.repositories_of(storage):
                data = await self._secrets.job_data(repository)
                repositories.append(describe_repository(repository, data))
            current = self._storages.require_active(name)
            if _what_opens(current) == _what_opens(storage):
                return current, repositories
        raise NotAllowedNow(
            f"The passwords or the address of the storage {name} are being changed.",
            next_step="Make the kit once that has ended.",
        )

    async def confirm(self, name: str, fingerprint: str) -> BackupStorage:
        """Record that somebody has the newest kit, by its fingerprint; raise InvalidRequest for another."""
        storage = self._storages.require_active(name)
        typed = normalize(fingerprint)
        if storage.kit_hash is None or not hmac.compare_digest(_hash_of(typed), storage.kit_hash):
            raise InvalidRequest(
                "That is not the fingerprint of the storage's newest recovery kit.",
                next_step=f"Look at the kit; where it is lost: kronkeep storage recovery-kit {name}.",
                field="fingerprint",
            )
        if storage.kit_outdated is not None:
            raise InvalidRequest(
                storage.kit_outdated.sentence,
                next_step=f"Make a new one: kronkeep storage recovery-kit {name}.",
                field="fingerprint",
            )
        return await self._storages.save(
            storage, msgspec.structs.replace(storage, kit_confirmed_at=self._clock.now())
        )

    def start(self) -> None:
        """Start the task that notes what the newest kits lack, now and after each new repository."""
        self._supervisor.start("recovery kits", self._look_forever, death="restart")

    async def _look_forever(self) -> None:
        while True:
            self._wake.clear()
            for storage in self._storages.list():
                await self.note_repositories(storage.id)
            await self._wake.wait()

    async def note_repositories(self, name: str) -> None:
        """Record on the storage how many repositories its newest kit lacks."""
        storage = self._storages.find(name)
        if storage is None or storage.kit_made_at is None:
            return
        lacking = len(self._index.repositories_of(storage)) - storage.kit_repositories
        outdated = storage.kit_outdated
        if lacking <= 0 or (outdated is not None and outdated.repositories == lacking):
            return
        at = outdated.at if outdated is not None else self._clock.now()
        outdated = KitOutdated(at=at, cause="repository", repositories=lacking)
        await self._storages.save(storage, msgspec.structs.replace(storage, kit_outdated=outdated))


def _what_opens(storage: BackupStorage) -> tuple[object, ...]:
    """Return what a kit depends on, in so far as the storage's record has it."""
    return storage.settings, storage.password, storage.credentials, storage.rotation, storage.kit_outdated


def describe_repository(repository: Repository, data: SecretData) -> KitRepository:
    """Return how a repository is opened by hand; files of the Secret are named where restic looks for them.

    data: what a Job's Secret has.
    """
    access = repository.access
    texts = {key: value.decode(errors="replace") for key, value in data.items()}
    address = access.address
    for key in access.secret_environment:
        address = address.replace(f"$({key})", texts[key])
    variables = {key: texts[key] for key in access.secret_environment if f"$({key})" not in access.address}
    return KitRepository(
        address=address,
        is_mounted=address == MOUNT or address.startswith(f"{MOUNT}/"),
        password=texts["password"] if repository.encrypted else None,
        environment={**variables, **access.environment},
        files={f"{KEYS}/{key}": texts[key] for key in access.secret_files},
        options=access.options,
    )


def fingerprint_of(repositories: list[KitRepository]) -> str:
    """Return four groups of four digits that depend on each password and address."""
    digest = hashlib.sha256(b"recovery kit")
    for repository in sorted(repositories, key=_address_of):
        for text in (repository.address, repository.password or ""):
            digest.update(hashlib.sha256(text.encode()).digest())
    digits = digest.hexdigest()
    return "-".join(digits[4 * number : 4 * number + 4] for number in range(GROUPS))


def _address_of(repository: KitRepository) -> str:
    return repository.address


def normalize(fingerprint: str) -> str:
    """Return a fingerprint as it is made, however somebody has typed it."""
    digits = "".join(each for each in fingerprint.lower() if each in "0123456789abcdef")
    return "-".join(digits[start : start + 4] for start in range(0, len(digits), 4))


def _hash_of(fingerprint: str) -> str:
    return hashlib.sha256(f"fingerprint {fingerprint}".encode()).hexdigest()
