"""Every route of the socket API, from the tables of the modules beside this one."""

from itertools import chain

from kronkeep_common.json_decoding import JsonObject
from kronkeep_daemon.http import (
    openapi,
    routes_alerts,
    routes_backups,
    routes_claims,
    routes_copies,
    routes_coverage,
    routes_cronjobs,
    routes_daemon,
    routes_events,
    routes_figures,
    routes_file_changes,
    routes_log_search,
    routes_maintenance,
    routes_moves,
    routes_orphans,
    routes_policies,
    routes_queue,
    routes_report,
    routes_restores,
    routes_runs,
    routes_storages,
    routes_timeline,
)
from kronkeep_daemon.http.route import ApiCall, Route, RouteTable

_openapi = RouteTable()


@_openapi.get("/openapi.json")
async def get_openapi(_: ApiCall[None]) -> JsonObject:
    """Show these routes as OpenAPI 3.1."""
    return openapi.document(ROUTES)


_TABLES = (
    routes_events.routes,
    routes_figures.routes,
    routes_timeline.routes,
    routes_log_search.routes,
    routes_cronjobs.routes,
    routes_claims.routes,
    routes_runs.routes,
    routes_backups.routes,
    routes_copies.routes,
    routes_policies.routes,
    routes_moves.routes,
    routes_orphans.routes,
    routes_queue.routes,
    routes_coverage.routes,
    routes_restores.routes,
    routes_file_changes.routes,
    routes_storages.routes,
    routes_alerts.routes,
    routes_maintenance.routes,
    routes_report.routes,
    routes_daemon.routes,
    _openapi,
)
ROUTES: tuple[Route, ...] = tuple(chain.from_iterable(table.routes for table in _TABLES))
_READERS = {route.path: route.handler for route in ROUTES if route.method == "GET"}


async def read_object(route: Route, call: ApiCall[object]) -> object | None:
    """Return the object of a write as its GET answers it; None for a collection. Raise its NotFound."""
    reader = _READERS.get(route.resource or "")
    return await reader(call) if reader is not None else None


async def read_forms(route: Route, call: ApiCall[object]) -> tuple[object, ...]:
    """Return the forms of the object that an If-Match may name; raise its NotFound."""
    current = await read_object(route, call)
    return (current,) if route.if_match is None else (current, await route.if_match(call))
