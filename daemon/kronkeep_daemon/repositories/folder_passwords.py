"""The passwords of repositories that have one of their own: a Secret in kronkeep's namespace a storage.

Its keys are the names of the repositories' folders. So whoever keeps a copy of it and of the storage's
password can open all of them, and a daemon that has lost its history finds all of them.
"""

import base64
from collections.abc import Callable
from functools import partial
from secrets import token_urlsafe

from kronkeep_common.errors import StorageFailed
from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage_layout import password_secret_of_folders
from kronkeep_common.reasons import Reason
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.kube.errors import AlreadyExists, NotFoundInCluster
from kronkeep_daemon.repositories import job_manifests
from kronkeep_daemon.repositories.repository import (
    Repository,
    repository_in_folder,
)
from kronkeep_daemon.repositories.secret_changes import EncodedData, change_data
from kronkeep_daemon.settings import Settings

PASSWORD_BYTES = 32
LARGEST_DATA = 1_000_000  # characters; Kubernetes takes 1 MiB of data in a Secret
PREVIOUS = "previous."  # begins the key of a password that a rotation replaces


class FolderPasswords:
    """Access to these Secrets, each in its storage's cluster."""

    def __init__(self, *, clusters: Clusters, settings: Callable[[], Settings]) -> None:
        self._clusters = clusters
        self._settings = settings

    async def make_if_missing(self, repository: Repository) -> None:
        """Make the repository's own random password, unless it has one; raise StorageFailed.

        A password that is there is never replaced, whoever made it.
        """
        if not repository.has_own_password:
            return
        ref = repository.password
        password = token_urlsafe(PASSWORD_BYTES).encode()
        namespace = self._settings().namespace
        cluster = self._clusters.of(repository.storage.cluster)
        add = partial(_with_password, name=ref.key, password=password)
        try:
            await change_data(cluster, self._path_of(repository.storage), add)
        except NotFoundInCluster:
            secret = job_manifests.build_secret(ref.secret, namespace, {ref.key: password}, None)
            try:
                await cluster.create(paths.secrets(namespace), secret)
            except AlreadyExists:
                await change_data(cluster, self._path_of(repository.storage), add)

    def _path_of(self, storage: BackupStorage) -> str:
        return paths.secrets(self._settings().namespace, password_secret_of_folders(storage.id))

    async def list_repositories(self, storage: BackupStorage) -> list[Repository]:
        """Return the repositories of a storage that have a password of their own, by their folders."""
        try:
            secret = await self._clusters.of(storage.cluster).get(self._path_of(storage))
        except NotFoundInCluster:
            return []
        folders = sorted(secret.get("data") or {})
        return [repository_in_folder(name, storage) for name in folders if not name.startswith(PREVIOUS)]


def _with_password(data: EncodedData, name: str, password: bytes) -> EncodedData:
    """Return the data with one more password; raise StorageFailed where it is full."""
    if data.get(name):
        return data
    if sum(len(key) + len(value) for key, value in data.items()) > LARGEST_DATA:
        raise StorageFailed(
            f"The storage has {len(data)} repositories, and no Secret holds more passwords.",
            next_step="Create another storage, or one whose layout is namespace or shared.",
            reason=Reason.PASSWORD_MISSING,
        )
    return {**data, name: base64.b64encode(password).decode()}
