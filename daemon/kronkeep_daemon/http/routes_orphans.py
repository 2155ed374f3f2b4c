"""The routes of policies that no CronJob carries any more, and of the adoption of their backups."""

from kronkeep_common import api
from kronkeep_common.models import OrphanedPolicy
from kronkeep_daemon.history.record_ids import expand_prefix
from kronkeep_daemon.http.access import Level
from kronkeep_daemon.http.list_pages import with_cluster_names
from kronkeep_daemon.http.route import AUDITED_NAMES, ApiCall, RouteTable
from kronkeep_daemon.http.routes_cronjobs import CRONJOB

routes = RouteTable()


@routes.get("/v1/orphans", query=("storage_id",))
async def list_orphans(call: ApiCall[None]) -> api.ListOf[OrphanedPolicy]:
    """List the policies that no CronJob carries any more, with their backups; their retention waits."""
    storage_id = call.query.get("storage_id")
    views = await call.services.orphans.views(storage_id)
    if storage_id is not None and not views:  # snapshots may be in a storage that was deleted
        call.services.storages.get(storage_id)
    return with_cluster_names(call, api.ListOf(items=views))


@routes.post(CRONJOB + "/adopt", Level.ADMIN, query=("dry_run",))
async def adopt(call: ApiCall[api.AdoptRequest]) -> api.Adopted:
    """Give a CronJob the backups of a policy that no CronJob carries any more, or undo that."""
    orphans = call.services.orphans
    body = call.body
    call.request[AUDITED_NAMES] = {"policy": body.policy_id, "undo": "true" if body.undo else "false"}
    if body.undo:
        return await orphans.undo_adoption(
            call.ref, body.policy_id, confirm=body.confirm or "", dry_run=call.dry_run
        )
    return await orphans.adopt(
        call.ref,
        expand_prefix(orphans, body.policy_id, "policy"),
        confirm=body.confirm or "",
        other_claims=body.other_claims,
        dry_run=call.dry_run,
    )
