"""Expiry: which records are removed from the history, by age and by the number of runs of each CronJob.

Some records always stay: those that have not ended, open alerts included, backups whose snapshot or a copy of
it still exists, or is missing and nobody has acknowledged that, the newest successful backup of each policy,
and the runs of backups that stay. A backup is removed with its run and its copies, and kept logs with their
record; the space is then given back.
The plan is the preview: nothing outside it is removed.
"""

import asyncio
from collections.abc import AsyncIterator, Container, Iterator
from datetime import UTC, datetime, timedelta
from heapq import merge
from typing import Any, NamedTuple

import msgspec

from kronkeep_common import subject_names
from kronkeep_common.models import BackupExecution, CronJobExecution
from kronkeep_common.states import (
    BACKUP_TRANSITIONS,
    ENDED_COPIES,
    EXECUTION_TRANSITIONS,
    RESTORE_TRANSITIONS,
    BackupStatus,
    ExecutionStatus,
    is_final,
)
from kronkeep_daemon.history.history import History
from kronkeep_daemon.history.kept_logs import sieve_key
from kronkeep_daemon.history.record_ids import copy_id_for
from kronkeep_daemon.history.records import Records, T
from kronkeep_daemon.history.rows import sort_time

MOST_AUDIT_LINES = 10_000
FAR_AHEAD = datetime.max.replace(tzinfo=UTC)  # all runs are before it
MOST_RECORDS = 20_000  # of a plan: 1 MB of ids
SLICE = 100  # records read or removed between two turns of the event loop
ENDED = frozenset(status.value for status in ExecutionStatus if is_final(EXECUTION_TRANSITIONS, status))


class ExpiryRules(msgspec.Struct, frozen=True, kw_only=True):
    """Days that records and audit lines are kept, and runs kept of each CronJob; None is no limit.

    bare_jobs: for how many Jobs without a CronJob runs are kept in a namespace.
    """

    days: int | None = None
    runs: int | None = None
    audit_days: int | None = None
    bare_jobs: int | None = None


class ExpiryPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The ids of the records to remove; audit lines by their number in the table.

    is_whole: whether the rules remove nothing else; else the plan is made again once it is carried out.
    """

    executions: tuple[str, ...] = ()
    backups: tuple[str, ...] = ()
    restores: tuple[str, ...] = ()
    alerts: tuple[str, ...] = ()
    audit: tuple[int, ...] = ()
    is_whole: bool = True

    def __bool__(self) -> bool:
        return any((self.executions, self.backups, self.restores, self.alerts, self.audit))


async def plan(
    history: History, rules: ExpiryRules, now: datetime, *, most: int = MOST_RECORDS
) -> ExpiryPlan:
    """Return what the rules remove as of `now`; read in slices and change nothing.

    most: runs, restores or alerts of a plan, so that its size does not grow with the history.
    """
    audit = _select_audit_lines(history, now - timedelta(days=rules.audit_days)) if rules.audit_days else ()
    if rules.days is None and rules.runs is None and rules.bare_jobs is None:
        return ExpiryPlan(audit=audit)
    cut = now - timedelta(days=rules.days) if rules.days is not None else None
    beyond = await _list_bare_jobs_beyond(history, rules.bare_jobs) if rules.bare_jobs is not None else set()
    runs = dict.fromkeys(await _select_old_runs(history, cut, most)) if cut is not None else {}
    backups: list[str] = []
    has_rules_by_cronjob = rules.runs is not None or rules.bare_jobs is not None
    tables: list[Records[Any]] = [history.executions] if has_rules_by_cronjob else []
    for cronjob_id in merge_values(*tables, history.backups):
        if len(runs) >= most:
            break
        expired_runs, expired_backups = await _select_of_cronjob(
            history,
            cronjob_id,
            number=rules.runs,
            cut=FAR_AHEAD if cronjob_id in beyond else cut,
            most=most - len(runs),
            chosen=runs.keys(),
        )
        runs.update(dict.fromkeys(expired_runs))
        backups += expired_backups
        await asyncio.sleep(0)
    restores = await _take(_iterate_old_restores(history, cut), most)
    alerts = await _take(_iterate_old_alerts(history, cut), most)
    return ExpiryPlan(
        executions=tuple(runs),
        backups=tuple(backups),
        restores=tuple(restores),
        alerts=tuple(alerts),
        audit=audit,
        is_whole=max(len(runs), len(restores), len(alerts)) < most and len(audit) < MOST_AUDIT_LINES,
    )


async def _select_old_runs(history: History, cut: datetime, most: int) -> list[str]:
    """Return the ids of the ended runs before a time, oldest first, at most so many.

    Those of CronJobs with backups are left out: which of them stay is decided CronJob by CronJob. In the
    order of time they lie beside each other in the database; of one CronJob each has a page of its own.
    """
    old: list[str] = []
    has_backups: dict[str, bool] = {}
    for page in history.executions.oldest_heads(SLICE, before=cut):
        for run in page:
            cronjob_id = run.cronjob_id or ""
            if cronjob_id not in has_backups:
                newest = history.backups.newest(limit=1, cronjob_id=cronjob_id)
                has_backups[cronjob_id] = bool(newest.items)
            if run.id and run.status in ENDED and not has_backups[cronjob_id]:
                old.append(run.id)
        if len(old) >= most:
            break
        await asyncio.sleep(0)
    return old[:most]


async def _list_bare_jobs_beyond(history: History, number: int) -> set[str]:
    """Return the ids of the Jobs without a CronJob that are not among the newest of their namespace."""
    newest: dict[tuple[str, str], list[tuple[datetime, str]]] = {}
    for cronjob_id in history.executions.distinct("cronjob_id"):
        if not cronjob_id.startswith(subject_names.BARE_ID_PREFIX):
            continue
        for run in history.executions.newest(limit=1, cronjob_id=cronjob_id).items:
            newest.setdefault((run.cluster, run.namespace), []).append((run.created_at, cronjob_id))
        await asyncio.sleep(0)
    return {cronjob_id for jobs in newest.values() for _, cronjob_id in sorted(jobs, reverse=True)[number:]}


async def _take(ids: AsyncIterator[str], most: int) -> list[str]:
    taken: list[str] = []
    async for record_id in ids:
        if len(taken) >= most:
            break
        taken.append(record_id)
    return taken


async def _iterate_old_restores(history: History, cut: datetime | None) -> AsyncIterator[str]:
    if cut is not None:
        async for restore in _iterate(history.restores, until=cut):
            if is_final(RESTORE_TRANSITIONS, restore.status):
                yield restore.id


async def _iterate_old_alerts(history: History, cut: datetime | None) -> AsyncIterator[str]:
    async for alert in _iterate(history.alerts):
        if alert.resolved_at is not None and _before(alert.resolved_at, cut):
            yield alert.id


def _select_audit_lines(history: History, cut: datetime) -> tuple[int, ...]:
    """Return the audit lines before `cut`, at most MOST_AUDIT_LINES; the next round finds the others."""
    last = sort_time(cut.isoformat().replace("+00:00", "Z"))
    return tuple(history.table("audit").rows.oldest_numbers(limit=MOST_AUDIT_LINES, before=last))


def merge_values(*tables: Records[Any]) -> Iterator[str]:
    """Yield the ids of the CronJobs of some tables, each once."""
    last = ""
    for cronjob_id in merge(*(records.distinct("cronjob_id") for records in tables)):
        if cronjob_id != last:
            yield cronjob_id
        last = cronjob_id


class _Start(NamedTuple):
    """Where the old runs of a CronJob begin, newest first: at a cursor, or before a time."""

    cursor: str | None
    until: datetime | None


def _find_old_runs(
    history: History, cronjob_id: str, number: int | None, cut: datetime | None
) -> _Start | None:
    """Return where the runs begin that are before a time or behind so many newer ones, None without any."""
    runs = history.executions
    cursor = runs.cursor_of_nth(number, cronjob_id=cronjob_id) if number is not None else None
    behind = runs.newest(limit=1, cursor=cursor, cronjob_id=cronjob_id).items if cursor else []
    before = runs.newest(limit=1, until=cut, cronjob_id=cronjob_id).items if cut else []
    # Both are all runs from some place on, so the one that begins with the newer run has the other's too.
    if before and (not behind or before[0].created_at >= behind[0].created_at):
        return _Start(cursor=None, until=cut)
    return _Start(cursor=cursor, until=None) if behind else None


async def _select_of_cronjob(
    history: History,
    cronjob_id: str,
    *,
    number: int | None,
    cut: datetime | None,
    most: int,
    chosen: Container[str],
) -> tuple[list[str], list[str]]:
    """Return the ids of one CronJob's runs to remove, at most so many besides the chosen, and backups."""
    start = _find_old_runs(history, cronjob_id, number, cut)
    old_backups = history.backups.newest(limit=1, until=cut, cronjob_id=cronjob_id).items if cut else []
    if start is None and not old_backups:
        return [], []
    backups = [backup async for backup in _iterate(history.backups, cronjob_id=cronjob_id)]
    protected = _ids_to_protect(backups) | await _read_copied(history, cronjob_id)
    needed_runs = {backup.cronjob_execution_id for backup in backups if backup.id in protected}
    unneeded = _iterate_unneeded_runs(history, cronjob_id, start, needed_runs)
    expired_runs = await _take(_iterate_others(unneeded, chosen), most)
    removed = set(expired_runs)
    return expired_runs, [
        backup.id
        for backup in backups
        if backup.id not in protected and _is_backup_expired(backup, cut, removed, history.executions)
    ]


async def _read_copied(history: History, cronjob_id: str) -> set[str]:
    """Return the ids of the backups of which a copy is there, or is being made."""
    return {
        copy.backup_id
        async for copy in _iterate(history.copies, cronjob_id=cronjob_id)
        if copy.is_present or copy.status not in ENDED_COPIES
    }


async def _iterate_unneeded_runs(
    history: History, cronjob_id: str, start: _Start | None, needed: set[str | None]
) -> AsyncIterator[str]:
    if start is None:
        return
    async for run in _iterate(
        history.executions, cursor=start.cursor, until=start.until, cronjob_id=cronjob_id
    ):
        if is_final(EXECUTION_TRANSITIONS, run.status) and run.id not in needed:
            yield run.id


async def _iterate_others(ids: AsyncIterator[str], chosen: Container[str]) -> AsyncIterator[str]:
    async for record_id in ids:
        if record_id not in chosen:
            yield record_id


def _is_backup_expired(
    backup: BackupExecution, cut: datetime | None, removed: set[str], runs: Records[CronJobExecution]
) -> bool:
    """Return whether a backup goes: with its run, or by its age where its run is not recorded."""
    if backup.cronjob_execution_id in removed:
        return True
    return _before(backup.created_at, cut) and (backup.cronjob_execution_id or "") not in runs


def _before(moment: datetime, cut: datetime | None) -> bool:
    return cut is not None and moment < cut


def _ids_to_protect(backups: list[BackupExecution]) -> set[str]:
    """Return the ids of the backups, given newest first, that no rule removes."""
    protected: set[str] = set()
    policies_with_good: set[tuple[str, str]] = set()
    for backup in backups:
        policy = (backup.policy_id, backup.cronjob_id)
        is_missing = backup.snapshot_missing_at is not None
        is_good = backup.status is BackupStatus.SUCCEEDED and not is_missing
        newest_good = is_good and policy not in policies_with_good
        if newest_good:
            policies_with_good.add(policy)
        has_snapshot = backup.snapshot_state == "present"
        # Of one that is missing the record is what holds the prune, until somebody knows of it.
        is_news = backup.snapshot_state == "missing" and backup.snapshot_missing_acknowledged_at is None
        if newest_good or has_snapshot or is_news or not is_final(BACKUP_TRANSITIONS, backup.status):
            protected.add(backup.id)
    return protected


async def remove(history: History, plan: ExpiryPlan) -> None:
    """Remove the planned records with their logs and give the space back.

    Raise ReadOnlyHistory, DamagedHistory.
    """
    await _remove_backups(history, plan.backups)
    await _remove(history, history.executions, plan.executions)
    await _remove(history, history.restores, plan.restores)
    await _remove(history, history.alerts, plan.alerts)
    for start in range(0, len(plan.audit), SLICE):
        history.table("audit").remove(doc_ids=plan.audit[start : start + SLICE])
        await history.commit()
    if plan:
        await history.release_space()


async def _remove_backups(history: History, ids: tuple[str, ...]) -> None:
    """Remove backups with the records of their copies, and the policies of which none is left."""
    storage_ids = list(history.copies.distinct("storage_id"))
    copy_ids = [copy_id_for(backup_id, storage_id) for backup_id in ids for storage_id in storage_ids]
    await _remove(history, history.copies, tuple(filter(history.copies.__contains__, copy_ids)))
    policy_ids = {backup.policy_id for backup in map(history.backups.get, ids) if backup is not None}
    await _remove(history, history.backups, ids)
    for policy_id in policy_ids:
        history.backups.policies.remove_unused(policy_id, history.backups)
    await history.commit()


async def _remove(history: History, records: Records[T], ids: tuple[str, ...]) -> None:
    for start in range(0, len(ids), SLICE):
        going = records.remove_all(ids[start : start + SLICE])
        await history.commit()
        await history.logs.remove_all([sieve_key(row) for row in going])


async def _iterate(
    records: Records[T],
    *,
    cursor: str | None = None,
    until: datetime | None = None,
    cronjob_id: str | None = None,
) -> AsyncIterator[T]:
    for page in records.pages(SLICE, cursor=cursor, until=until, cronjob_id=cronjob_id):
        for record in page:
            yield record
        await asyncio.sleep(0)
