"""The routes of the policies of claims."""

from kronkeep_common import subject_names
from kronkeep_common.models import BackupPolicySpec, CronJob
from kronkeep_daemon.http.access import Level
from kronkeep_daemon.http.route import ApiCall, RouteTable
from kronkeep_daemon.kube.objects import CronJobRef

CLAIM_POLICY = "/v1/claims/{namespace}/{name}/policy"

routes = RouteTable()


@routes.put(CLAIM_POLICY, Level.ADMIN, query=("dry_run",))
async def set_policy(call: ApiCall[BackupPolicySpec]) -> CronJob:
    """Set the backup policy of a PersistentVolumeClaim."""
    return await call.services.extended.set_policy(_ref_of(call), call.body, dry_run=call.dry_run)


@routes.delete(CLAIM_POLICY, Level.ADMIN)
async def remove_policy(call: ApiCall[None]) -> CronJob:
    """Remove the backup policy of a PersistentVolumeClaim; its backups stay."""
    return await call.services.extended.remove_policy(_ref_of(call))


def _ref_of(call: ApiCall[object]) -> CronJobRef:
    """Return the claim of the path, which may have no policy yet."""
    name = subject_names.name_of_claim(call.path["name"])
    return call.services.cronjobs.resolve_or_new(call.path["namespace"], name, call.cluster_name)
