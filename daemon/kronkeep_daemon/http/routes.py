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
    daemon_handlers,
    event_streams,
    list_handlers,
    openapi,
    routes_alerts,
    routes_backups,
    routes_restores,
    routes_storages,
)
from kronkeep_daemon.http.access import Level
from kronkeep_daemon.http.route import Call, Route


async def _create_cronjob(call: Call) -> CronJob:
    return await call.services.extended.create(call.body, dry_run=call.query.get("dry_run") == "true")


async def _apply_cronjob(call: Call) -> api.Applied:
    made = await call.services.applying.manifest(call.body, dry_run=call.query.get("dry_run") == "true")
    assert made.cronjob is not None
    return api.Applied(outcome=made.outcome, cronjob=made.cronjob)


async def _replace_cronjob(call: Call) -> CronJob:
    dry_run = call.query.get("dry_run") == "true"
    return await call.services.extended.replace(*call.name, call.body, dry_run=dry_run)


async def _delete_cronjob(call: Call) -> None:
    await call.services.extended.delete(*call.name, confirm=call.body.confirm)


async def _openapi(_: Call) -> dict[str, Any]:
    return openapi.document(ROUTES)


def _one(get: Callable[[Call], Any]) -> Callable[[Call], Awaitable[Any]]:
    async def handler(call: Call) -> Any:
        return get(call)

    return handler


C, E = "/v1/cronjobs", "/v1/executions/{id}"
CJ = C + "/{namespace}/{name}"
LIST = list_handlers.LIST
ROUTES: tuple[Route, ...] = (
    Route("GET", "/v1/snapshot", Level.READ, None, api.Snapshot, "All that a first screen needs.",
          list_handlers.snapshot),
    Route("GET", C, Level.READ, None, api.ListOf[CronJob], "Every CronJob.",
          list_handlers.cronjobs, ("filter", "namespace")),
    Route("POST", C, Level.ADMIN, CronJobCreate, CronJob, "Create a CronJob, with its policy or without.",
          _create_cronjob, ("dry_run",), 201),
    Route("POST", C + "/apply", Level.ADMIN, CronJobManifest, api.Applied,
          "Make a CronJob as a manifest of Kubernetes says.", _apply_cronjob, ("dry_run",)),
    Route("GET", CJ, Level.READ, None, CronJob, "One CronJob.",
          _one(lambda c: c.services.extended.get(*c.name))),
    Route("GET", CJ + "/spec", Level.READ, None, CronJobCreate, "One CronJob, as it would be written.",
          _one(lambda c: c.services.extended.spec(*c.name))),
    Route("PUT", CJ, Level.ADMIN, CronJobCreate, CronJob, "Change a CronJob and its policy.",
          _replace_cronjob, ("dry_run",)),
    Route("DELETE", CJ, Level.ADMIN, api.DeleteRequest, None, "Delete a CronJob; its history stays.",
          _delete_cronjob, (), 204),
    Route("POST", CJ + "/trigger", Level.OPERATE, api.TriggerRequest, CronJobExecution, "Run a CronJob now.",
          lambda c: c.services.extended.trigger(*c.name, c.body.env, key=c.key), (), 201),
    Route("POST", CJ + "/suspend", Level.OPERATE, api.Empty, CronJob, "Stop new runs.",
          lambda c: c.services.extended.suspend(*c.name)),
    Route("POST", CJ + "/resume", Level.OPERATE, api.Empty, CronJob, "Allow new runs from the next slot on.",
          lambda c: c.services.extended.resume(*c.name)),
    Route("PUT", CJ + "/policy", Level.ADMIN, BackupPolicySpec, CronJob, "Set the backup policy.",
          lambda c: c.services.extended.set_policy(*c.name, c.body)),
    Route("DELETE", CJ + "/policy", Level.ADMIN, None, CronJob, "Take the backup policy away.",
          lambda c: c.services.extended.remove_policy(*c.name)),
    Route("GET", "/v1/executions", Level.READ, None, api.ListOf[CronJobExecution], "Runs, newest first.",
          list_handlers.executions, LIST),
    Route("GET", E, Level.READ, None, CronJobExecution, "One run.",
          _one(lambda c: c.services.cronjobs.execution(c.path["id"]))),
    Route("POST", E + "/cancel", Level.OPERATE, api.Empty, CronJobExecution, "Stop a run.",
          lambda c: c.services.cronjobs.cancel(c.path["id"])),
    *routes_backups.ROUTES,
    *routes_restores.ROUTES,
    *routes_storages.ROUTES,
    *routes_alerts.ROUTES,
    Route("GET", E + "/manifest", Level.READ, None, dict[str, Any], "A run's Job as Kubernetes writes it.",
          list_handlers.manifest_of_run),
    Route("GET", E + "/events", Level.READ, None, api.ListOf[api.EventView],
          "What Kubernetes said about a run, oldest first.", list_handlers.events_of_run),
    Route("GET", E + "/logs", Level.READ, None, None, "A run's log, live or as it was kept.",
          event_streams.log, ("follow",), 200, "text/plain"),
    Route("GET", "/v1/policies", Level.READ, None, api.ListOf[api.PolicyView], "Every backup policy.",
          list_handlers.policies, ("filter", "namespace")),
    Route("GET", "/v1/operations", Level.READ, None, api.ListOf[api.Operation], "Long work, newest first.",
          list_handlers.operations, ("limit",)),
    Route("GET", "/v1/operations/{id}", Level.READ, None, api.Operation, "One operation.",
          _one(lambda c: c.services.operations.get(c.path["id"]))),
    Route("GET", "/v1/events", Level.READ, None, None, "Changes, sent as they happen; Last-Event-ID resumes.",
          event_streams.events, ("filter", "table"), 200, "text/event-stream"),
    Route("POST", "/v1/schedules/check", Level.READ, ScheduleCheckRequest, ScheduleVerdict,
          "Whether a backup's schedule fits a CronJob's.",
          lambda c: c.services.schedules.check(c.body)),
    Route("GET", "/v1/manifests", Level.READ, None, api.ListOf[api.ManifestFile],
          "The files of the daemon's manifest folder, and what is wrong with them.", list_handlers.manifests),
    Route("GET", "/v1/audit", Level.ADMIN, None, api.ListOf[api.AuditEntry], "Who did what, newest first.",
          list_handlers.audit, ("limit",)),
    Route("GET", "/v1/doctor", Level.READ, None, api.ListOf[api.Check],
          "What kronkeep stands on, looked at now, with what to do.", daemon_handlers.doctor),
    Route("GET", "/v1/uninstall", Level.READ, None, api.ListOf[api.Leftover],
          "What kronkeep put into the clusters and how to remove it.", daemon_handlers.leftovers),
    Route("GET", "/healthz", Level.READ, None, None, "Whether the daemon answers.",
          daemon_handlers.healthz, (), 200, "text/plain"),
    Route("GET", "/readyz", Level.READ, None, api.Ready, "Whether what is shown is live; 503 if not.",
          daemon_handlers.readyz),
    Route("GET", "/version", Level.READ, None, api.Version, "Versions of the daemon and of its API.",
          daemon_handlers.version),
    Route("GET", "/metrics", Level.READ, None, None, "Figures for Prometheus.",
          daemon_handlers.metrics, (), 200, "text/plain"),
    Route("GET", "/openapi.json", Level.READ, None, dict[str, Any], "This table as OpenAPI 3.1.", _openapi),
)  # fmt: skip

_RESOURCES: dict[str, Callable[[Call], Any]] = {
    CJ: lambda c: c.services.extended.get(*c.name),
    E: lambda c: c.services.cronjobs.execution(c.path["id"]),
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
    return (found, call.services.extended.spec(*call.name)) if route.handler is _replace_cronjob else (found,)


def made(route: Route, call: Call) -> Any:
    """What an earlier life of the daemon made on the same request, when the name is taken now."""
    if route.path == C:
        return call.services.extended.get(call.body.namespace, call.body.name)
    return call.services.backups.storages.get(call.body.id)
