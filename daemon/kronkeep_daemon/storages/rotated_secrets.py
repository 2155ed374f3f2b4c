"""The Secrets of a storage while its passwords are rotated: the new ones, those that hold, the old ones.

The new passwords are in a Secret of their own until the rotation is done, by the name of the repository's
folder, that of the storage under `password`. Where they have been put in, the old ones are beside them.
"""

import base64
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from secrets import token_urlsafe

from kronkeep_common.models import BackupStorage, SecretKeyRef
from kronkeep_common.models.storage_layout import password_secret_of_folders
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.kube.errors import AlreadyExists, NotFoundInCluster
from kronkeep_daemon.repositories import job_manifests
from kronkeep_daemon.repositories.folder_passwords import PASSWORD_BYTES, PREVIOUS
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_secrets import RepositorySecrets
from kronkeep_daemon.repositories.secret_changes import EncodedData, change_data
from kronkeep_daemon.settings import Settings

STORAGE_KEY = "password"


def next_secret_name(storage_id: str) -> str:
    """Return the name of the Secret that has the new passwords until the rotation is done."""
    return f"kronkeep-storage-{storage_id}-next"


def next_password(repository: Repository) -> SecretKeyRef:
    """Return where the repository's new password is."""
    key = repository.folder if repository.has_own_password else STORAGE_KEY
    return SecretKeyRef(secret=next_secret_name(repository.storage.id), key=key)


def previous_password(repository: Repository) -> SecretKeyRef:
    """Return where the repository's old password is once the new one holds."""
    ref = repository.password
    return SecretKeyRef(secret=ref.secret, key=f"{PREVIOUS}{ref.key}")


class RotatedSecrets:
    """Changes of these Secrets; each may be repeated."""

    def __init__(
        self, *, clusters: Clusters, secrets: RepositorySecrets, settings: Callable[[], Settings]
    ) -> None:
        self._clusters = clusters
        self._secrets = secrets
        self._settings = settings

    async def make_next(self, storage: BackupStorage, repositories: list[Repository]) -> None:
        """Create the Secret with new passwords; one that is there is that of this rotation."""
        namespace = self._settings().namespace
        keys = {STORAGE_KEY, *(next_password(repository).key for repository in repositories)}
        data = {key: token_urlsafe(PASSWORD_BYTES).encode() for key in sorted(keys)}
        secret = job_manifests.build_secret(next_secret_name(storage.id), namespace, data, None)
        with suppress(AlreadyExists):
            await self._clusters.of(storage.cluster).create(paths.secrets(namespace), secret)

    async def read_next(self, storage: BackupStorage) -> Mapping[str, bytes]:
        """Return the new passwords; raise StorageFailed where the Secret is gone."""
        return await self._secrets.read(self._clusters.of(storage.cluster), next_secret_name(storage.id))

    async def swap(self, storage: BackupStorage) -> None:
        """Let the new passwords hold, with the old ones beside them."""
        new = dict(await self.read_next(storage))
        own = {storage.password.key: new.pop(STORAGE_KEY)}
        await self._change(storage, storage.password.secret, partial(_with_new, new=own))
        if new:
            folders = password_secret_of_folders(storage.id)
            await self._change(storage, folders, partial(_with_new, new=new))

    async def remove_previous(self, storage: BackupStorage) -> None:
        """Remove the old passwords, then the Secret that had the new ones."""
        for name in (storage.password.secret, password_secret_of_folders(storage.id)):
            with suppress(NotFoundInCluster):
                await self._change(storage, name, _without_previous)
        path = paths.secrets(self._settings().namespace, next_secret_name(storage.id))
        await self._clusters.of(storage.cluster).delete(path)

    async def _change(
        self, storage: BackupStorage, name: str, change: Callable[[EncodedData], EncodedData]
    ) -> None:
        path = paths.secrets(self._settings().namespace, name)
        await change_data(self._clusters.of(storage.cluster), path, change)


def _with_new(data: EncodedData, new: Mapping[str, bytes]) -> EncodedData:
    changed = dict(data)
    for key, password in new.items():
        encoded = base64.b64encode(password).decode()
        if data.get(key) != encoded:
            changed[key] = encoded
            changed[f"{PREVIOUS}{key}"] = data.get(key, "")
    return changed


def _without_previous(data: EncodedData) -> EncodedData:
    return {key: value for key, value in data.items() if not key.startswith(PREVIOUS)}
