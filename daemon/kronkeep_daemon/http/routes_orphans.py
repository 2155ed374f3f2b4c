"""The routes of policies that no CronJob carries any more, and of the adoption of their backups."""

from kronkeep_common import api
from kronkeep_common.models import OrphanedPolicy
from kronkeep_daemon.history.record_ids import expand_prefix
from kronkeep_daemon.http.access import Level
from kronkeep_daemon.http.list_pages import with_cluster_names
from kronkeep_daemon.http.route import ApiCall, RouteTable
from kronkeep_daemon.http.routes_cronjobs import CRONJOB

routes = RouteTable()


@routes.get("/v1/orphans", query=("storage_id",))
async def list_orphans(call: ApiCall[None]) -> api.ListOf[OrphanedPolicy]:
    """List the policies that no CronJob carries any more, with their backups; their retention waits."""
    views = await call.services.orphans.views(call.query.get("storage_id"))
    return with_cluster_names(call, api.ListOf(items=views))


@routes.post(CRONJOB + "/adopt", Level.ADMIN)
async def adopt(call: ApiCall[api.AdoptRequest]) -> api.Adopted:
    """Make the backups of a policy that no CronJob carries any more those of a CronJob's own policy."""
    orphans = call.services.orphans
    adopted_id = expand_prefix(orphans, call.body.policy_id, "policy")
    count = await orphans.adopt(call.ref, adopted_id)
    policy = call.services.policies.carrier_of(call.ref).policy
    return api.Adopted(policy_id=policy.id, adopted_policy_id=adopted_id, backups=count)
