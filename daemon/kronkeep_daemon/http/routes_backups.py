"""The rows of the table of routes that are about backups and their retention."""

from collections.abc import Awaitable, Callable
from typing import Any

from kronkeep_common import api
from kronkeep_common.models import (
    BackupExecution,
    RetentionApproval,
    RetentionPlan,
    RetentionPreview,
)
from kronkeep_daemon.backups.policy_annotations import Carrier
from kronkeep_daemon.http import event_streams, list_handlers
from kronkeep_daemon.http.access import Level
from kronkeep_daemon.http.route import Call, Route

ONE = "/v1/backups/{id}"
RETENTION = "/v1/policies/{id}/retention"


def one(call: Call) -> BackupExecution:
    """The backup of the path; raises BackupNotFound."""
    return call.services.backups.get(call.path["id"])


async def _one(call: Call) -> BackupExecution:
    return one(call)


async def _cancel(call: Call) -> BackupExecution:
    return await call.services.backups.cancel(call.path["id"])


def _pin(pinned: bool) -> Callable[[Call], Awaitable[BackupExecution]]:
    async def handler(call: Call) -> BackupExecution:
        return await call.services.backups.pin(call.path["id"], pinned)

    return handler


async def _back_up(call: Call) -> BackupExecution:
    wanted: dict[str, Any] = {"backup_type": call.body.backup_type, "compression": call.body.compression}
    overrides = {key: value for key, value in wanted.items() if value is not None}
    return await call.services.extended.back_up_now(*call.name, overrides, key=call.key)


async def _retention(call: Call) -> RetentionPlan:
    retaining = call.services.backups.retaining
    return retaining.preview(retaining.carrier(call.path["id"]))


async def _preview(call: Call) -> RetentionPlan:
    body: RetentionPreview = call.body
    return call.services.backups.retaining.preview_of(body.namespace, body.cronjob, body.retention)


async def _apply(call: Call) -> api.Operation:
    retaining = call.services.backups.retaining
    found = retaining.carrier(call.path["id"])
    retaining.check_apply(found)
    return await _operation(call, found, lambda: retaining.apply(found))


async def _approve(call: Call) -> api.Operation:
    token, retaining = call.body.token, call.services.backups.retaining
    found = retaining.carrier(call.path["id"])
    retaining.check_approval(found, token)
    return await _operation(call, found, lambda: retaining.approve(found, token))


async def _operation(call: Call, policy: Carrier, work: Callable[[], Awaitable[None]]) -> api.Operation:
    target = call.services.cronjobs.clusters.title(policy.cluster, policy.policy.id)
    return await call.services.operations.start("retention", target, work)


async def _prune(call: Call) -> api.Operation:
    name, backups = call.path["id"], call.services.backups
    backups.storages.active(name)
    return await call.services.operations.start("prune", name, lambda: backups.retaining.prune(name))


ROUTES: tuple[Route, ...] = (
    Route("POST", "/v1/cronjobs/{namespace}/{name}/backup", Level.OPERATE, api.BackupRequest,
          BackupExecution, "Back up now.", _back_up, (), 202),
    Route("GET", "/v1/backups", Level.READ, None, api.ListOf[BackupExecution], "Backups, newest first.",
          list_handlers.backups, list_handlers.LIST),
    Route("GET", ONE, Level.READ, None, BackupExecution, "One backup.", _one),
    Route("GET", ONE + "/logs", Level.READ, None, None, "What a backup's Jobs and hooks said.",
          event_streams.backup_log, (), 200, "text/plain"),
    Route("POST", ONE + "/cancel", Level.OPERATE, api.Empty, BackupExecution, "Stop a backup.", _cancel),
    Route("POST", ONE + "/pin", Level.OPERATE, api.Empty, BackupExecution,
          "Keep retention from its snapshot.", _pin(True)),
    Route("POST", ONE + "/unpin", Level.ADMIN, api.Empty, BackupExecution,
          "Let retention have its snapshot.", _pin(False)),
    Route("GET", RETENTION, Level.READ, None, RetentionPlan,
          "What retention would remove now, what stays and why.", _retention),
    Route("POST", RETENTION + "/apply", Level.ADMIN, api.Empty, api.Operation,
          "Remove what no rule keeps, where that needs no approval.", _apply, (), 202),
    Route("POST", RETENTION + "/approve", Level.ADMIN, RetentionApproval, api.Operation,
          "Remove exactly what a previewed plan names.", _approve, (), 202),
    Route("POST", "/v1/retention/preview", Level.READ, RetentionPreview, RetentionPlan,
          "What other rules would do to a CronJob's snapshots.", _preview),
    Route("POST", "/v1/storages/{id}/prune", Level.ADMIN, api.Empty, api.Operation,
          "Give back the space of what was forgotten.", _prune, (), 202),
)  # fmt: skip
