"""Makes what a storage needs: its password, its claim, its repository; each step may be taken again."""

import secrets
from collections.abc import Callable

from kronkeep_common.clock import Clock
from kronkeep_common.errors import StorageFailed
from kronkeep_common.models import BackupStorage
from kronkeep_common.reasons import Reason
from kronkeep_daemon import storage_kinds
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.errors import AlreadyExists, NotFoundInCluster
from kronkeep_daemon.repositories import job_manifests, job_names, repository_creation
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_jobs import RepositoryJobs
from kronkeep_daemon.settings import Settings


class StorageProvisioner:
    """Makes storages, each in its own cluster."""

    def __init__(
        self,
        *,
        jobs: RepositoryJobs,
        queues: RepositoryQueues,
        clock: Clock,
        settings: Callable[[], Settings],
    ) -> None:
        self._jobs = jobs
        self._queues = queues
        self._clock = clock
        self._settings = settings

    async def create_secret_and_claim(self, storage: BackupStorage) -> None:
        """The password's Secret and the claim, and an answer of the server; raises StorageFailed."""
        await self._create_password(storage)
        await self._create_claim(storage)
        await self.fetch_space(storage)

    async def _create_password(self, storage: BackupStorage) -> None:
        """A Secret with a random password in kronkeep's namespace; one that is there is used."""
        if storage.password.secret != f"kronkeep-storage-{storage.id}":
            return
        namespace = self._settings().namespace
        data = {storage.password.key: secrets.token_urlsafe(32).encode()}
        try:
            body = job_manifests.build_secret(storage.password.secret, namespace, data, None)
            await self._jobs.cluster(storage).create(paths.secrets(namespace), body)
        except AlreadyExists:
            return

    async def _create_claim(self, storage: BackupStorage) -> None:
        """The claim that the kind makes; raises StorageFailed where a claim that should be there is not."""
        kind = storage_kinds.kind_of(storage.kind)
        typed = storage_kinds.parse_settings(storage.kind, storage.settings)
        namespace = kind.namespace(typed)
        claim = kind.claim(storage.id, typed)
        cluster = self._jobs.cluster(storage)
        if claim is not None:
            try:
                await cluster.create(paths.claims(namespace), claim)
            except AlreadyExists:
                return
        elif storage.kind == "pvc":
            try:
                await cluster.get(paths.claims(namespace, typed.claim))
            except NotFoundInCluster as fault:
                raise StorageFailed(
                    f"There is no claim {typed.claim} in the namespace {namespace}.",
                    next_step="Make it, or correct claim and namespace.",
                    reason=Reason.CLAIM_MISSING,
                ) from fault

    async def fetch_space(self, storage: BackupStorage) -> storage_kinds.StorageSpace | None:
        """What the storage's server says that it has, for kinds whose server tells; raises StorageFailed."""
        kind = storage_kinds.kind_of(storage.kind)
        typed = storage_kinds.parse_settings(storage.kind, storage.settings)
        if kind.space is None:
            return None
        found = await self._jobs.credentials(storage)
        return await kind.space(typed, {key: value.decode().strip() for key, value in found.items()})

    async def create_repository(self, storage: BackupStorage) -> None:
        """Makes the repository, or opens the one that is there; raises StorageFailed."""
        assert storage.deadline_at is not None
        left = max(1.0, (storage.deadline_at - self._clock.now()).total_seconds() - 1)
        mark = job_names.short_hash(
            storage.id, storage.created_at.isoformat(), storage.deadline_at.isoformat()
        )
        async with self._queues.hold_exclusively(storage.id):
            await repository_creation.create_or_open(self._jobs, Repository(storage=storage), mark[:6], left)
