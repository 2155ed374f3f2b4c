"""The rows of the table of routes that are about storages."""

from collections.abc import Awaitable, Callable

from kronkeep_common import api
from kronkeep_common.errors import ConfirmationMissing
from kronkeep_common.models import (
    BackupStorage,
    BackupStorageChange,
    BackupStorageCreate,
    StorageKind,
    StorageUsage,
)
from kronkeep_common.models.storage_kinds import kinds
from kronkeep_daemon.http import list_handlers
from kronkeep_daemon.http.access import Level
from kronkeep_daemon.http.route import Call, Route

S = "/v1/storages"
ONE = S + "/{id}"


def one(call: Call) -> BackupStorage:
    """The storage of the path; raises StorageNotFound."""
    return call.services.backups.storages.get(call.path["id"])


async def _one(call: Call) -> BackupStorage:
    return one(call)


async def _kinds(_: Call) -> api.ListOf[StorageKind]:
    return api.ListOf(items=list(kinds()))


async def _all(call: Call) -> api.ListOf[BackupStorage]:
    return list_handlers.of_clusters(call, api.ListOf(items=call.services.backups.storages.list()))


async def _usage(call: Call) -> api.ListOf[StorageUsage]:
    return api.ListOf(
        items=call.services.backups.upkeep.figures(call.path["id"])[: list_handlers.limit_of(call)]
    )


async def _create(call: Call) -> BackupStorage:
    dry_run = call.query.get("dry_run") == "true"
    return await call.services.backups.storages.create(call.body, dry_run=dry_run)


async def _change(call: Call) -> BackupStorage:
    return await call.services.backups.storages.change(call.path["id"], call.body)


async def _retry(call: Call) -> BackupStorage:
    return await call.services.backups.storages.retry(call.path["id"])


async def _delete(call: Call) -> None:
    name = call.path["id"]
    if call.body.confirm != name:
        raise ConfirmationMissing(f"Deleting storage {name} needs its name as confirmation.", field="confirm")
    await call.services.backups.storages.delete(name, call.services.extended.storage_users(name))


def _operation(kind: str) -> Callable[[Call], Awaitable[api.Operation]]:
    """A handler that begins one of the upkeep's works on an active storage."""

    async def handler(call: Call) -> api.Operation:
        name, upkeep = call.path["id"], call.services.backups.upkeep
        work = {"check": upkeep.check, "usage": upkeep.measure, "test": upkeep.test}[kind]
        call.services.backups.storages.active(name)
        return await call.services.operations.start(kind, name, lambda: work(name))

    return handler


ROUTES: tuple[Route, ...] = (
    Route("GET", S + "/kinds", Level.READ, None, api.ListOf[StorageKind],
          "The kinds of storages: their fields, and the keys of their Secrets.", _kinds),
    Route("GET", S, Level.READ, None, api.ListOf[BackupStorage], "Every storage.", _all),
    Route("POST", S, Level.ADMIN, BackupStorageCreate, BackupStorage, "Create a storage and its repository.",
          _create, ("dry_run",), 202),
    Route("GET", ONE, Level.READ, None, BackupStorage, "One storage.", _one),
    Route("PATCH", ONE, Level.ADMIN, BackupStorageChange, BackupStorage,
          "Change who may use a storage, and what it may hold.", _change),
    Route("DELETE", ONE, Level.ADMIN, api.DeleteRequest, None, "Forget a storage that nobody uses.",
          _delete, (), 204),
    Route("POST", ONE + "/retry", Level.ADMIN, api.Empty, BackupStorage,
          "Try again to create a storage that failed.", _retry, (), 202),
    Route("POST", ONE + "/test", Level.OPERATE, api.Empty, api.Operation,
          "Open the repository from the cluster.", _operation("test"), (), 202),
    Route("POST", ONE + "/check", Level.OPERATE, api.Empty, api.Operation, "Check the repository.",
          _operation("check"), (), 202),
    Route("GET", ONE + "/usage", Level.READ, None, api.ListOf[StorageUsage],
          "What it held, newest first: an hour apart for a week, then a day.", _usage, ("limit",)),
    Route("POST", ONE + "/usage", Level.OPERATE, api.Empty, api.Operation, "Measure what it holds.",
          _operation("usage"), (), 202),
)  # fmt: skip
