"""The timeline of canned records, as the daemon would make it."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import TypeVar

from kronkeep_common.errors import DaemonUnreachable
from kronkeep_common.models import BackupExecution, CronJob, CronJobExecution
from kronkeep_common.models.timeline import Timeline, TimelineRow
from kronkeep_common.schedule import Schedule
from kronkeep_common.timeline_records import timeline_backup, timeline_run

MOST_PLANNED = 300
R = TypeVar("R", CronJobExecution, BackupExecution)


def timeline_of(
    cronjobs: Sequence[CronJob],
    runs: Sequence[CronJobExecution],
    backups: Sequence[BackupExecution],
    *,
    now: datetime,
    from_at: datetime,
    to_at: datetime,
) -> Timeline:
    return Timeline(
        from_at=from_at,
        until_at=to_at,
        now=now,
        complete_since=from_at,
        planned_until=to_at,
        rows=tuple(
            TimelineRow(
                cluster=cronjob.cluster,
                namespace=cronjob.namespace,
                cronjob=cronjob.name,
                cronjob_id=cronjob.id,
                runs=tuple(map(timeline_run, records_of(cronjob, runs, from_at, to_at))),
                backups=tuple(map(timeline_backup, records_of(cronjob, backups, from_at, to_at))),
                planned=planned_runs(cronjob, now, to_at),
            )
            for cronjob in cronjobs
        ),
    )


def records_of(cronjob: CronJob, records: Sequence[R], from_at: datetime, to_at: datetime) -> list[R]:
    """A CronJob's records of a period, oldest first."""
    return [
        record
        for record in reversed(records)
        if record.cronjob_id == cronjob.id and from_at <= record.created_at < to_at
    ]


def planned_runs(cronjob: CronJob, now: datetime, to_at: datetime) -> tuple[datetime, ...]:
    schedule = Schedule.parse(cronjob.schedule, cronjob.time_zone)
    return () if cronjob.suspended else tuple(islice(schedule.between(now, to_at), MOST_PLANNED))


class CannedTimeline:
    """`client.timeline` of a canned daemon, as of a moment."""

    cronjobs_given: list[CronJob]
    runs_given: list[CronJobExecution]
    backups_given: list[BackupExecution]
    answers: asyncio.Event
    away = ""
    moment = datetime(2026, 11, 24, 3, 14, 20, tzinfo=UTC)

    async def timeline(self, from_at: datetime, to_at: datetime, namespace: str | None = None) -> Timeline:
        await self.answers.wait()
        if self.away:
            raise DaemonUnreachable(self.away)
        return timeline_of(
            self.cronjobs_given,
            self.runs_given,
            self.backups_given,
            now=self.moment,
            from_at=from_at,
            to_at=to_at,
        )
