"""Handlers that answer lists: the filter grammar, pages newest first, and what is made of several rooms."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from kronkeep_common import api
from kronkeep_common.errors import InvalidRequest
from kronkeep_common.models import BackupExecution, CronJob, CronJobExecution
from kronkeep_common.query import Filter, parse
from kronkeep_daemon.backups import retention_rules
from kronkeep_daemon.backups.policy_annotations import Carrier
from kronkeep_daemon.history import Page, Records
from kronkeep_daemon.history.records import HasId
from kronkeep_daemon.http.route import Call
from kronkeep_daemon.http.services import Services

T = TypeVar("T")
R = TypeVar("R", bound=HasId)
LIMIT = 50
MOST = 1000
LIST = ("filter", "limit", "cursor", "cronjob_id", "namespace")
SCANNED = 20_000


async def snapshot(call: Call) -> api.Snapshot:
    """All that a first screen needs."""
    services = call.services
    seq = services.history.seq  # read before the CronJobs: their later changes carry it or a later one
    cronjobs, watches = await services.live.current()
    return api.Snapshot(
        seq=seq,
        now=services.clock.now(),
        version=api.VERSION,
        cronjobs=cronjobs,
        executions=[
            services.backup_records.linked(run) for run in services.history.executions.newest(limit=200).items
        ],
        backups=services.history.backups.newest(limit=200).items,
        restores=services.history.restores.newest(limit=50).items,
        storages=services.storages.list(),
        alerts=services.alerts.unended(200),
        watches=watches,
        clusters=_clusters(services),
    )


def _clusters(services: Services) -> list[api.ClusterView]:
    return [api.ClusterView(id=cluster.id, name=cluster.name) for cluster in services.cronjobs.clusters]


def of_clusters(call: Call, found: api.ListOf[T]) -> api.ListOf[T]:
    """The list with the names of the clusters, where there are several."""
    clusters = _clusters(call.services)
    return msgspec.structs.replace(found, clusters=clusters) if len(clusters) > 1 else found


def filter_of(call: Call) -> Filter:
    """The request's filter; raises InvalidFilter."""
    names = {cluster.name: cluster.id for cluster in call.services.cronjobs.clusters}
    return parse(call.query.get("filter", ""), names)


def stale_since(services: Services) -> datetime | None:
    """Since when what is shown may be old: the first of the watches that are not live."""
    return min((s.since for s in services.cronjobs.watch_states() if s.status != "live"), default=None)


def _fresh(call: Call, found: api.ListOf[T]) -> api.ListOf[T]:
    return msgspec.structs.replace(of_clusters(call, found), stale_since=stale_since(call.services))


async def cronjobs(call: Call) -> api.ListOf[CronJob]:
    """CronJobs that pass the filter."""
    found = filter_of(call)
    now = call.services.clock.now()
    each = call.services.extended.each(call.query.get("namespace"))
    return _fresh(call, api.ListOf(items=[cronjob async for cronjob in each if found.takes(cronjob, now)]))


async def manifests(call: Call) -> api.ListOf[api.ManifestFile]:
    """The files of the manifest folder."""
    return api.ListOf(items=call.services.dropins.files())


async def policies(call: Call) -> api.ListOf[api.PolicyView]:
    """The policies of all CronJobs that pass the filter."""
    found = filter_of(call)
    now = call.services.clock.now()
    each = call.services.extended.each(call.query.get("namespace"))
    views = [_policy_view(call.services, cronjob) async for cronjob in each]
    items = [view for view in views if view is not None and found.takes(view, now)]
    return of_clusters(call, api.ListOf(items=items))


def _policy_view(services: Services, cronjob: CronJob) -> api.PolicyView | None:
    if cronjob.policy is None:
        return None
    carrier = Carrier(
        cluster=cronjob.cluster, namespace=cronjob.namespace, cronjob=cronjob.name, policy=cronjob.policy
    )
    there = services.backup_records.with_snapshot(carrier)
    stored = [b.result.bytes_stored for b in there if b.result and b.result.bytes_stored is not None]
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
        snapshots=len(there),
        bytes_stored=sum(stored) if len(stored) == len(there) else None,
        sizes_unknown=retention_rules.explain_unknown_sizes(there),
        last_good_backup_at=cronjob.last_good_backup_at,
        overdue=cronjob.backup_overdue,
        next_backup_at=cronjob.next_backup_at,
        findings=cronjob.policy_findings,
        retention_waits=services.retention.preview(carrier).blocked_by,
    )


def _indexed(call: Call, found: Filter) -> dict[str, Any]:
    """The values of indexed fields that filter and query ask for."""
    return found.equal | {k: call.query[k] for k in ("cronjob_id", "namespace") if k in call.query}


async def page(
    call: Call,
    records: Records[R],
    *,
    equal: dict[str, Any] | None = None,
    show: Callable[[R], R] | None = None,
) -> api.ListOf[R]:
    """A page of records that pass the filter; indexed terms choose the candidates. Others go on meanwhile.

    `equal` are the indexed values, without it those of the request; `show` turns a record into the one that
    is filtered and answered.
    """
    found = filter_of(call)
    now = call.services.clock.now()
    limit = limit_of(call)
    if equal is None:
        equal = _indexed(call, found)
    items: list[R] = []
    cursor = call.query.get("cursor")
    scanned = 0
    while scanned < SCANNED:
        some: Page[R] = records.newest(limit=limit, cursor=cursor, **equal)
        scanned += len(some.items)
        for number, record in enumerate(some.items):
            item = show(record) if show else record
            if found.takes(item, now):
                items.append(item)
            if len(items) == limit:
                last = number + 1 == len(some.items)
                return api.ListOf(
                    items=items, next_cursor=some.next_cursor if last else records.cursor_of(item)
                )
        cursor = some.next_cursor
        if cursor is None:
            break
        await asyncio.sleep(0)
    return api.ListOf(items=items, next_cursor=cursor)


def limit_of(call: Call) -> int:
    """The page's length; raises InvalidRequest."""
    text = call.query.get("limit")
    if text is None:
        return LIMIT
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MOST):
        raise InvalidRequest(f"The limit must be a number from 1 to {MOST}.", field="limit")
    return int(text)


async def executions(call: Call) -> api.ListOf[CronJobExecution]:
    """Runs, each with the backup that belongs to it."""
    records = call.services.backup_records
    equal = _indexed(call, filter_of(call))
    policy_id = equal.pop("policy_id", None)  # the backup names it, the run's record does not
    if policy_id is not None:
        cronjob_ids = records.cronjob_ids(policy_id)
        if not cronjob_ids:
            return _fresh(call, api.ListOf(items=[]))
        if len(cronjob_ids) == 1:
            equal.setdefault("cronjob_id", cronjob_ids[0])
    runs = call.services.history.executions
    return _fresh(call, await page(call, runs, equal=equal, show=records.linked))


async def events_of_run(call: Call) -> api.ListOf[api.EventView]:
    """What Kubernetes said about a run, oldest first."""
    cronjobs = call.services.cronjobs
    return api.ListOf(items=await cronjobs.reader.events(cronjobs.execution(call.path["id"])))


async def manifest_of_run(call: Call) -> dict[str, Any]:
    """The run's Job, as Kubernetes writes it."""
    cronjobs = call.services.cronjobs
    return await cronjobs.reader.manifest(cronjobs.execution(call.path["id"]))


async def backups(call: Call) -> api.ListOf[BackupExecution]:
    """Backups."""
    return _fresh(call, await page(call, call.services.history.backups))


async def operations(call: Call) -> api.ListOf[api.Operation]:
    """Operations."""
    return api.ListOf(items=call.services.operations.newest(limit_of(call)))


async def audit(call: Call) -> api.ListOf[api.AuditEntry]:
    """The audit trail."""
    entries = call.services.history.table("audit").newest(limit_of(call))
    return api.ListOf(items=msgspec.convert(entries, list[api.AuditEntry]))
