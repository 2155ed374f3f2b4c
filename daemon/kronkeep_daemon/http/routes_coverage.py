"""The route of the coverage: which claims are backed up, and which are not."""

from kronkeep_common import api
from kronkeep_daemon.http.list_pages import cluster_views, filter_of
from kronkeep_daemon.http.route import ApiCall, RouteTable

routes = RouteTable()


@routes.get("/v1/coverage", query=("filter", "namespace"))
async def list_coverage(call: ApiCall[None]) -> api.CoverageList:
    """List the claims of the watched namespaces and who backs each up, those that nobody does first."""
    accepted = filter_of(call, "claims")
    namespace = call.query.get("namespace")
    now = call.services.clock.now()
    report = await call.services.coverage.report()
    clusters = cluster_views(call.services)
    return api.CoverageList(
        items=[
            claim
            for claim in report.claims
            if namespace in (None, claim.namespace) and accepted.matches(claim, now)
        ],
        faults=list(report.faults),
        clusters=clusters if len(clusters) > 1 else [],
    )
