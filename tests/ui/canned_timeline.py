"""The timeline of canned records, as the daemon would make it."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from kronkeep_common.errors import DaemonUnreachable
from kronkeep_common.models import BackupExecution, CronJob, CronJobExecution
from kronkeep_common.models.timeline import Timeline, TimelineRow
from kronkeep_common.schedule import Schedule
from kronkeep_tui.night.bars import timeline_backup, timeline_run

MOST_PLANNED = 300


def timeline_of(
    cronjobs: Sequence[CronJob],
    runs: Sequence[CronJobExecution],
    backups: Sequence[BackupExecution],
    *,
    now: datetime,
    from_at: datetime,
    to_at: datetime,
) -> Timeline:
    rows = {cronjob.id: empty_row(cronjob, now, to_at) for cronjob in cronjobs}
    for run in reversed(runs):
        row = rows.get(run.cronjob_id)
        if row is not None and from_at <= run.created_at < to_at:
            row["runs"].append(timeline_run(run))
    for backup in reversed(backups):
        row = rows.get(backup.cronjob_id)
        if row is not None and from_at <= backup.created_at < to_at:
            row["backups"].append(timeline_backup(backup))
    return Timeline(
        from_at=from_at,
        until_at=to_at,
        now=now,
        complete_since=from_at,
        planned_until=to_at,
        rows=tuple(
            TimelineRow(
                **{name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
            )
            for row in rows.values()
        ),
    )


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


def empty_row(cronjob: CronJob, now: datetime, to_at: datetime) -> dict[str, Any]:
    schedule = Schedule.parse(cronjob.schedule, cronjob.time_zone)
    planned = () if cronjob.suspended else islice(schedule.between(now, to_at), MOST_PLANNED)
    return {
        "cluster": cronjob.cluster,
        "namespace": cronjob.namespace,
        "cronjob": cronjob.name,
        "cronjob_id": cronjob.id,
        "runs": [],
        "backups": [],
        "planned": tuple(planned),
    }
