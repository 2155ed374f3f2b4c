"""The routes of backup storages and of their upkeep."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import msgspec

from kronkeep_common import api
from kronkeep_common.errors import ConfirmationMissing, NameTaken
from kronkeep_common.models import (
    BackupStorage,
    BackupStorageChange,
    BackupStorageCreate,
    ForeignSnapshot,
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
from kronkeep_common.models.storage_kinds import all_kinds
from kronkeep_common.text import count_words
from kronkeep_daemon.copies.only_here import count_only_here
from kronkeep_daemon.http.access import Level
from kronkeep_daemon.http.list_pages import filter_of, limit_of, with_cluster_names
from kronkeep_daemon.http.route import AUDITED, ApiCall, RouteTable
from kronkeep_daemon.storages import namespace_checks

STORAGES = "/v1/storages"
STORAGE = STORAGES + "/{id}"

routes = RouteTable()


@routes.get(STORAGES + "/kinds")
async def list_kinds(_: ApiCall[None]) -> api.ListOf[StorageKind]:
    """List the kinds of storages: their fields, and the keys of their Secrets."""
    return api.ListOf(items=list(all_kinds()))


@routes.get(STORAGES, query=("filter",))
async def list_storages(call: ApiCall[None]) -> api.ListOf[BackupStorage]:
    """List the storages of every cluster."""
    accepted = filter_of(call, "storages")
    now = call.services.clock.now()
    items = [storage for storage in call.services.storages.list() if accepted.matches(storage, now)]
    return with_cluster_names(call, api.ListOf(items=items))


async def find_created(call: ApiCall[BackupStorageCreate]) -> BackupStorage:
    """Return the storage that an earlier process created on the same request; raise NameTaken."""
    storage = call.services.storages.get(call.body.id)
    if call.begun_at is None or storage.created_at < call.begun_at:
        raise NameTaken(f"There is a storage {storage.id} already.", field="id")
    return storage


@routes.post(STORAGES, Level.ADMIN, query=("dry_run",), status=202, find_created=find_created)
async def create_storage(call: ApiCall[BackupStorageCreate]) -> BackupStorage:
    """Create a storage and its repository."""
    storage = await call.services.storages.create(call.body, call.cluster, dry_run=call.dry_run)
    return _with_warnings(call, storage, call.body.namespaces)


@routes.get(STORAGE)
async def get_storage(call: ApiCall[None]) -> BackupStorage:
    """Show one storage by its name."""
    return call.services.storages.get(call.id)


@routes.patch(STORAGE, Level.ADMIN)
async def change_storage(call: ApiCall[BackupStorageChange]) -> BackupStorage:
    """Change who may use a storage, and how much it may hold."""
    storage = await call.services.storages.change(call.id, call.body)
    named = (*call.body.allow_namespaces, *(call.body.namespaces or ()))
    return _with_warnings(call, storage, named)


def _with_warnings(call: ApiCall[Any], storage: BackupStorage, namespaces: Sequence[str]) -> BackupStorage:
    """Return a storage with what is to be said of the namespaces that a request names."""
    warnings = namespace_checks.find_warnings(call.services.cronjobs.subjects.namespaces(), namespaces)
    return msgspec.structs.replace(storage, namespace_warnings=warnings)


@routes.post(STORAGE + "/address", Level.ADMIN, query=("dry_run",), status=202, answer=api.Operation)
async def change_address(call: ApiCall[StorageAddress]) -> api.Operation | BackupStorage:
    """Change where a storage is once its repositories are found there; a dry run answers with the storage."""
    moved = await call.services.addresses.check(call.id, call.body)
    if call.dry_run:
        return moved
    work = partial(call.services.addresses.change, call.id, call.body)
    return await call.services.operations.start("address", call.id, work)


@routes.delete(STORAGE, Level.ADMIN, status=204)
async def delete_storage(call: ApiCall[api.StorageDeleteRequest]) -> None:
    """Forget a storage that nobody uses; its repository stays, and what is only there cannot be restored."""
    if call.body.confirm != call.id:
        message = f"Deleting storage {call.id} needs its name as confirmation."
        raise ConfirmationMissing(message, field="confirm")
    users = call.services.extended.storage_users(call.id)
    if not users:
        await _require_known_loss(call)
    await call.services.storages.delete(call.id, users)


async def _require_known_loss(call: ApiCall[api.StorageDeleteRequest]) -> None:
    """Raise ConfirmationMissing unless the request says how many snapshots and copies are only there."""
    held = await count_only_here(call.id, call.services.history, call.services.copy_records)
    total = sum(held)
    if total != (call.body.only_here or 0):
        copies = f"{held.copies:,} {'copy' if held.copies == 1 else 'copies'}"
        raise ConfirmationMissing(
            f"{count_words(held.snapshots, 'snapshot')} and {copies} are only in the storage {call.id}; they "
            "cannot be restored until it is created again under the same name and path or address.",
            next_step=f"All the same: kronkeep storage delete {call.id} --yes {call.id} --only-here {total}.",
            field="only_here",
            only_here=total,
        )


@routes.post(STORAGE + "/retry", Level.ADMIN, status=202)
async def retry_storage(call: ApiCall[api.Empty]) -> BackupStorage:
    """Try again to create a storage that failed."""
    return await call.services.storages.retry(call.id)


@routes.post(STORAGE + "/test", Level.OPERATE, status=202)
async def start_test(call: ApiCall[api.Empty]) -> api.Operation:
    """Open a storage's repository from the cluster."""
    return await _start(call, "test", call.services.storage_upkeep.test)


@routes.post(STORAGE + "/check", Level.OPERATE, status=202)
async def start_check(call: ApiCall[api.Empty]) -> api.Operation:
    """Check a storage's repository."""
    return await _start(call, "check", call.services.storage_upkeep.check)


@routes.get(STORAGE + "/usage", query=("limit",))
async def list_usage(call: ApiCall[None]) -> api.ListOf[StorageUsage]:
    """List what a storage held, newest first: hourly for a week, then daily."""
    return api.ListOf(items=call.services.storage_upkeep.usages(call.id)[: limit_of(call)])


@routes.post(STORAGE + "/usage", Level.OPERATE, status=202)
async def start_measurement(call: ApiCall[api.Empty]) -> api.Operation:
    """Measure what a storage holds."""
    return await _start(call, "usage", call.services.storage_upkeep.measure)


@routes.post(STORAGE + "/prune", Level.ADMIN, status=202)
async def start_prune(call: ApiCall[api.Empty]) -> api.Operation:
    """Free the space of removed snapshots in a storage's repository."""
    return await _start(call, "prune", call.services.retention.prune)


@routes.post(STORAGE + "/rotate-key", Level.ADMIN, status=202)
async def start_rotation(call: ApiCall[api.Empty]) -> api.Operation:
    """Give a storage's repositories a new password, or continue where that was interrupted."""
    return await _start(call, "rotate-key", call.services.key_rotations.rotate)


@routes.get(STORAGE + "/recovery-kit", Level.ADMIN)
async def make_recovery_kit(call: ApiCall[None]) -> RecoveryKit:
    """Show all that opens a storage's repositories without kronkeep: passwords and credentials in clear."""
    call.request[AUDITED] = True
    return await call.services.recovery_kits.make(call.id)


@routes.post(STORAGE + "/recovery-kit/confirm", Level.OPERATE)
async def confirm_recovery_kit(call: ApiCall[KitConfirmation]) -> BackupStorage:
    """Show, by its fingerprint, that somebody has the newest recovery kit of a storage."""
    return await call.services.recovery_kits.confirm(call.id, call.body.fingerprint)


@routes.get(STORAGE + "/repositories", query=("limit",))
async def list_repositories(call: ApiCall[None]) -> api.ListOf[StorageRepository]:
    """List the repositories of a storage: whose they are, and how late their archives begin."""
    return api.ListOf(items=call.services.storage_upkeep.list_repositories(call.id)[: limit_of(call)])


@routes.post(STORAGE + "/archive-history", Level.ADMIN, status=202)
async def start_history_archive(call: ApiCall[api.Empty]) -> api.Operation:
    """Archive the daemon's own history into a storage, in a repository with a password of its own."""
    return await _start(call, "archive-history", call.services.history_archives.archive)


@routes.post(STORAGE + "/rescan", Level.ADMIN, status=202, query=("other_clusters",))
async def start_rescan(call: ApiCall[api.Empty]) -> api.Operation:
    """Record backups again whose snapshots are in a storage and have no record."""
    other_clusters = call.query.get("other_clusters") == "true"
    return await _start(
        call, "rescan", partial(call.services.reconciliation.rescan, other_clusters=other_clusters)
    )


@routes.get(STORAGE + "/foreign-snapshots", query=("limit",))
async def list_foreign_snapshots(call: ApiCall[None]) -> api.ListOf[ForeignSnapshot]:
    """List the snapshots of others in a storage, as its last comparison saw them; they are never touched."""
    call.services.storages.get(call.id)
    foreign = call.services.reconciliation.foreign_snapshots(call.id)
    return api.ListOf(items=list(foreign[: limit_of(call)]))


@routes.post(STORAGE + "/import-snapshots", Level.ADMIN, status=202, query=("cluster",))
async def start_import(call: ApiCall[SnapshotImport]) -> api.Operation:
    """Make snapshots of another tool backups of a policy; they get its tags beside their own."""
    ref = call.resolve(call.body.namespace, call.body.cronjob)
    work = partial(call.services.snapshot_imports.import_snapshots, ref=ref, snapshot_ids=call.body.snapshots)
    return await _start(call, "import-snapshots", work)


@routes.post(STORAGE + "/acknowledge-missing", Level.ADMIN)
async def acknowledge_missing(call: ApiCall[api.Empty]) -> BackupStorage:
    """Acknowledge that the missing snapshots of a storage are gone for good, so that it is pruned again."""
    return await call.services.retention.acknowledge_missing(call.id)


@routes.get("/v1/secrets", Level.ADMIN, query=("cluster",))
async def list_secrets(call: ApiCall[None]) -> api.ListOf[SecretNames]:
    """List the Secrets of kronkeep's namespace that a storage may name: their names and keys, no values."""
    return api.ListOf(items=await call.services.secrets.list_names(call.cluster))


async def _start(call: ApiCall[object], kind: str, work: Callable[[str], Awaitable[object]]) -> api.Operation:
    """Start work on an active storage; raise StorageNotFound, NotAllowedNow."""
    call.services.storages.require_active(call.id)
    return await call.services.operations.start(kind, call.id, partial(work, call.id))
