"""The routes of backup policies and of their retention."""

from collections.abc import Awaitable, Callable
from functools import partial

from kronkeep_common import api
from kronkeep_common.errors import CronJobNotFound, PolicyNotFound
from kronkeep_common.models import CronJob, RetentionApproval, RetentionPlan, RetentionPreview
from kronkeep_common.reasons import Reason
from kronkeep_daemon.backups import retention_rules
from kronkeep_daemon.backups.policy_annotations import PolicyCarrier
from kronkeep_daemon.http.access import Level
from kronkeep_daemon.http.list_pages import filter_of, with_cluster_names
from kronkeep_daemon.http.route import ApiCall, RouteTable
from kronkeep_daemon.http.services import Services

RETENTION = "/v1/policies/{id}/retention"

routes = RouteTable()


@routes.get("/v1/policies", query=("filter", "namespace"))
async def list_policies(call: ApiCall[None]) -> api.ListOf[api.PolicyView]:
    """List the backup policies."""
    accepted = filter_of(call, "policies")
    now = call.services.clock.now()
    each = call.services.extended.iter_cronjobs(call.query.get("namespace"))
    views = [_policy_view(call.services, cronjob) async for cronjob in each]
    items = [view for view in views if view is not None and accepted.matches(view, now)]
    return with_cluster_names(call, api.ListOf(items=items))


def _policy_view(services: Services, cronjob: CronJob) -> api.PolicyView | None:
    if cronjob.policy is None:
        return _faulty_view(cronjob) if cronjob.policy_fault is not None else None
    carrier = PolicyCarrier(
        cluster=cronjob.cluster, namespace=cronjob.namespace, cronjob=cronjob.name, policy=cronjob.policy
    )
    storage = services.storages.find(cronjob.policy.storage_id)
    backups = services.backup_records.with_snapshot(carrier)
    sizes = [b.result.bytes_stored for b in backups if b.result and b.result.bytes_stored is not None]
    return api.PolicyView(
        id=cronjob.policy.id,
        cluster=cronjob.cluster,
        namespace=cronjob.namespace,
        cronjob=cronjob.name,
        cronjob_id=cronjob.id,
        created_at=cronjob.created_at,
        storage_id=cronjob.policy.storage_id,
        last_verified_at=cronjob.last_verified_at,
        policy=cronjob.policy,
        snapshots=len(backups),
        bytes_stored=sum(sizes) if len(sizes) == len(backups) else None,
        sizes_unknown=retention_rules.explain_unknown_sizes(backups),
        last_good_backup_at=cronjob.last_good_backup_at,
        overdue=cronjob.backup_overdue,
        expected_restore_seconds=cronjob.expected_restore_seconds,
        next_backup_at=cronjob.next_backup_at,
        findings=cronjob.policy_findings,
        nothing_to_archive=cronjob.nothing_to_archive,
        storage_refusal=cronjob.storage_refusal,
        storage_reason=storage.away_reason if storage is not None else Reason.STORAGE_UNKNOWN,
        unarchived_volumes=cronjob.unarchived_volumes,
        retention_waits=services.retention.preview(carrier).blocked_by,
        copies=cronjob.copies,
    )


def _faulty_view(cronjob: CronJob) -> api.PolicyView:
    """Return a policy whose annotation cannot be read."""
    return api.PolicyView(
        id="",
        cluster=cronjob.cluster,
        namespace=cronjob.namespace,
        cronjob=cronjob.name,
        cronjob_id=cronjob.id,
        created_at=cronjob.created_at,
        storage_id="",
        policy=None,
        fault=cronjob.policy_fault,
        last_verified_at=cronjob.last_verified_at,
        last_good_backup_at=cronjob.last_good_backup_at,
    )


@routes.get(RETENTION, query=("namespace", "cronjob", "copy"))
async def preview_retention(call: ApiCall[None]) -> RetentionPlan:
    """Show what retention would remove now, and what stays and why; `copy` is the storage of a copy."""
    copy = call.query.get("copy")
    carrier = await _carrier(call)
    if copy is not None:
        return call.services.copy_retention.preview(carrier, copy)
    return call.services.retention.preview(carrier)


@routes.post(RETENTION + "/apply", Level.ADMIN, status=202, query=("namespace", "cronjob", "copy"))
async def apply_retention(call: ApiCall[api.Empty]) -> api.Operation:
    """Remove the snapshots that no rule keeps, where that needs no approval; those of a copy with `copy`."""
    copy = call.query.get("copy")
    carrier = await _carrier(call)
    if copy is not None:
        copies = call.services.copy_retention
        plan = copies.check_apply(carrier, copy)
        return await _start(call, carrier, partial(copies.carry_out, carrier, plan, copy))
    retention = call.services.retention
    retention.check_apply(carrier)
    return await _start(call, carrier, partial(retention.apply, carrier))


@routes.post(RETENTION + "/approve", Level.ADMIN, status=202, query=("namespace", "cronjob", "copy"))
async def approve_retention(call: ApiCall[RetentionApproval]) -> api.Operation:
    """Remove exactly the snapshots that a previewed plan names."""
    copy = call.query.get("copy")
    carrier = await _carrier(call)
    if copy is not None:
        copies = call.services.copy_retention
        plan = copies.check_approval(carrier, copy, call.body.token)
        return await _start(call, carrier, partial(copies.carry_out, carrier, plan, copy))
    retention = call.services.retention
    retention.check_approval(carrier, call.body.token)
    return await _start(call, carrier, partial(retention.approve, carrier, call.body.token))


@routes.post("/v1/retention/preview", Level.READ)
async def preview_other_rules(call: ApiCall[RetentionPreview]) -> RetentionPlan:
    """Show what other rules would do to the snapshots of a CronJob, or of one that was deleted."""
    body = call.body
    try:
        carrier = call.services.policies.carrier_of(call.resolve(body.namespace, body.cronjob))
    except (CronJobNotFound, PolicyNotFound):
        orphans = call.services.orphans
        last = await orphans.carrier_named(body.namespace, body.cronjob, cluster=call.cluster_name)
        if last is None:
            raise
        carrier = last
    return call.services.retention.preview(carrier, body.retention)


async def _carrier(call: ApiCall[object]) -> PolicyCarrier:
    """Return the policy as its CronJob carries it, or where no CronJob does, as one carried it last."""
    only = {
        "cluster": call.cluster_name,
        "namespace": call.query.get("namespace"),
        "cronjob": call.query.get("cronjob"),
    }
    try:
        return call.services.policies.carrier_by_id(call.id, **only)
    except PolicyNotFound:
        return await call.services.orphans.carrier_by_id(call.id, **only)


async def _start(
    call: ApiCall[object], carrier: PolicyCarrier, work: Callable[[], Awaitable[None]]
) -> api.Operation:
    target = call.services.clusters.title(carrier.cluster, carrier.policy.id)
    return await call.services.operations.start("retention", target, work)
