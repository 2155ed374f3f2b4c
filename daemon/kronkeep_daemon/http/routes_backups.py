"""The rows of the table of routes that are about backups and their retention."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from kronkeep_common import api
from kronkeep_common.models import (
    BackupExecution,
    RetentionApproval,
    RetentionPlan,
    RetentionPreview,
)
from kronkeep_daemon.backups.policy_annotations import Carrier
from kronkeep_daemon.http import event_stream, list_pages
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
    return await call.services.extended.back_up_now(call.ref, overrides, key=call.key)


async def _retention(call: Call) -> RetentionPlan:
    retention = call.services.retention
    return retention.preview(call.services.policies.carrier_by_id(call.path["id"], call.query.get("cluster")))


async def _preview(call: Call) -> RetentionPlan:
    body: RetentionPreview = call.body
    ref = call.resolve(body.namespace, body.cronjob)
    return call.services.retention.preview_of(ref, body.retention)


async def _apply(call: Call) -> api.Operation:
    retention = call.services.retention
    found = call.services.policies.carrier_by_id(call.path["id"], call.query.get("cluster"))
    retention.check_apply(found)
    return await _operation(call, found, lambda: retention.apply(found))


async def _approve(call: Call) -> api.Operation:
    token = call.body.token
    retention = call.services.retention
    found = call.services.policies.carrier_by_id(call.path["id"], call.query.get("cluster"))
    retention.check_approval(found, token)
    return await _operation(call, found, lambda: retention.approve(found, token))


async def _operation(call: Call, policy: Carrier, work: Callable[[], Awaitable[None]]) -> api.Operation:
    target = call.services.cronjobs.clusters.title(policy.cluster, policy.policy.id)
    return await call.services.operations.start("retention", target, work)


async def _prune(call: Call) -> api.Operation:
    name = call.path["id"]
    call.services.storages.require_active(name)
    return await call.services.operations.start("prune", name, partial(call.services.retention.prune, name))


ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path="/v1/cronjobs/{namespace}/{name}/backup",
        level=Level.OPERATE,
        request=api.BackupRequest,
        answer=BackupExecution,
        sentence="Back up now.",
        handler=_back_up,
        query=(),
        status=202,
    ),
    Route(
        method="GET",
        path="/v1/backups",
        level=Level.READ,
        request=None,
        answer=api.ListOf[BackupExecution],
        sentence="Backups, newest first.",
        handler=list_pages.backups,
        query=list_pages.LIST,
    ),
    Route(
        method="GET",
        path=ONE,
        level=Level.READ,
        request=None,
        answer=BackupExecution,
        sentence="One backup.",
        handler=_one,
    ),
    Route(
        method="GET",
        path=ONE + "/logs",
        level=Level.READ,
        request=None,
        answer=None,
        sentence="What a backup's Jobs and hooks said.",
        handler=event_stream.backup_log,
        query=(),
        status=200,
        media="text/plain",
    ),
    Route(
        method="POST",
        path=ONE + "/cancel",
        level=Level.OPERATE,
        request=api.Empty,
        answer=BackupExecution,
        sentence="Stop a backup.",
        handler=_cancel,
    ),
    Route(
        method="POST",
        path=ONE + "/pin",
        level=Level.OPERATE,
        request=api.Empty,
        answer=BackupExecution,
        sentence="Keep retention from its snapshot.",
        handler=_pin(True),
    ),
    Route(
        method="POST",
        path=ONE + "/unpin",
        level=Level.ADMIN,
        request=api.Empty,
        answer=BackupExecution,
        sentence="Let retention have its snapshot.",
        handler=_pin(False),
    ),
    Route(
        method="GET",
        path=RETENTION,
        level=Level.READ,
        request=None,
        answer=RetentionPlan,
        sentence="What retention would remove now, what stays and why.",
        handler=_retention,
    ),
    Route(
        method="POST",
        path=RETENTION + "/apply",
        level=Level.ADMIN,
        request=api.Empty,
        answer=api.Operation,
        sentence="Remove what no rule keeps, where that needs no approval.",
        handler=_apply,
        query=(),
        status=202,
    ),
    Route(
        method="POST",
        path=RETENTION + "/approve",
        level=Level.ADMIN,
        request=RetentionApproval,
        answer=api.Operation,
        sentence="Remove exactly what a previewed plan names.",
        handler=_approve,
        query=(),
        status=202,
    ),
    Route(
        method="POST",
        path="/v1/retention/preview",
        level=Level.READ,
        request=RetentionPreview,
        answer=RetentionPlan,
        sentence="What other rules would do to a CronJob's snapshots.",
        handler=_preview,
    ),
    Route(
        method="POST",
        path="/v1/storages/{id}/prune",
        level=Level.ADMIN,
        request=api.Empty,
        answer=api.Operation,
        sentence="Give back the space of what was forgotten.",
        handler=_prune,
        query=(),
        status=202,
    ),
)
