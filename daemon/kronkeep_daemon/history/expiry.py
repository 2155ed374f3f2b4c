"""Expiry: which records are removed from the history, by age and by the number of runs of each CronJob.

By default nothing is removed. Some records always stay: those that have not ended, open alerts included,
backups whose snapshot still exists, the newest successful backup of each policy, and the runs of backups that
stay. A backup is removed with its run, and kept logs with their record; the space is then given back.
The plan is the preview: nothing outside it is removed.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from datetime import datetime, timedelta
from heapq import merge
from typing import Any

import msgspec

from kronkeep_common.models import BackupExecution, CronJobExecution, Restore
from kronkeep_common.states import (
    BACKUP_TRANSITIONS,
    EXECUTION_TRANSITIONS,
    RESTORE_TRANSITIONS,
    BackupStatus,
    is_final,
)
from kronkeep_daemon.history.history import History
from kronkeep_daemon.history.records import Records, T
from kronkeep_daemon.history.rows import sort_time

MOST_AUDIT_LINES = 10_000
SLICE = 100  # records read or removed between two turns of the event loop


class ExpiryRules(msgspec.Struct, frozen=True, kw_only=True):
    """Days that records and audit lines are kept, and runs kept of each CronJob; None is no limit."""

    days: int | None = None
    runs: int | None = None
    audit_days: int | None = None


class ExpiryPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The ids of the records to remove; audit lines by their number in the table."""

    executions: tuple[str, ...] = ()
    backups: tuple[str, ...] = ()
    restores: tuple[str, ...] = ()
    alerts: tuple[str, ...] = ()
    audit: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return any(getattr(self, field) for field in self.__struct_fields__)


async def plan(history: History, rules: ExpiryRules, now: datetime) -> ExpiryPlan:
    """Return what the rules remove as of `now`; read in slices and change nothing."""
    audit = _select_audit_lines(history, now - timedelta(days=rules.audit_days)) if rules.audit_days else ()
    if rules.days is None and rules.runs is None:
        return ExpiryPlan(audit=audit)
    cut = now - timedelta(days=rules.days) if rules.days is not None else None
    runs: list[str] = []
    backups: list[str] = []
    for cronjob in merge_values(history.executions, history.backups):
        all_backups = [backup async for backup in _iterate(history.backups, cronjob_id=cronjob)]
        old_runs = await _read_old_runs(history, cronjob, rules.runs, cut)
        expired_runs, expired_backups = select_of_cronjob(
            old_runs, all_backups, cut, history.executions.__contains__
        )
        runs += expired_runs
        backups += expired_backups
        await asyncio.sleep(0)
    restores = [
        restore.id
        async for restore in _iterate(history.restores)
        if cut is not None and restore.created_at < cut and is_final(RESTORE_TRANSITIONS, restore.status)
    ]
    alerts = [
        alert.id
        async for alert in _iterate(history.alerts)
        if alert.resolved_at is not None and _before(alert.resolved_at, cut)
    ]
    return ExpiryPlan(
        executions=tuple(runs),
        backups=tuple(backups),
        restores=tuple(restores),
        alerts=tuple(alerts),
        audit=audit,
    )


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


async def _read_old_runs(
    history: History, cronjob_id: str, number: int | None, cut: datetime | None
) -> list[CronJobExecution]:
    """Return the runs of a CronJob before a time, or behind its newest ones; no others are read."""
    runs: dict[str, CronJobExecution] = {}
    if cut is not None:
        async for run in _iterate(history.executions, until=cut, cronjob_id=cronjob_id):
            runs[run.id] = run
    if number is not None:
        cursor = history.executions.cursor_of_nth(number, cronjob_id=cronjob_id)
        if cursor is not None:
            async for run in _iterate(history.executions, cursor=cursor, cronjob_id=cronjob_id):
                runs[run.id] = run
    return list(runs.values())


def select_of_cronjob(
    old_runs: Iterable[CronJobExecution],
    backups: Iterable[BackupExecution],
    cut: datetime | None,
    has_run: Callable[[str], bool],
) -> tuple[list[str], list[str]]:
    """Return the ids of one CronJob's runs and backups to remove.

    old_runs: those that the rules remove unless something needs them.
    backups: all of them, newest first.
    cut: the time before which records are removed, None for never.
    has_run: whether a run is recorded.
    """
    backups = list(backups)
    protected = _ids_to_protect(backups)
    needed_runs = {backup.cronjob_execution_id for backup in backups if backup.id in protected}
    expired_runs = [
        run.id
        for run in old_runs
        if is_final(EXECUTION_TRANSITIONS, run.status) and run.id not in needed_runs
    ]
    removed = set(expired_runs)
    expired_backups = [
        backup.id
        for backup in backups
        if backup.id not in protected
        and (
            backup.cronjob_execution_id in removed
            or (_before(backup.created_at, cut) and not has_run(backup.cronjob_execution_id or ""))
        )
    ]
    return expired_runs, expired_backups


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
        if newest_good or has_snapshot or not is_final(BACKUP_TRANSITIONS, backup.status):
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
    """Remove backups, and the policies of which none is left."""
    policy_ids = {backup.policy_id for backup in map(history.backups.get, ids) if backup is not None}
    await _remove(history, history.backups, ids)
    for policy_id in policy_ids:
        history.backups.policies.remove_unused(policy_id, history.backups)
    await history.commit()


async def _remove(history: History, records: Records[T], ids: tuple[str, ...]) -> None:
    for start in range(0, len(ids), SLICE):
        batch = ids[start : start + SLICE]
        going = [record for record_id in batch if (record := records.get(record_id)) is not None]
        for record_id in batch:
            records.remove(record_id)
        await history.commit()
        for record in going:
            if isinstance(record, CronJobExecution | BackupExecution | Restore):
                await history.logs.remove(record)


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
