"""The one table of routes: method, path, level, request, answer, sentence, handler."""

from collections.abc import Awaitable, Callable
from typing import Any

from kronkeep_common import api
from kronkeep_common.models import (
    BackupPolicySpec,
    CronJob,
    CronJobCreate,
    CronJobExecution,
    CronJobManifest,
    ScheduleCheckRequest,
    ScheduleVerdict,
)
from kronkeep_daemon.http import (
    event_stream,
    list_pages,
    openapi,
    routes_alerts,
    routes_backups,
    routes_daemon,
    routes_restores,
    routes_storages,
)
from kronkeep_daemon.http.access import Level
from kronkeep_daemon.http.route import Call, Route
from kronkeep_daemon.kube.objects import CronJobRef


async def _create_cronjob(call: Call) -> CronJob:
    dry_run = call.query.get("dry_run") == "true"
    return await call.services.extended.create(call.body, call.cluster, dry_run=dry_run)


async def _apply_cronjob(call: Call) -> api.Applied:
    body: CronJobManifest = call.body
    ref = call.services.cronjobs.resolve_or_new(body.namespace, body.name, call.query.get("cluster"))
    dry_run = call.query.get("dry_run") == "true"
    made = await call.services.applying.manifest(ref, body, dry_run=dry_run)
    assert made.cronjob is not None
    return api.Applied(outcome=made.outcome, cronjob=made.cronjob)


async def _replace_cronjob(call: Call) -> CronJob:
    dry_run = call.query.get("dry_run") == "true"
    return await call.services.extended.replace(call.ref, call.body, dry_run=dry_run)


async def _delete_cronjob(call: Call) -> None:
    await call.services.extended.delete(call.ref, confirm=call.body.confirm)


async def _openapi(_: Call) -> dict[str, Any]:
    return openapi.document(ROUTES)


def _one(get: Callable[[Call], Any]) -> Callable[[Call], Awaitable[Any]]:
    async def handler(call: Call) -> Any:
        return get(call)

    return handler


C = "/v1/cronjobs"
E = "/v1/executions/{id}"
CJ = C + "/{namespace}/{name}"
LIST = list_pages.LIST
ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="/v1/snapshot",
        level=Level.READ,
        request=None,
        answer=api.Snapshot,
        sentence="All that a first screen needs.",
        handler=list_pages.snapshot,
    ),
    Route(
        method="GET",
        path=C,
        level=Level.READ,
        request=None,
        answer=api.ListOf[CronJob],
        sentence="Every CronJob.",
        handler=list_pages.cronjobs,
        query=("filter", "namespace"),
    ),
    Route(
        method="POST",
        path=C,
        level=Level.ADMIN,
        request=CronJobCreate,
        answer=CronJob,
        sentence="Create a CronJob, with its policy or without.",
        handler=_create_cronjob,
        query=("dry_run",),
        status=201,
    ),
    Route(
        method="POST",
        path=C + "/apply",
        level=Level.ADMIN,
        request=CronJobManifest,
        answer=api.Applied,
        sentence="Make a CronJob as a manifest of Kubernetes says.",
        handler=_apply_cronjob,
        query=("dry_run",),
    ),
    Route(
        method="GET",
        path=CJ,
        level=Level.READ,
        request=None,
        answer=CronJob,
        sentence="One CronJob.",
        handler=_one(lambda c: c.services.extended.get(c.ref)),
    ),
    Route(
        method="GET",
        path=CJ + "/spec",
        level=Level.READ,
        request=None,
        answer=CronJobCreate,
        sentence="One CronJob, as it would be written.",
        handler=_one(lambda c: c.services.extended.spec(c.ref)),
    ),
    Route(
        method="PUT",
        path=CJ,
        level=Level.ADMIN,
        request=CronJobCreate,
        answer=CronJob,
        sentence="Change a CronJob and its policy.",
        handler=_replace_cronjob,
        query=("dry_run",),
    ),
    Route(
        method="DELETE",
        path=CJ,
        level=Level.ADMIN,
        request=api.DeleteRequest,
        answer=None,
        sentence="Delete a CronJob; its history stays.",
        handler=_delete_cronjob,
        query=(),
        status=204,
    ),
    Route(
        method="POST",
        path=CJ + "/trigger",
        level=Level.OPERATE,
        request=api.TriggerRequest,
        answer=CronJobExecution,
        sentence="Run a CronJob now.",
        handler=lambda c: c.services.extended.trigger(c.ref, c.body.env, key=c.key),
        query=(),
        status=201,
    ),
    Route(
        method="POST",
        path=CJ + "/suspend",
        level=Level.OPERATE,
        request=api.Empty,
        answer=CronJob,
        sentence="Stop new runs.",
        handler=lambda c: c.services.extended.suspend(c.ref),
    ),
    Route(
        method="POST",
        path=CJ + "/resume",
        level=Level.OPERATE,
        request=api.Empty,
        answer=CronJob,
        sentence="Allow new runs from the next slot on.",
        handler=lambda c: c.services.extended.resume(c.ref),
    ),
    Route(
        method="PUT",
        path=CJ + "/policy",
        level=Level.ADMIN,
        request=BackupPolicySpec,
        answer=CronJob,
        sentence="Set the backup policy.",
        handler=lambda c: c.services.extended.set_policy(c.ref, c.body),
    ),
    Route(
        method="DELETE",
        path=CJ + "/policy",
        level=Level.ADMIN,
        request=None,
        answer=CronJob,
        sentence="Take the backup policy away.",
        handler=lambda c: c.services.extended.remove_policy(c.ref),
    ),
    Route(
        method="GET",
        path="/v1/executions",
        level=Level.READ,
        request=None,
        answer=api.ListOf[CronJobExecution],
        sentence="Runs, newest first.",
        handler=list_pages.executions,
        query=LIST,
    ),
    Route(
        method="GET",
        path=E,
        level=Level.READ,
        request=None,
        answer=CronJobExecution,
        sentence="One run.",
        handler=_one(lambda c: c.services.extended.execution(c.path["id"])),
    ),
    Route(
        method="POST",
        path=E + "/cancel",
        level=Level.OPERATE,
        request=api.Empty,
        answer=CronJobExecution,
        sentence="Stop a run.",
        handler=lambda c: c.services.extended.cancel(c.path["id"]),
    ),
    *routes_backups.ROUTES,
    *routes_restores.ROUTES,
    *routes_storages.ROUTES,
    *routes_alerts.ROUTES,
    Route(
        method="GET",
        path=E + "/manifest",
        level=Level.READ,
        request=None,
        answer=dict[str, Any],
        sentence="A run's Job as Kubernetes writes it.",
        handler=list_pages.manifest_of_run,
    ),
    Route(
        method="GET",
        path=E + "/events",
        level=Level.READ,
        request=None,
        answer=api.ListOf[api.EventView],
        sentence="What Kubernetes said about a run, oldest first.",
        handler=list_pages.events_of_run,
    ),
    Route(
        method="GET",
        path=E + "/logs",
        level=Level.READ,
        request=None,
        answer=None,
        sentence="A run's log, live or as it was kept.",
        handler=event_stream.log,
        query=("follow",),
        status=200,
        media="text/plain",
    ),
    Route(
        method="GET",
        path="/v1/policies",
        level=Level.READ,
        request=None,
        answer=api.ListOf[api.PolicyView],
        sentence="Every backup policy.",
        handler=list_pages.policies,
        query=("filter", "namespace"),
    ),
    Route(
        method="GET",
        path="/v1/operations",
        level=Level.READ,
        request=None,
        answer=api.ListOf[api.Operation],
        sentence="Long work, newest first.",
        handler=list_pages.operations,
        query=("limit",),
    ),
    Route(
        method="GET",
        path="/v1/operations/{id}",
        level=Level.READ,
        request=None,
        answer=api.Operation,
        sentence="One operation.",
        handler=_one(lambda c: c.services.operations.get(c.path["id"])),
    ),
    Route(
        method="GET",
        path="/v1/events",
        level=Level.READ,
        request=None,
        answer=None,
        sentence="Changes, sent as they happen; Last-Event-ID resumes.",
        handler=event_stream.events,
        query=("filter", "table"),
        status=200,
        media="text/event-stream",
    ),
    Route(
        method="POST",
        path="/v1/schedules/check",
        level=Level.READ,
        request=ScheduleCheckRequest,
        answer=ScheduleVerdict,
        sentence="Whether a backup's schedule fits a CronJob's.",
        handler=lambda c: c.services.schedules.check(c.body, c.query.get("cluster")),
    ),
    Route(
        method="GET",
        path="/v1/manifests",
        level=Level.READ,
        request=None,
        answer=api.ListOf[api.ManifestFile],
        sentence="The files of the daemon's manifest folder, and what is wrong with them.",
        handler=list_pages.manifests,
    ),
    Route(
        method="GET",
        path="/v1/audit",
        level=Level.ADMIN,
        request=None,
        answer=api.ListOf[api.AuditEntry],
        sentence="Who did what, newest first.",
        handler=list_pages.audit,
        query=("limit",),
    ),
    Route(
        method="GET",
        path="/v1/doctor",
        level=Level.READ,
        request=None,
        answer=api.ListOf[api.Check],
        sentence="What kronkeep stands on, looked at now, with what to do.",
        handler=routes_daemon.doctor,
    ),
    Route(
        method="GET",
        path="/v1/uninstall",
        level=Level.READ,
        request=None,
        answer=api.ListOf[api.Leftover],
        sentence="What kronkeep put into the clusters and how to remove it.",
        handler=routes_daemon.leftovers,
    ),
    Route(
        method="GET",
        path="/healthz",
        level=Level.READ,
        request=None,
        answer=None,
        sentence="Whether the daemon answers.",
        handler=routes_daemon.healthz,
        query=(),
        status=200,
        media="text/plain",
    ),
    Route(
        method="GET",
        path="/readyz",
        level=Level.READ,
        request=None,
        answer=api.Ready,
        sentence="Whether what is shown is live; 503 if not.",
        handler=routes_daemon.readyz,
    ),
    Route(
        method="GET",
        path="/version",
        level=Level.READ,
        request=None,
        answer=api.Version,
        sentence="Versions of the daemon and of its API.",
        handler=routes_daemon.version,
    ),
    Route(
        method="GET",
        path="/metrics",
        level=Level.READ,
        request=None,
        answer=None,
        sentence="Figures for Prometheus.",
        handler=routes_daemon.metrics,
        query=(),
        status=200,
        media="text/plain",
    ),
    Route(
        method="GET",
        path="/openapi.json",
        level=Level.READ,
        request=None,
        answer=dict[str, Any],
        sentence="This table as OpenAPI 3.1.",
        handler=_openapi,
    ),
)

_RESOURCES: dict[str, Callable[[Call], Any]] = {
    CJ: lambda c: c.services.extended.get(c.ref),
    E: lambda c: c.services.extended.execution(c.path["id"]),
    routes_restores.ONE: routes_restores.one,
    routes_backups.ONE: routes_backups.one,
    routes_storages.ONE: routes_storages.one,
    routes_alerts.ONE: routes_alerts.one,
}


def current(route: Route, call: Call) -> Any:
    """What the route is about as it is now (None for a collection); raises its NotFound."""
    for path, get in _RESOURCES.items():
        if route.path == path or route.path.startswith(path + "/"):
            return get(call)
    return None


def forms(route: Route, call: Call) -> tuple[Any, ...]:
    """What an If-Match may name; raises the NotFound of `current`.

    A CronJob's version in Kubernetes changes with each of its runs, so who changes it names its spec.
    """
    found = current(route, call)
    return (found, call.services.extended.spec(call.ref)) if route.handler is _replace_cronjob else (found,)


def made(route: Route, call: Call) -> Any:
    """What an earlier life of the daemon made on the same request, when the name is taken now."""
    if route.path == C:
        return call.services.extended.get(CronJobRef(call.cluster.id, call.body.namespace, call.body.name))
    return call.services.storages.get(call.body.id)
