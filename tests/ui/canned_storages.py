"""Canned storages: `client.storages`."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from kronkeep_common import api, errors
from kronkeep_common.models import (
    BackupStorage,
    BackupStorageChange,
    BackupStorageCreate,
    CronJob,
    OrphanedPolicy,
    SecretKeyRef,
    StorageUsage,
)
from kronkeep_common.models.storage import SecretNames, StorageAddress
from kronkeep_common.states import StorageStatus

if TYPE_CHECKING:
    from tests.ui.canned import CannedClient

CREATED_AT = datetime(2026, 11, 24, 3, 14, 20, tzinfo=UTC)


class CannedStorages:
    """`client.storages`."""

    def __init__(self, canned: "CannedClient") -> None:
        self._canned = canned

    async def orphans(self, name: str | None = None) -> api.ListOf[OrphanedPolicy]:
        return api.ListOf(items=self._canned.orphans_given)

    async def get(self, name: str) -> BackupStorage:
        storage = next((storage for storage in self._canned.storages_given if storage.id == name), None)
        if storage is None:
            raise errors.NotFound(f"There is no storage {name}.")
        return storage

    async def usage(self, name: str, limit: int | None = None) -> api.ListOf[StorageUsage]:
        usage = next((s.usage for s in self._canned.storages_given if s.id == name), None)
        return api.ListOf(items=[usage] * 20 if usage else [])

    async def create(self, storage: BackupStorageCreate, *, dry_run: bool = False) -> BackupStorage:
        if not dry_run:
            self._canned.answer("create_storage", msgspec.json.encode(storage).decode())
        if storage.id in {each.id for each in self._canned.storages_given}:
            raise errors.NameTaken(f"There is a storage {storage.id} already.", field="id")
        return BackupStorage(
            id=storage.id,
            cluster="c",
            kind=storage.kind,
            settings=storage.settings,
            repository=str(storage.settings.get("path", "")),
            password=storage.password or SecretKeyRef(secret=f"kronkeep-storage-{storage.id}"),
            status=StorageStatus.PENDING,
            created_at=CREATED_AT,
            namespaces=storage.namespaces,
            layout=storage.layout,
        )

    async def secrets(self) -> api.ListOf[SecretNames]:
        keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        return api.ListOf(items=[SecretNames(name="bucket-keys", keys=keys), SecretNames(name="other")])

    async def check_address(self, name: str, address: StorageAddress) -> BackupStorage:
        storage = await self.get(name)
        return msgspec.structs.replace(storage, settings=address.settings, repository="/there")

    async def change_address(self, name: str, address: StorageAddress) -> BackupStorage:
        self._canned.answer("change_address", name, msgspec.json.encode(address).decode())
        return await self.check_address(name, address)

    async def check(self, name: str) -> CronJob:
        return self._canned.answer("check", name)

    async def test(self, name: str) -> CronJob:
        return self._canned.answer("test", name)

    async def measure(self, name: str) -> CronJob:
        return self._canned.answer("measure", name)

    async def retry(self, name: str) -> CronJob:
        return self._canned.answer("retry", name)

    async def rescan(self, name: str) -> CronJob:
        return self._canned.answer("rescan", name)

    async def acknowledge_missing(self, name: str) -> CronJob:
        return self._canned.answer("acknowledge_missing", name)

    async def prune(self, name: str) -> CronJob:
        return self._canned.answer("prune", name)

    async def change(self, name: str, change: BackupStorageChange) -> BackupStorage:
        self._canned.answer("change_storage", name, msgspec.json.encode(change).decode())
        storage = await self.get(name)
        namespaces = (*storage.namespaces, *change.allow_namespaces)
        return msgspec.structs.replace(storage, namespaces=namespaces)

    async def delete(self, name: str, confirm: str, only_here: int | None = None) -> CronJob:
        needed = self._canned.only_here_given.get(name, 0)
        if needed != (only_here or 0):
            raise errors.ConfirmationMissing(
                f"{needed} snapshots and 0 copies are only in the storage {name}.",
                field="only_here",
                only_here=needed,
            )
        return self._canned.answer("delete_storage", name, confirm)


def adopted(policy_id: str, other_claims: tuple[str, ...]) -> api.Adopted:
    """Return what an adoption of three backups of the claim `data` is answered with."""
    return api.Adopted(
        policy_id="new",
        adopted_policy_id=policy_id,
        backups=3,
        claims=("data",),
        other_claims=other_claims,
    )
