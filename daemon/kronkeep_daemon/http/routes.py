"""The one table of routes: method, path, level, request, answer, sentence, handler."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeVar

import msgspec

from kronkeep_common import api
from kronkeep_common.errors import ConfirmationMissing, InvalidRequest
from kronkeep_common.models import (
    BackupExecution,
    BackupPolicySpec,
    BackupStorage,
    BackupStorageCreate,
    CronJob,
    CronJobCreate,
    CronJobExecution,
    ScheduleCheckRequest,
    ScheduleVerdict,
)
from kronkeep_common.query import parse
from kronkeep_daemon.history import Page, Records
from kronkeep_daemon.history.records import HasId
from kronkeep_daemon.http.access import Level
from kronkeep_daemon.http.services import Services

R = TypeVar("R", bound=HasId)
LIMIT, MOST = 50, 1000
SCANNED = 20_000


class Call(NamedTuple):
    """One request as handlers see it: path parts, query, decoded body."""

    services: Services
    path: dict[str, str]
    query: dict[str, str]
    body: Any

    @property
    def name(self) -> tuple[str, str]:
        """(namespace, name) of the path."""
        return self.path["namespace"], self.path["name"]


class Route(NamedTuple):
    """One row of the table; `query` names the parameters that it takes."""

    method: str
    path: str
    level: Level
    request: type | None
    answer: Any
    sentence: str
    handler: Callable[[Call], Awaitable[Any]]
    query: tuple[str, ...] = ()
    status: int = 200


async def _snapshot(call: Call) -> api.Snapshot:
    services = call.services
    return api.Snapshot(
        seq=services.history.seq,
        now=services.clock.now(),
        version=api.VERSION,
        cronjobs=services.extended.list(),
        executions=services.history.executions.newest(limit=200).items,
        backups=services.history.backups.newest(limit=200).items,
        storages=services.backups.storages.list(),
        watches=watch_views(services),
    )


def watch_views(services: Services) -> list[api.WatchView]:
    """How fresh each watch is."""
    return [
        api.WatchView(name=state.name, status=state.status, since=state.since, why=state.why)
        for state in services.cronjobs.watch_states()
    ]


async def _cronjobs(call: Call) -> api.ListOf[CronJob]:
    found, now = parse(call.query.get("filter", "")), call.services.clock.now()
    items = call.services.extended.list(call.query.get("namespace"))
    return api.ListOf(items=[item for item in items if found.takes(item, now)])


def _page(call: Call, records: Records[R]) -> api.ListOf[R]:
    """A page of records that pass the filter; indexed terms choose the candidates."""
    found, now = parse(call.query.get("filter", "")), call.services.clock.now()
    limit = _limit(call.query.get("limit"))
    equal: dict[str, Any] = dict(found.equal) | {
        k: call.query[k] for k in ("cronjob_id", "namespace") if k in call.query
    }
    items: list[R] = []
    cursor, scanned = call.query.get("cursor"), 0
    while scanned < SCANNED:
        page: Page[R] = records.newest(limit=limit, cursor=cursor, **equal)
        scanned += len(page.items)
        for number, item in enumerate(page.items):
            if found.takes(item, now):
                items.append(item)
            if len(items) == limit:
                last = number + 1 == len(page.items)
                return api.ListOf(
                    items=items, next_cursor=page.next_cursor if last else records.cursor_of(item)
                )
        cursor = page.next_cursor
        if cursor is None:
            break
    return api.ListOf(items=items, next_cursor=cursor)


def _limit(text: str | None) -> int:
    if text is None:
        return LIMIT
    if not text.isdigit() or not 1 <= int(text) <= MOST:
        raise InvalidRequest(f"The limit must be a number from 1 to {MOST}.", field="limit")
    return int(text)


async def _executions(call: Call) -> api.ListOf[CronJobExecution]:
    return _page(call, call.services.history.executions)


async def _backups(call: Call) -> api.ListOf[BackupExecution]:
    return _page(call, call.services.history.backups)


async def _create_cronjob(call: Call) -> CronJob:
    return await call.services.extended.create(call.body, dry_run=call.query.get("dry_run") == "true")


async def _delete_cronjob(call: Call) -> None:
    await call.services.extended.delete(*call.name, confirm=call.body.confirm)


async def _storages(call: Call) -> api.ListOf[BackupStorage]:
    return api.ListOf(items=call.services.backups.storages.list())


async def _delete_storage(call: Call) -> None:
    name = call.path["id"]
    if call.body.confirm != name:
        raise ConfirmationMissing(f"Deleting storage {name} needs its name as confirmation.", field="confirm")
    await call.services.backups.storages.delete(name, call.services.extended.storage_users(name))


async def _audit(call: Call) -> api.ListOf[dict[str, Any]]:
    table = call.services.history.table("audit")
    newest = [doc_id for _, doc_id in table.documents.order[-_limit(call.query.get("limit")) :]]
    entries = [msgspec.json.decode(table.documents.bodies[doc_id]) for doc_id in reversed(newest)]
    return api.ListOf(items=entries)


def _one(get: Callable[[Call], Any]) -> Callable[[Call], Awaitable[Any]]:
    async def handler(call: Call) -> Any:
        return get(call)

    return handler


C, E, B, S = "/v1/cronjobs", "/v1/executions/{id}", "/v1/backups/{id}", "/v1/storages"
CJ = C + "/{namespace}/{name}"
LIST = ("filter", "limit", "cursor", "cronjob_id", "namespace")
ROUTES: tuple[Route, ...] = (
    Route("GET", "/v1/snapshot", Level.READ, None, api.Snapshot, "All that a first screen needs.", _snapshot),
    Route("GET", C, Level.READ, None, api.ListOf[CronJob], "Every CronJob.",
          _cronjobs, ("filter", "namespace")),
    Route("POST", C, Level.ADMIN, CronJobCreate, CronJob, "Create a CronJob, with its policy or without.",
          _create_cronjob, ("dry_run",), 201),
    Route("GET", CJ, Level.READ, None, CronJob, "One CronJob.",
          _one(lambda c: c.services.extended.get(*c.name))),
    Route("DELETE", CJ, Level.ADMIN, api.DeleteRequest, None, "Delete a CronJob; its history stays.",
          _delete_cronjob, (), 204),
    Route("POST", CJ + "/trigger", Level.OPERATE, api.TriggerRequest, CronJobExecution, "Run a CronJob now.",
          lambda c: c.services.extended.trigger(*c.name, c.body.env), (), 201),
    Route("POST", CJ + "/suspend", Level.OPERATE, api.Empty, CronJob, "Stop new runs.",
          lambda c: c.services.extended.suspend(*c.name)),
    Route("POST", CJ + "/resume", Level.OPERATE, api.Empty, CronJob, "Allow new runs from the next slot on.",
          lambda c: c.services.extended.resume(*c.name)),
    Route("POST", CJ + "/backup", Level.OPERATE, api.BackupRequest, BackupExecution, "Back up now.",
          lambda c: c.services.extended.back_up_now(*c.name, c.body.backup_type), (), 202),
    Route("PUT", CJ + "/policy", Level.ADMIN, BackupPolicySpec, CronJob, "Set the backup policy.",
          lambda c: c.services.extended.set_policy(*c.name, c.body)),
    Route("DELETE", CJ + "/policy", Level.ADMIN, None, CronJob, "Take the backup policy away.",
          lambda c: c.services.extended.remove_policy(*c.name)),
    Route("GET", "/v1/executions", Level.READ, None, api.ListOf[CronJobExecution], "Runs, newest first.",
          _executions, LIST),
    Route("GET", E, Level.READ, None, CronJobExecution, "One run.",
          _one(lambda c: c.services.cronjobs.execution(c.path["id"]))),
    Route("POST", E + "/cancel", Level.OPERATE, api.Empty, CronJobExecution, "Stop a run.",
          lambda c: c.services.cronjobs.cancel(c.path["id"])),
    Route("GET", "/v1/backups", Level.READ, None, api.ListOf[BackupExecution], "Backups, newest first.",
          _backups, LIST),
    Route("GET", B, Level.READ, None, BackupExecution, "One backup.",
          _one(lambda c: c.services.backups.get(c.path["id"]))),
    Route("POST", B + "/cancel", Level.OPERATE, api.Empty, BackupExecution, "Stop a backup.",
          lambda c: c.services.backups.cancel(c.path["id"])),
    Route("GET", S, Level.READ, None, api.ListOf[BackupStorage], "Every storage.", _storages),
    Route("POST", S, Level.ADMIN, BackupStorageCreate, BackupStorage, "Create a storage and its repository.",
          lambda c: c.services.backups.storages.create(c.body), (), 202),
    Route("GET", S + "/{id}", Level.READ, None, BackupStorage, "One storage.",
          _one(lambda c: c.services.backups.storages.get(c.path["id"]))),
    Route("DELETE", S + "/{id}", Level.ADMIN, api.DeleteRequest, None, "Forget a storage that nobody uses.",
          _delete_storage, (), 204),
    Route("POST", S + "/{id}/check", Level.OPERATE, api.Empty, BackupStorage, "Check the repository.",
          lambda c: c.services.backups.storages.check(c.path["id"])),
    Route("POST", S + "/{id}/usage", Level.OPERATE, api.Empty, BackupStorage, "Measure what it holds.",
          lambda c: c.services.backups.storages.usage(c.path["id"])),
    Route("POST", "/v1/schedules/check", Level.READ, ScheduleCheckRequest, ScheduleVerdict,
          "Whether a backup's schedule fits a CronJob's.",
          lambda c: c.services.extended.check_schedules_async(c.body)),
    Route("GET", "/v1/audit", Level.ADMIN, None, api.ListOf[dict[str, Any]], "Who did what, newest first.",
          _audit, ("limit",)),
)  # fmt: skip
