"""Storages: create, change, test, check, measure, delete."""

from kronkeep_common import api
from kronkeep_common.client.connection import Connection, Query, path_part
from kronkeep_common.client.operations import complete_operation
from kronkeep_common.models import (
    BackupStorage,
    BackupStorageChange,
    BackupStorageCreate,
    ForeignSnapshot,
    OrphanedPolicy,
    StorageKind,
    StorageUsage,
)
from kronkeep_common.models.storage import (
    KitConfirmation,
    RecoveryKit,
    SecretNames,
    SnapshotImport,
    StorageAddress,
    StorageRepository,
)
from kronkeep_common.models.storage_layout import Layout
from kronkeep_common.models.storage_move import MovePlan, MoveRequest


class StorageCalls:
    """`client.storages`; calls with a name raise StorageNotFound."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def list(self, *, filter: str | None = None) -> api.ListOf[BackupStorage]:
        """Return the storages of the daemon that pass the filter."""
        return await self._connection.get("/v1/storages", api.ListOf[BackupStorage], {"filter": filter})

    async def get(self, name: str) -> BackupStorage:
        """Return the storage of a name."""
        return await self._connection.get(_path(name), BackupStorage)

    async def kinds(self) -> api.ListOf[StorageKind]:
        """Return the kinds of storages with their fields."""
        return await self._connection.get("/v1/storages/kinds", api.ListOf[StorageKind])

    async def create(self, storage: BackupStorageCreate, *, dry_run: bool = False) -> BackupStorage:
        """Create a storage and its repository; it can be used when its status is active."""
        query = {"dry_run": "true"} if dry_run else {}
        return await self._connection.post("/v1/storages", BackupStorage, storage, query=query)

    async def change(self, name: str, change: BackupStorageChange) -> BackupStorage:
        """Change who may use a storage and what it may hold."""
        return await self._connection.call("PATCH", _path(name), BackupStorage, change)

    async def check_address(self, name: str, address: StorageAddress) -> BackupStorage:
        """Return what a storage would be at another address, before its repositories are looked for there."""
        query = {"dry_run": "true"}
        return await self._connection.post(f"{_path(name)}/address", BackupStorage, address, query=query)

    async def change_address(self, name: str, address: StorageAddress) -> BackupStorage:
        """Let a storage be at another address once its repositories are found there; raise StorageFailed."""
        await complete_operation(self._connection, f"{_path(name)}/address", address)
        return await self.get(name)

    async def secrets(self) -> api.ListOf[SecretNames]:
        """Return the Secrets of kronkeep's namespace that a storage may name, without their values."""
        return await self._connection.get("/v1/secrets", api.ListOf[SecretNames])

    async def delete(self, name: str, confirm: str, only_here: int | None = None) -> None:
        """Forget a storage that no policy uses; `confirm` repeats its name, and its data stays.

        only_here: how many snapshots and copies no other storage has; needed where there are any.
        """
        body = api.StorageDeleteRequest(confirm=confirm, only_here=only_here)
        await self._connection.call("DELETE", _path(name), object, body)

    async def retry(self, name: str) -> BackupStorage:
        """Try again to create a storage that failed."""
        return await self._connection.post(f"{_path(name)}/retry", BackupStorage)

    async def test(self, name: str) -> BackupStorage:
        """Open a storage's repository from the cluster, and return the storage; raise StorageFailed."""
        await complete_operation(self._connection, f"{_path(name)}/test")
        return await self.get(name)

    async def check(self, name: str) -> BackupStorage:
        """Run `restic check` to its end, and return the storage; raise StorageFailed."""
        await complete_operation(self._connection, f"{_path(name)}/check")
        return await self.get(name)

    async def measure(self, name: str) -> BackupStorage:
        """Measure what a storage holds, and return the storage; raise StorageFailed."""
        await complete_operation(self._connection, f"{_path(name)}/usage")
        return await self.get(name)

    async def usage(self, name: str, limit: int | None = None) -> api.ListOf[StorageUsage]:
        """Return what a storage held when it was measured, newest first."""
        return await self._connection.get(f"{_path(name)}/usage", api.ListOf[StorageUsage], {"limit": limit})

    async def prune(self, name: str) -> api.Operation:
        """Run `restic prune` to its end: it frees the space of the snapshots that retention removed."""
        return await complete_operation(self._connection, f"{_path(name)}/prune")

    async def rotate_key(self, name: str) -> BackupStorage:
        """Give a storage's repositories a new password, and return the storage; raise StorageFailed."""
        await complete_operation(self._connection, f"{_path(name)}/rotate-key")
        return await self.get(name)

    async def recovery_kit(self, name: str) -> RecoveryKit:
        """Return all that opens a storage's repositories without kronkeep, passwords in clear."""
        return await self._connection.get(f"{_path(name)}/recovery-kit", RecoveryKit)

    async def confirm_recovery_kit(self, name: str, fingerprint: str) -> BackupStorage:
        """Show that somebody has the newest recovery kit; raise InvalidRequest for another fingerprint."""
        body = KitConfirmation(fingerprint=fingerprint)
        return await self._connection.post(f"{_path(name)}/recovery-kit/confirm", BackupStorage, body)

    async def plan_move(self, name: str, layout: Layout) -> MovePlan:
        """Return what a move of a storage's backups to another layout would copy."""
        return await self._connection.get(f"{_path(name)}/move", MovePlan, {"layout": layout})

    async def move(self, name: str, layout: Layout) -> BackupStorage:
        """Begin to move a storage's backups to another layout; its `move` says how far that is."""
        return await self._connection.post(f"{_path(name)}/move", BackupStorage, MoveRequest(layout=layout))

    async def remove_originals(self, name: str) -> BackupStorage:
        """Begin to remove the originals of a move whose state is `kept`."""
        return await self._connection.post(f"{_path(name)}/move/remove-old", BackupStorage)

    async def cancel_move(self, name: str) -> BackupStorage:
        """Give up a move before records name the copies."""
        return await self._connection.post(f"{_path(name)}/move/cancel", BackupStorage)

    async def repositories(self, name: str, limit: int | None = None) -> api.ListOf[StorageRepository]:
        """Return the repositories of a storage, its own first."""
        path = f"{_path(name)}/repositories"
        return await self._connection.get(path, api.ListOf[StorageRepository], {"limit": limit})

    async def archive_history(self, name: str) -> BackupStorage:
        """Archive the daemon's own history into a storage, and return the storage; raise StorageFailed."""
        await complete_operation(self._connection, f"{_path(name)}/archive-history")
        return await self.get(name)

    async def rescan(self, name: str, *, other_clusters: bool = False) -> BackupStorage:
        """Record the backups again that no record knows, and return the storage; raise StorageFailed."""
        query = {"other_clusters": "true"} if other_clusters else None
        await complete_operation(self._connection, f"{_path(name)}/rescan", query=query)
        return await self.get(name)

    async def foreign_snapshots(self, name: str, limit: int | None = None) -> api.ListOf[ForeignSnapshot]:
        """Return the snapshots of others that the storage's last comparison saw."""
        path = f"{_path(name)}/foreign-snapshots"
        return await self._connection.get(path, api.ListOf[ForeignSnapshot], {"limit": limit})

    async def import_snapshots(self, name: str, request: SnapshotImport) -> None:
        """Make snapshots of others backups of a policy; raise StorageFailed, NotAllowedNow."""
        query: Query = {"cluster": self._connection.cluster}
        path = f"{_path(name)}/import-snapshots"
        await complete_operation(self._connection, path, request, query=query)

    async def acknowledge_missing(self, name: str) -> BackupStorage:
        """Say that the missing snapshots of a storage are gone for good, so that it is pruned again."""
        return await self._connection.post(f"{_path(name)}/acknowledge-missing", BackupStorage)

    async def orphans(self, name: str | None = None) -> api.ListOf[OrphanedPolicy]:
        """Return the policies without a CronJob that have snapshots in a storage, or in any."""
        return await self._connection.get("/v1/orphans", api.ListOf[OrphanedPolicy], {"storage_id": name})


def _path(name: str) -> str:
    return f"/v1/storages/{path_part(name)}"
