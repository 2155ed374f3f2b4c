"""The timeline of a period: runs and backups from the history, planned runs from the schedules."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeVar

from kronkeep_common.evidence import Period
from kronkeep_common.models import BackupExecution, CronJobExecution
from kronkeep_common.models.timeline import Timeline, TimelineBackup, TimelineRow, TimelineRun
from kronkeep_common.record_filter import RecordFilter
from kronkeep_common.states import BACKUP_TRANSITIONS, EXECUTION_TRANSITIONS, is_final
from kronkeep_common.timeline_records import has_waited, timeline_backup, timeline_run
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.history import History, Records
from kronkeep_daemon.kube.objects import CronJobObject

PAGE = 500
SLICE = 16  # CronJobs between two turns of the event loop
MOST_RECORDS = 10_000  # runs, and as many backups
MOST_OPEN = 500  # in each status, that began long before the period and have not ended
MOST_PLANNED = 20_000  # planned runs of all CronJobs
MOST_PLANNED_OF_ONE = 300
LOOK_BACK = timedelta(hours=6)  # before the period; what took longer and has ended is not found
R = TypeVar("R", CronJobExecution, BackupExecution)
OPEN_RUNS = [status for status in EXECUTION_TRANSITIONS if not is_final(EXECUTION_TRANSITIONS, status)]
OPEN_BACKUPS = [status for status in BACKUP_TRANSITIONS if not is_final(BACKUP_TRANSITIONS, status)]


class RowKey(NamedTuple):
    """A CronJob, which may be deleted."""

    cluster: str
    namespace: str
    cronjob: str
    cronjob_id: str


class Planned(NamedTuple):
    """Planned runs by CronJob; none is missing before `until`."""

    moments: dict[RowKey, tuple[datetime, ...]]
    until: datetime


class PlannedRun(NamedTuple):
    """A run of a schedule's future, as a filter sees it."""

    cluster: str
    namespace: str
    cronjob: str
    status: str = "planned"


class TimelineQuestion(NamedTuple):
    """The period that is asked for, which records of it, and the present moment; planned runs begin at it."""

    period: Period
    namespace: str | None
    record_filter: RecordFilter
    now: datetime


async def build_timeline(
    question: TimelineQuestion, *, history: History, cronjobs: CronJobService, clusters: dict[str, str]
) -> Timeline:
    """Return the timeline of a period; `clusters` are names by id where there are several."""
    period = question.period
    namespace = question.namespace
    now = question.now
    matches = question.record_filter.matches
    runs = await _read(history.executions, OPEN_RUNS, period, namespace)
    backups = await _read(history.backups, OPEN_BACKUPS, period, namespace)
    planned = await _list_planned(cronjobs, question)
    timeline_runs: dict[RowKey, list[TimelineRun]] = {}
    timeline_backups: dict[RowKey, list[TimelineBackup]] = {}
    for run in reversed(runs):
        if _ends_after(run.ended_at or run.gap_until, period, run.created_at) and matches(run, now):
            timeline_runs.setdefault(_key_of(run), []).append(timeline_run(run))
    for backup in reversed(backups):
        is_in_period = _ends_after(backup.ended_at, period, backup.created_at) and has_waited(backup)
        if is_in_period and matches(backup, now):
            timeline_backups.setdefault(_key_of(backup), []).append(timeline_backup(backup))
    keys = sorted({*timeline_runs, *timeline_backups, *planned.moments})
    return Timeline(
        from_at=period.start,
        until_at=period.end,
        now=now,
        complete_since=max(period.start, _begin_of(runs), _begin_of(backups)),
        planned_until=planned.until,
        clusters=clusters,
        rows=tuple(
            TimelineRow(
                **key._asdict(),
                runs=tuple(timeline_runs.get(key, ())),
                backups=tuple(timeline_backups.get(key, ())),
                planned=planned.moments.get(key, ()),
            )
            for key in keys
        ),
    )


async def _read(
    records: Records[R], open_statuses: Iterable[str], period: Period, namespace: str | None
) -> list[R]:
    """Return the newest records that may lie in the period, newest first, MOST_RECORDS at most."""
    since = period.start - LOOK_BACK
    newest: list[R] = []
    cursor = None
    while len(newest) < MOST_RECORDS:
        page = records.newest(limit=PAGE, cursor=cursor, since=since, until=period.end, namespace=namespace)
        newest += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
        await asyncio.sleep(0)
    if len(newest) >= MOST_RECORDS:
        return newest
    for status in open_statuses:
        newest += records.newest(limit=MOST_OPEN, until=since, namespace=namespace, status=status).items
    return newest


def _begin_of(records: list[R]) -> datetime:
    """Return since when no record is missing: where the limit was reached, since the oldest of them."""
    if len(records) < MOST_RECORDS:
        return datetime.min.replace(tzinfo=UTC)
    return records[-1].created_at


def _key_of(record: CronJobExecution | BackupExecution) -> RowKey:
    return RowKey(
        cluster=record.cluster,
        namespace=record.namespace,
        cronjob=record.cronjob,
        cronjob_id=record.cronjob_id,
    )


def _key_of_object(cronjob: CronJobObject) -> RowKey:
    return RowKey(
        cluster=cronjob.cluster,
        namespace=cronjob.namespace,
        cronjob=cronjob.name,
        cronjob_id=cronjob.uid,
    )


def _ends_after(end: datetime | None, period: Period, created_at: datetime) -> bool:
    """Whether something that was created and perhaps ended reaches into the period."""
    return created_at >= period.start or end is None or end > period.start


async def _list_planned(cronjobs: CronJobService, question: TimelineQuestion) -> Planned:
    period = Period(max(question.now, question.period.start), question.period.end)
    moments: dict[RowKey, tuple[datetime, ...]] = {}
    count = 0
    until = period.end
    for number, cronjob in enumerate(cronjobs.objects(question.namespace), 1):
        key = _key_of_object(cronjob)
        if not question.record_filter.matches(
            PlannedRun(cluster=key.cluster, namespace=key.namespace, cronjob=key.cronjob), question.now
        ):
            continue
        most = min(MOST_PLANNED_OF_ONE, MOST_PLANNED - count)
        slots = cronjobs.planned_runs(cronjob, period, most)
        count += len(slots)
        if len(slots) == most:
            until = min(until, slots[-1] if slots else period.start)
        if slots:
            moments[key] = slots
        if number % SLICE == 0:
            await asyncio.sleep(0)
    return Planned(moments, until)
