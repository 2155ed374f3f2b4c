"""How long the history keeps what it holds: by age, and runs by number for each CronJob.

Settings ask for little by default: everything is kept. What never goes: a record that has not ended, an open
alert included, a backup whose snapshot still exists, the newest succeeded backup of a policy, and the run of
a backup that stays. A backup goes with its run, a record's kept logs go with the record; a compaction
afterwards gives the space back. The plan is the preview: nothing else is removed.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta
from itertools import takewhile

import msgspec

from kronkeep_common.models import BackupExecution, CronJobExecution
from kronkeep_common.states import (
    BACKUP_TRANSITIONS,
    EXECUTION_TRANSITIONS,
    RESTORE_TRANSITIONS,
    BackupStatus,
    is_final,
)
from kronkeep_daemon.history.documents import NUMBER, TIME, sort_time
from kronkeep_daemon.history.history import History
from kronkeep_daemon.history.records import Records, T

SLICE = 100  # records looked at or removed between two turns of the event loop


class ExpiryRules(msgspec.Struct, frozen=True, kw_only=True):
    """Days that a record and that the audit trail is kept, runs kept for each CronJob; None is no limit."""

    days: int | None = None
    runs: int | None = None
    audit_days: int | None = None


class ExpiryPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The ids of what goes; lines of the audit trail by their number in the table."""

    executions: tuple[str, ...] = ()
    backups: tuple[str, ...] = ()
    restores: tuple[str, ...] = ()
    alerts: tuple[str, ...] = ()
    audit: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return any(getattr(self, field) for field in self.__struct_fields__)


async def plan(history: History, rules: ExpiryRules, now: datetime) -> ExpiryPlan:
    """What the rules let go of, as of `now`; reads in slices and changes nothing."""
    audit = _expired_audit_lines(history, now - timedelta(days=rules.audit_days)) if rules.audit_days else ()
    if rules.days is None and rules.runs is None:
        return ExpiryPlan(audit=audit)
    cut = now - timedelta(days=rules.days) if rules.days is not None else None
    runs: list[str] = []
    backups: list[str] = []
    for cronjob in {**history.executions.values("cronjob_id"), **history.backups.values("cronjob_id")}:
        made = [backup async for backup in _iterate(history.backups, cronjob_id=cronjob)]
        ran = [run async for run in _iterate(history.executions, cronjob_id=cronjob)]
        going, with_them = select_of_cronjob(ran, made, rules.runs, cut)
        runs += going
        backups += with_them
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


def _expired_audit_lines(history: History, cut: datetime) -> tuple[int, ...]:
    """The lines of the audit trail before `cut`: the first of the table's order."""
    last = sort_time(cut.isoformat().replace("+00:00", "Z"))
    rows = history.table("audit").documents.order
    return tuple(row[NUMBER] for row in takewhile(lambda row: row[TIME] < last, rows))


def select_of_cronjob(
    runs: Iterable[CronJobExecution],
    backups: Iterable[BackupExecution],
    number: int | None,
    cut: datetime | None,
) -> tuple[list[str], list[str]]:
    """The ids of runs and of backups that go; both are given newest first."""
    runs = list(runs)
    backups = list(backups)
    staying = _protected_ids(backups)
    needed = {backup.cronjob_execution_id for backup in backups if backup.id in staying}
    going = [
        run.id
        for place, run in enumerate(runs)
        if ((number is not None and place >= number) or _before(run.created_at, cut))
        and is_final(EXECUTION_TRANSITIONS, run.status)
        and run.id not in needed
    ]
    gone = set(going)
    known = {run.id for run in runs}
    with_them = [
        backup.id
        for backup in backups
        if backup.id not in staying
        and (
            backup.cronjob_execution_id in gone
            or (backup.cronjob_execution_id not in known and _before(backup.created_at, cut))
        )
    ]
    return going, with_them


def _before(moment: datetime, cut: datetime | None) -> bool:
    return cut is not None and moment < cut


def _protected_ids(backups: list[BackupExecution]) -> set[str]:
    """The backups, given newest first, that no rule removes."""
    staying: set[str] = set()
    good: set[tuple[str, str]] = set()
    for backup in backups:
        of = backup.policy_id, backup.cronjob_id
        newest_good = backup.status is BackupStatus.SUCCEEDED and of not in good
        if newest_good:
            good.add(of)
        has_snapshot = backup.result is not None and backup.snapshot_removed_at is None
        if newest_good or has_snapshot or not is_final(BACKUP_TRANSITIONS, backup.status):
            staying.add(backup.id)
    return staying


async def remove(history: History, going: ExpiryPlan) -> None:
    """Removes what is planned with its logs, then compacts; raises ReadOnlyHistory, DamagedHistory."""
    await _remove(history, history.backups, going.backups)
    await _remove(history, history.executions, going.executions)
    await _remove(history, history.restores, going.restores)
    await _remove(history, history.alerts, going.alerts)
    for start in range(0, len(going.audit), SLICE):
        history.table("audit").remove(doc_ids=going.audit[start : start + SLICE])
        await history.commit()
    if going:
        await history.compact()


async def _remove(history: History, records: Records[T], ids: tuple[str, ...]) -> None:
    for start in range(0, len(ids), SLICE):
        some = ids[start : start + SLICE]
        for record_id in some:
            records.remove(record_id)
        await history.commit()
        for record_id in some:
            await history.logs.remove(record_id)


async def _iterate(records: Records[T], cronjob_id: str | None = None) -> AsyncIterator[T]:
    cursor: str | None = None
    while True:
        page = records.newest(limit=SLICE, cursor=cursor, cronjob_id=cronjob_id)
        for record in page.items:
            yield record
        cursor = page.next_cursor
        if cursor is None:
            return
        await asyncio.sleep(0)
