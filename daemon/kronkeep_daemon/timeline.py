"""The timeline of a period: runs and backups from the history, what is planned from the schedules."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeVar

from kronkeep_common.evidence import Period
from kronkeep_common.models import BackupExecution, CronJobExecution
from kronkeep_common.models.timeline import Timeline, TimelineBackup, TimelineRow, TimelineRun
from kronkeep_common.record_filter import RecordFilter
from kronkeep_common.states import BACKUP_TRANSITIONS, EXECUTION_TRANSITIONS, is_final
from kronkeep_common.timeline_records import timeline_backup, timeline_run
from kronkeep_daemon.backups import policy_annotations
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.history import History, Records
from kronkeep_daemon.kube.objects import CronJobObject
from kronkeep_daemon.kube.subjects import PolicySubject
from kronkeep_daemon.schedule_service import ScheduleService

PAGE = 500
SLICE = 16  # CronJobs between two turns of the event loop
MOST_RECORDS = 10_000  # runs, and as many backups
MOST_OPEN = 500  # in each status, that began long before the period and have not ended
MOST_PLANNED = 20_000  # planned runs and backups of all CronJobs
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


class PlannedMoments(NamedTuple):
    """When a CronJob will run, and when its policy's own schedule will back it up to a storage."""

    runs: tuple[datetime, ...] = ()
    backups: tuple[datetime, ...] = ()
    storage_id: str | None = None


NOTHING_PLANNED = PlannedMoments()


class Planned(NamedTuple):
    """What is planned by CronJob; nothing is missing before `until`."""

    moments: dict[RowKey, PlannedMoments]
    until: datetime


class PlannedRun(NamedTuple):
    """A run of a schedule's future, as a filter sees it."""

    cluster: str
    namespace: str
    cronjob: str
    status: str = "planned"


class PlannedBackup(NamedTuple):
    """A backup of a schedule's future, as a filter sees it."""

    cluster: str
    namespace: str
    cronjob: str
    storage_id: str
    status: str = "planned"


class TimelineQuestion(NamedTuple):
    """The period that is asked for, which records of it, and the present; what is planned begins then."""

    period: Period
    namespace: str | None
    record_filter: RecordFilter
    now: datetime

    @property
    def ahead(self) -> Period:
        """The part of the period that lies ahead."""
        return Period(max(self.now, self.period.start), self.period.end)


async def build_timeline(
    question: TimelineQuestion,
    *,
    history: History,
    cronjobs: CronJobService,
    schedules: ScheduleService,
    clusters: dict[str, str],
) -> Timeline:
    """Return the timeline of a period; `clusters` are names by id where there are several."""
    period = question.period
    namespace = question.namespace
    now = question.now
    matches = question.record_filter.matches
    runs = await _read(history.executions, OPEN_RUNS, period, namespace)
    backups = await _read(history.backups, OPEN_BACKUPS, period, namespace)
    planned = await _list_planned(cronjobs, schedules, question)
    timeline_runs: dict[RowKey, list[TimelineRun]] = {}
    timeline_backups: dict[RowKey, list[TimelineBackup]] = {}
    for run in reversed(runs):
        if _ends_after(run.ended_at or run.gap_until, period, run.created_at) and matches(run, now):
            timeline_runs.setdefault(_key_of(run), []).append(timeline_run(run))
    for backup in reversed(backups):
        if _ends_after(backup.ended_at, period, backup.created_at) and matches(backup, now):
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
                planned=ahead.runs,
                planned_backups=ahead.backups,
                planned_storage_id=ahead.storage_id,
            )
            for key in keys
            for ahead in (planned.moments.get(key, NOTHING_PLANNED),)
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


def _key_of_subject(subject: PolicySubject) -> RowKey:
    return RowKey(
        cluster=subject.cluster,
        namespace=subject.namespace,
        cronjob=subject.name,
        cronjob_id=subject.uid,
    )


def _ends_after(end: datetime | None, period: Period, created_at: datetime) -> bool:
    """Whether something that was created and perhaps ended reaches into the period."""
    return created_at >= period.start or end is None or end > period.start


async def _list_planned(
    cronjobs: CronJobService, schedules: ScheduleService, question: TimelineQuestion
) -> Planned:
    moments: dict[RowKey, PlannedMoments] = {}
    count = 0
    until = question.period.end
    for number, subject in enumerate(cronjobs.subjects.objects(question.namespace), 1):
        most = min(MOST_PLANNED_OF_ONE, MOST_PLANNED - count)
        key = _key_of_subject(subject)
        ahead = _plan_backups(subject, key, schedules, question, most)
        if isinstance(subject, CronJobObject) and _has_planned_runs(key, question):
            ahead = ahead._replace(runs=cronjobs.planned_runs(subject, question.ahead, most))
        count += len(ahead.runs) + len(ahead.backups)
        for slots in (ahead.runs, ahead.backups):
            if len(slots) == most:
                until = min(until, slots[-1] if slots else question.ahead.start)
        if ahead.runs or ahead.backups:
            moments[key] = ahead
        if number % SLICE == 0:
            await asyncio.sleep(0)
    return Planned(moments, until)


def _has_planned_runs(key: RowKey, question: TimelineQuestion) -> bool:
    run = PlannedRun(cluster=key.cluster, namespace=key.namespace, cronjob=key.cronjob)
    return question.record_filter.matches(run, question.now)


def _plan_backups(
    subject: PolicySubject, key: RowKey, schedules: ScheduleService, question: TimelineQuestion, most: int
) -> PlannedMoments:
    """Return the backups by a schedule of the policy's own, `most` at most; no runs."""
    policy = policy_annotations.read_policy(subject).policy
    if policy is None or policy.schedule is None:
        return NOTHING_PLANNED
    backup = PlannedBackup(
        cluster=key.cluster, namespace=key.namespace, cronjob=key.cronjob, storage_id=policy.storage_id
    )
    if not question.record_filter.matches(backup, question.now):
        return NOTHING_PLANNED
    slots = schedules.planned_backups(policy, question.ahead, most)
    return PlannedMoments(backups=slots, storage_id=policy.storage_id if slots else None)
