"""The routes of CronJobs, and the check of a backup's schedule against a CronJob's."""

from kronkeep_common import api, object_keys
from kronkeep_common.errors import NameTaken
from kronkeep_common.models import (
    BackupPolicySpec,
    CronJob,
    CronJobCreate,
    CronJobExecution,
    CronJobManifest,
    ScheduleCheckRequest,
    ScheduleVerdict,
)
from kronkeep_daemon.http import access
from kronkeep_daemon.http.access import Level
from kronkeep_daemon.http.list_pages import filter_of, with_staleness
from kronkeep_daemon.http.route import ApiCall, RouteTable
from kronkeep_daemon.kube.objects import CronJobRef

CRONJOBS = "/v1/cronjobs"
CRONJOB = CRONJOBS + "/{namespace}/{name}"

routes = RouteTable()


@routes.get(CRONJOBS, query=("filter", "namespace"))
async def list_cronjobs(call: ApiCall[None]) -> api.ListOf[CronJob]:
    """List the CronJobs of every cluster, and the claims with a policy of their own."""
    accepted = filter_of(call, "cronjobs")
    now = call.services.clock.now()
    each = call.services.extended.iter_cronjobs(call.query.get("namespace"))
    items = [cronjob async for cronjob in each if accepted.matches(cronjob, now)]
    return with_staleness(call, api.ListOf(items=items))


async def find_created(call: ApiCall[CronJobCreate]) -> CronJob:
    """Return the CronJob that an earlier process created on the same request; raise NameTaken."""
    ref = CronJobRef(call.cluster.id, call.body.namespace, call.body.name)
    annotations = call.services.cronjobs.find(ref).metadata.annotations or {}
    if annotations.get(object_keys.REQUEST) != call.key:
        raise NameTaken(f"There is a CronJob {ref.namespace}/{ref.name} already.", field="name")
    return call.services.extended.get(ref)


@routes.post(CRONJOBS, Level.ADMIN, query=("dry_run",), status=201, find_created=find_created)
async def create_cronjob(call: ApiCall[CronJobCreate]) -> CronJob:
    """Create a CronJob, with its policy or without."""
    return await call.services.extended.create(call.body, call.cluster, key=call.key, dry_run=call.dry_run)


@routes.post(CRONJOBS + "/apply", Level.ADMIN, query=("dry_run",))
async def apply_cronjob(call: ApiCall[CronJobManifest]) -> api.Applied:
    """Apply a Kubernetes manifest of a CronJob."""
    body = call.body
    ref = call.services.cronjobs.resolve_or_new(body.namespace, body.name, call.cluster_name)
    applied = await call.services.manifest_applier.apply_manifest(ref, body, dry_run=call.dry_run)
    assert applied.cronjob is not None
    return api.Applied(outcome=applied.outcome, cronjob=applied.cronjob)


@routes.get(CRONJOB)
async def get_cronjob(call: ApiCall[None]) -> CronJob:
    """Show one CronJob by its name, or a claim with a policy as `pvc%2FNAME`."""
    return call.services.extended.get(call.ref)


@routes.get(CRONJOB + "/spec")
async def get_spec(call: ApiCall[None]) -> CronJobCreate:
    """Show a CronJob as the request that would create it."""
    return call.services.extended.spec(call.ref)


# A CronJob's version in Kubernetes changes with each of its runs, so whoever edits it names its spec.
@routes.put(CRONJOB, Level.ADMIN, query=("dry_run",), if_match=get_spec)
async def replace_cronjob(call: ApiCall[CronJobCreate]) -> CronJob:
    """Change a CronJob and its policy."""
    return await call.services.extended.replace(call.ref, call.body, dry_run=call.dry_run)


@routes.delete(CRONJOB, Level.ADMIN, status=204)
async def delete_cronjob(call: ApiCall[api.DeleteRequest]) -> None:
    """Delete a CronJob; its history stays."""
    user = access.user_of(call.request)
    await call.services.extended.delete(call.ref, confirm=call.body.confirm, user=user)


@routes.post(CRONJOB + "/trigger", Level.OPERATE, status=201)
async def trigger(call: ApiCall[api.TriggerRequest]) -> CronJobExecution:
    """Run a CronJob now."""
    return await call.services.extended.trigger(
        call.ref, call.body.env, key=call.key, only_if_idle=call.body.only_if_idle
    )


@routes.post(CRONJOB + "/suspend", Level.OPERATE)
async def suspend(call: ApiCall[api.Empty]) -> CronJob:
    """Stop new runs of a CronJob."""
    return await call.services.extended.suspend(call.ref)


@routes.post(CRONJOB + "/resume", Level.OPERATE)
async def resume(call: ApiCall[api.Empty]) -> CronJob:
    """Allow new runs of a CronJob from its next slot on."""
    return await call.services.extended.resume(call.ref)


@routes.put(CRONJOB + "/policy", Level.ADMIN, query=("dry_run",))
async def set_policy(call: ApiCall[BackupPolicySpec]) -> CronJob:
    """Set a CronJob's backup policy."""
    return await call.services.extended.set_policy(call.ref, call.body, dry_run=call.dry_run)


@routes.delete(CRONJOB + "/policy", Level.ADMIN)
async def remove_policy(call: ApiCall[None]) -> CronJob:
    """Remove the backup policy of a CronJob or claim; its backups stay."""
    return await call.services.extended.remove_policy(call.ref)


@routes.post("/v1/schedules/check", Level.READ)
async def check_schedules(call: ApiCall[ScheduleCheckRequest]) -> ScheduleVerdict:
    """Check whether a backup's schedule fits a CronJob's."""
    return await call.services.schedules.check(call.body, call.cluster_name)
