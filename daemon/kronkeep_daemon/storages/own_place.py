"""Whether a new storage is at the place of another one, whose repository it could not open."""

import posixpath
from collections.abc import Iterable
from typing import NamedTuple

from kronkeep_common.errors import Conflict, StorageFailed
from kronkeep_common.models import BackupStorage
from kronkeep_common.states import StorageStatus
from kronkeep_daemon import storage_kinds
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.repositories.repository_secrets import RepositorySecrets
from kronkeep_daemon.storages.provisioner import password_secret_name


class RepositoryPlace(NamedTuple):
    """Where a repository is: of a claim or a folder of the nodes on which cluster, and its volume."""

    kind: str
    cluster: str
    address: str
    node: str
    volume: JsonObject | None


async def require_own_place(
    storage: BackupStorage, others: Iterable[BackupStorage], secrets: RepositorySecrets, cluster: Cluster
) -> None:
    """Raise Conflict for a new storage that would get a new password for the repository of another one.

    restic opens a repository with the password that it was made with only.
    """
    same = find_same_place(storage, others)
    if same is None or storage.password.secret != password_secret_name(storage.id):
        return
    try:
        await secrets.read(cluster, storage.password.secret)
    except StorageFailed as missing:
        raise Conflict(
            f"The storage {same.id} has its repository there, which a new password does not open.",
            next_step=f"Use {same.id}, choose another place, or give its password: "
            f"--password {same.password.secret}.",
            field="settings",
            storage=same.id,
        ) from missing


def find_same_place(storage: BackupStorage, others: Iterable[BackupStorage]) -> BackupStorage | None:
    """Return an active storage at the same place; None without one."""
    place = _place_of(storage)
    active = (other for other in others if other.status is StorageStatus.ACTIVE and other.id != storage.id)
    return next((other for other in active if other.kind == storage.kind and _place_of(other) == place), None)


def _place_of(storage: BackupStorage) -> RepositoryPlace:
    access = storage_kinds.access_of(storage)
    volume = access.volume
    if volume is not None and "hostPath" in volume:
        volume = {"hostPath": posixpath.normpath(volume["hostPath"]["path"])}
    return RepositoryPlace(
        kind=storage.kind,
        cluster=storage.cluster if storage_kinds.is_cluster_bound(storage) else "",
        address=access.address,
        node=access.node,
        volume=volume,
    )
