"""The routes about the daemon itself: health, versions, figures, operations, audit trail, doctor."""

import msgspec
from aiohttp import web

from kronkeep_common import api
from kronkeep_daemon.http.access import Level
from kronkeep_daemon.http.computed_changes import watch_views
from kronkeep_daemon.http.list_pages import limit_of
from kronkeep_daemon.http.metrics import send_exposition
from kronkeep_daemon.http.route import JSON, TEXT, ApiCall, RouteTable

routes = RouteTable()


@routes.get("/v1/operations", query=("limit",))
async def list_operations(call: ApiCall[None]) -> api.ListOf[api.Operation]:
    """List long work, newest first."""
    return api.ListOf(items=call.services.operations.newest(limit_of(call)))


@routes.get("/v1/operations/{id}")
async def get_operation(call: ApiCall[None]) -> api.Operation:
    """Show one operation by its id."""
    return call.services.operations.get(call.id)


@routes.get("/v1/manifests")
async def list_manifest_files(call: ApiCall[None]) -> api.ListOf[api.ManifestFile]:
    """List the files of the daemon's manifest folder, and what is wrong with them."""
    return api.ListOf(items=call.services.manifest_folder.files())


@routes.get("/v1/sinks")
async def list_sinks(call: ApiCall[None]) -> api.ListOf[api.SinkView]:
    """List the databases that the history is shipped to, and how far each is."""
    return api.ListOf(items=call.services.sinks.views())


@routes.get("/v1/audit", Level.ADMIN, query=("limit",))
async def list_audit_entries(call: ApiCall[None]) -> api.ListOf[api.AuditEntry]:
    """List who did what, newest first."""
    entries = call.services.history.table("audit").newest(limit_of(call))
    return api.ListOf(items=msgspec.convert(entries, list[api.AuditEntry]))


@routes.get("/v1/doctor")
async def run_doctor(call: ApiCall[None]) -> api.ListOf[api.Check]:
    """Check all that kronkeep depends on, and say what to do."""
    return api.ListOf(items=await call.services.doctor.run_checks())


@routes.get("/v1/uninstall")
async def list_leftovers(call: ApiCall[None]) -> api.ListOf[api.Leftover]:
    """List what kronkeep created in the clusters and how to remove it."""
    return api.ListOf(items=await call.services.doctor.list_leftovers())


@routes.get("/healthz", media=TEXT)
async def send_health(_: ApiCall[None]) -> web.Response:
    """Say that the daemon answers."""
    return web.Response(text="ok")


@routes.get("/readyz", answer=api.Ready)
async def send_readiness(call: ApiCall[None]) -> web.Response:
    """Say whether what is shown is live; 503 if not.

    The body is the same for 200 and 503.
    """
    watches = watch_views(call.services.cronjobs)
    ready = all(watch.status == "live" for watch in watches if watch.needed)
    body = msgspec.json.encode(api.Ready(ready=ready, watches=watches))
    return web.Response(body=body, status=200 if ready else 503, content_type=JSON)


@routes.get("/version")
async def get_version(_: ApiCall[None]) -> api.Version:
    """Show the versions of the daemon and of its API."""
    return api.Version(version=api.VERSION, api={"min": 1, "max": 1})


@routes.get("/metrics", media=TEXT)
async def send_metrics(call: ApiCall[None]) -> web.StreamResponse:
    """Send figures for Prometheus."""
    return await send_exposition(call.request, call.services.exposition)
