"""The routes of the evidence report and the morning report."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import msgspec

from kronkeep_common import api
from kronkeep_common.errors import InvalidRequest
from kronkeep_common.evidence import EvidenceSubject, Period, collect_evidence, is_good
from kronkeep_common.models import BackupExecution, CronJob
from kronkeep_common.models.morning_report import MorningReportView
from kronkeep_common.models.report import Deletion, EvidenceReport, PolicyEvidence
from kronkeep_daemon.history.facts import policy_seen_key
from kronkeep_daemon.http.access import Level
from kronkeep_daemon.http.query_times import read_moment
from kronkeep_daemon.http.route import ApiCall, RouteTable
from kronkeep_daemon.http.services import Services

MOST_DAYS = 400
MOST_DELETIONS = 2000
MOST_AUDIT_LINES = 20_000
PAGE = 200
REMOVING = ("/retention/apply", "/retention/approve", "/prune")  # what POST routes that remove end with

routes = RouteTable()


@routes.get("/v1/report", Level.ADMIN, query=("from", "to"))
async def get_report(call: ApiCall[None]) -> EvidenceReport:
    """Show for each policy whether its backups can be restored; claims without one; who deleted what."""
    now = call.services.clock.now()
    period = _read_period(call, now)
    policies = [evidence async for evidence in _collect(call.services, period)]
    deletions = _list_deletions(call.services, period)
    coverage = await call.services.coverage.report()
    return EvidenceReport(
        from_at=period.start,
        to_at=period.end,
        made_at=now,
        version=api.VERSION,
        policies=tuple(sorted(policies, key=_order)),
        uncovered=tuple(claim for claim in coverage.claims if claim.is_uncovered),
        exempt=tuple(claim for claim in coverage.claims if claim.status == "exempt"),
        coverage_faults=tuple(coverage.faults),
        deletions=tuple(deletions[:MOST_DELETIONS]),
        is_cut=len(deletions) > MOST_DELETIONS,
    )


@routes.get("/v1/report/morning", query=("from", "to"))
async def get_morning_report(call: ApiCall[None]) -> MorningReportView:
    """Show the morning report as it would be sent now, by default for a period as long as the last one."""
    asks_period = "from" in call.query or "to" in call.query
    period = _read_period(call, call.services.clock.now()) if asks_period else None
    return await call.services.alerts.reports.preview(period)


def _order(evidence: PolicyEvidence) -> tuple[bool, str, str, str]:
    """Sort what is not as it should be first, then by name."""
    return evidence.is_proven, evidence.namespace, evidence.cronjob, evidence.policy_id


def _read_period(call: ApiCall[None], now: datetime) -> Period:
    """Return the period that the request names, up to now; the last 30 days without one."""
    end = min(read_moment(call, "to") or now, now)
    start = read_moment(call, "from") or end - timedelta(days=30)
    if start >= end or end - start > timedelta(days=MOST_DAYS):
        raise InvalidRequest(
            f"A report is about a period before now of at most {MOST_DAYS} days.",
            next_step="Write from and to as 2026-01-01T00:00:00Z.",
            field="from",
        )
    return Period(start, end)


async def _collect(services: Services, period: Period) -> AsyncIterator[PolicyEvidence]:
    live = {cronjob.id: cronjob async for cronjob in services.extended.iter_cronjobs()}
    known = set(services.history.backups.distinct("cronjob_id"))
    carriers = {cronjob_id for cronjob_id, cronjob in live.items() if cronjob.policy is not None}
    for cronjob_id in sorted(known | carriers):
        backups = await _read_backups(services, cronjob_id, period)
        restores = services.history.restores.newest(
            limit=1000, since=period.start, until=period.end, cronjob_id=cronjob_id
        ).items
        for subject in _subjects(services, live.get(cronjob_id), backups, period):
            of_policy = [backup for backup in backups if backup.policy_id == subject.policy_id]
            tests = [restore for restore in restores if restore.policy_id == subject.policy_id]
            yield collect_evidence(subject, of_policy, tests, period)
        await asyncio.sleep(0)


async def _read_backups(services: Services, cronjob_id: str, period: Period) -> list[BackupExecution]:
    """Return a CronJob's backups of the period, and those before it up to the last good one."""
    backups: list[BackupExecution] = []
    for page in services.history.backups.pages(PAGE, until=period.end, cronjob_id=cronjob_id):
        for backup in page:
            backups.append(backup)
            if backup.created_at < period.start and is_good(backup):
                return backups
        await asyncio.sleep(0)
    return backups


def _subjects(
    services: Services, cronjob: CronJob | None, backups: list[BackupExecution], period: Period
) -> list[EvidenceSubject]:
    """Return the policies of a CronJob that were in force in the period: its own and those of its backups."""
    subjects: dict[str, EvidenceSubject] = {}
    own = cronjob.policy if cronjob is not None else None
    if cronjob is not None and own is not None:
        fact = services.history.facts.get(policy_seen_key(cronjob.id, own.id))
        subjects[own.id] = EvidenceSubject(
            policy_id=own.id,
            cluster=cronjob.cluster,
            namespace=cronjob.namespace,
            cronjob=cronjob.name,
            storage_id=own.storage_id,
            is_gone=False,
            rpo_seconds=own.rpo_seconds,
            rto_seconds=own.rto_seconds,
            copies=cronjob.copies,
            since=fact.created_at if fact else cronjob.created_at,
        )
    for backup in reversed(backups):  # the oldest first: since then there is the policy, as far as is known
        if backup.policy_id not in subjects and period.has(backup.created_at):
            subjects[backup.policy_id] = EvidenceSubject(
                policy_id=backup.policy_id,
                cluster=backup.cluster,
                namespace=backup.namespace,
                cronjob=backup.cronjob,
                storage_id=backup.storage_id,
                is_gone=True,
                rpo_seconds=None,
                since=backup.created_at,
            )
    return list(subjects.values())


def _list_deletions(services: Services, period: Period) -> list[Deletion]:
    lines = services.history.table("audit").newest(MOST_AUDIT_LINES)
    entries = msgspec.convert(lines, list[api.AuditEntry])
    return [
        Deletion(
            at=entry.created_at,
            user=entry.user,
            program=entry.program,
            method=entry.method,
            route=entry.route,
            object=entry.object,
        )
        for entry in entries
        if period.has(entry.created_at) and entry.outcome == "done" and _removes(entry)
    ]


def _removes(entry: api.AuditEntry) -> bool:
    return entry.method == "DELETE" or (entry.method == "POST" and entry.route.endswith(REMOVING))
