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
from kronkeep_daemon.http import list_pages
from kronkeep_daemon.http.access import Level
from kronkeep_daemon.http.route import Call, Route

S = "/v1/storages"
ONE = S + "/{id}"


def one(call: Call) -> BackupStorage:
    """The storage of the path; raises StorageNotFound."""
    return call.services.storages.get(call.path["id"])


async def _one(call: Call) -> BackupStorage:
    return one(call)


async def _kinds(_: Call) -> api.ListOf[StorageKind]:
    return api.ListOf(items=list(kinds()))


async def _all(call: Call) -> api.ListOf[BackupStorage]:
    return list_pages.of_clusters(call, api.ListOf(items=call.services.storages.list()))


async def _usage(call: Call) -> api.ListOf[StorageUsage]:
    return api.ListOf(
        items=call.services.storage_upkeep.usages(call.path["id"])[: list_pages.limit_of(call)]
    )


async def _create(call: Call) -> BackupStorage:
    dry_run = call.query.get("dry_run") == "true"
    return await call.services.storages.create(call.body, call.cluster, dry_run=dry_run)


async def _change(call: Call) -> BackupStorage:
    return await call.services.storages.change(call.path["id"], call.body)


async def _retry(call: Call) -> BackupStorage:
    return await call.services.storages.retry(call.path["id"])


async def _delete(call: Call) -> None:
    name = call.path["id"]
    if call.body.confirm != name:
        raise ConfirmationMissing(f"Deleting storage {name} needs its name as confirmation.", field="confirm")
    await call.services.storages.delete(name, call.services.extended.storage_users(name))


def _operation(kind: str) -> Callable[[Call], Awaitable[api.Operation]]:
    """A handler that begins one of the upkeep's works on an active storage."""

    async def handler(call: Call) -> api.Operation:
        name = call.path["id"]
        upkeep = call.services.storage_upkeep
        work = {"check": upkeep.check, "usage": upkeep.measure, "test": upkeep.test}[kind]
        call.services.storages.require_active(name)
        return await call.services.operations.start(kind, name, lambda: work(name))

    return handler


ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path=S + "/kinds",
        level=Level.READ,
        request=None,
        answer=api.ListOf[StorageKind],
        sentence="The kinds of storages: their fields, and the keys of their Secrets.",
        handler=_kinds,
    ),
    Route(
        method="GET",
        path=S,
        level=Level.READ,
        request=None,
        answer=api.ListOf[BackupStorage],
        sentence="Every storage.",
        handler=_all,
    ),
    Route(
        method="POST",
        path=S,
        level=Level.ADMIN,
        request=BackupStorageCreate,
        answer=BackupStorage,
        sentence="Create a storage and its repository.",
        handler=_create,
        query=("dry_run",),
        status=202,
    ),
    Route(
        method="GET",
        path=ONE,
        level=Level.READ,
        request=None,
        answer=BackupStorage,
        sentence="One storage.",
        handler=_one,
    ),
    Route(
        method="PATCH",
        path=ONE,
        level=Level.ADMIN,
        request=BackupStorageChange,
        answer=BackupStorage,
        sentence="Change who may use a storage, and what it may hold.",
        handler=_change,
    ),
    Route(
        method="DELETE",
        path=ONE,
        level=Level.ADMIN,
        request=api.DeleteRequest,
        answer=None,
        sentence="Forget a storage that nobody uses.",
        handler=_delete,
        query=(),
        status=204,
    ),
    Route(
        method="POST",
        path=ONE + "/retry",
        level=Level.ADMIN,
        request=api.Empty,
        answer=BackupStorage,
        sentence="Try again to create a storage that failed.",
        handler=_retry,
        query=(),
        status=202,
    ),
    Route(
        method="POST",
        path=ONE + "/test",
        level=Level.OPERATE,
        request=api.Empty,
        answer=api.Operation,
        sentence="Open the repository from the cluster.",
        handler=_operation("test"),
        query=(),
        status=202,
    ),
    Route(
        method="POST",
        path=ONE + "/check",
        level=Level.OPERATE,
        request=api.Empty,
        answer=api.Operation,
        sentence="Check the repository.",
        handler=_operation("check"),
        query=(),
        status=202,
    ),
    Route(
        method="GET",
        path=ONE + "/usage",
        level=Level.READ,
        request=None,
        answer=api.ListOf[StorageUsage],
        sentence="What it held, newest first: an hour apart for a week, then a day.",
        handler=_usage,
        query=("limit",),
    ),
    Route(
        method="POST",
        path=ONE + "/usage",
        level=Level.OPERATE,
        request=api.Empty,
        answer=api.Operation,
        sentence="Measure what it holds.",
        handler=_operation("usage"),
        query=(),
        status=202,
    ),
)
