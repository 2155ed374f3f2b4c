"""Creation of what a storage needs: its password, its claim, its repository; each step may be repeated."""

from collections.abc import Callable
from secrets import token_urlsafe

from kronkeep_common.clock import Clock
from kronkeep_common.errors import StorageFailed
from kronkeep_common.models import BackupStorage
from kronkeep_common.reasons import Reason
from kronkeep_daemon import storage_kinds
from kronkeep_daemon.history.record_ids import derive_id
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.errors import AlreadyExists, NotFoundInCluster
from kronkeep_daemon.repositories import job_manifests, repository_creation
from kronkeep_daemon.repositories.folder_passwords import PASSWORD_BYTES
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_index import RepositoryIndex
from kronkeep_daemon.repositories.repository_jobs import RepositoryJobs
from kronkeep_daemon.repositories.repository_secrets import RepositorySecrets
from kronkeep_daemon.settings import Settings


def password_secret_name(storage_id: str) -> str:
    """Return the name of the Secret that kronkeep creates for a storage without a password of its own."""
    return f"kronkeep-storage-{storage_id}"


class StorageProvisioner:
    """Creation of Secrets, claims and repositories, each in the storage's own cluster."""

    def __init__(
        self,
        *,
        jobs: RepositoryJobs,
        index: RepositoryIndex,
        secrets: RepositorySecrets,
        queues: RepositoryQueues,
        clock: Clock,
        settings: Callable[[], Settings],
    ) -> None:
        self._jobs = jobs
        self._index = index
        self._secrets = secrets
        self._queues = queues
        self._clock = clock
        self._settings = settings

    async def create_secret_and_claim(self, storage: BackupStorage) -> None:
        """Create the password's Secret and the claim; raise StorageFailed where a claim is missing."""
        await self._create_password(storage)
        await self._create_claim(storage)

    async def _create_password(self, storage: BackupStorage) -> None:
        """Create a Secret with a random password in kronkeep's namespace; an existing one is used."""
        if storage.password.secret != password_secret_name(storage.id):
            return
        namespace = self._settings().namespace
        data = {storage.password.key: token_urlsafe(PASSWORD_BYTES).encode()}
        secret = job_manifests.build_secret(storage.password.secret, namespace, data, None)
        try:
            await self._jobs.cluster_of(storage).create(paths.secrets(namespace), secret)
        except AlreadyExists:
            return

    async def _create_claim(self, storage: BackupStorage) -> None:
        """Create the claim of a kind that has one; raise StorageFailed where a `pvc` storage's is missing."""
        kind = storage_kinds.kind_of(storage.kind)
        settings = storage_kinds.parse_settings(storage.kind, storage.settings)
        namespace = kind.namespace(settings)
        claim = kind.claim(storage.id, settings)
        cluster = self._jobs.cluster_of(storage)
        if claim is not None:
            try:
                await cluster.create(paths.claims(namespace), claim)
            except AlreadyExists:
                return
        elif storage.kind == "pvc":
            try:
                await cluster.get(paths.claims(namespace, settings.claim))
            except NotFoundInCluster as fault:
                raise StorageFailed(
                    f"There is no claim {settings.claim} in the namespace {namespace}.",
                    next_step="Create it, or correct claim and namespace.",
                    reason=Reason.CLAIM_MISSING,
                ) from fault

    async def fetch_space(self, storage: BackupStorage) -> storage_kinds.StorageSpace | None:
        """Return the space that the storage's server reports; None for kinds whose server does not.

        Raises StorageFailed where the server refuses.
        """
        kind = storage_kinds.kind_of(storage.kind)
        settings = storage_kinds.parse_settings(storage.kind, storage.settings)
        if kind.fetch_space is None:
            return None
        credentials = await self._secrets.storage_credentials(storage)
        return await kind.fetch_space(
            settings, {key: value.decode().strip() for key, value in credentials.items()}
        )

    async def create_repository(self, storage: BackupStorage) -> None:
        """Create the repository, or open an existing one, by the storage's deadline; raise StorageFailed."""
        assert storage.deadline_at is not None
        seconds = max(1.0, (storage.deadline_at - self._clock.now()).total_seconds() - 1)
        mark = derive_id(
            "storage creation", storage.id, storage.created_at.isoformat(), storage.deadline_at.isoformat()
        )
        async with self._queues.hold_exclusively(storage.id, repository_creation.CREATION):
            repository = Repository(storage=storage)
            repository_id = await repository_creation.create_or_open(self._jobs, repository, mark, seconds)
            await self._index.record_id(repository, repository_id)
