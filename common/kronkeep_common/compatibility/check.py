"""The check: all findings about a backup's schedule, as one verdict."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from kronkeep_common.compatibility import clock_changes, findings
from kronkeep_common.compatibility.fire_times import FireTimes, collect_fire_times
from kronkeep_common.compatibility.storage_overlap import OtherPolicy, find_storage_busy
from kronkeep_common.models import Finding, ScheduleVerdict
from kronkeep_common.schedule import Schedule

HORIZON = timedelta(days=400)  # a year, so that it has every clock change of both zones, and a month
DEFAULT_DURATION = timedelta(minutes=10)
LISTED = 5  # next fire times in a verdict


@dataclass(frozen=True, slots=True)
class CheckContext:
    """What a backup's schedule is compared with, and how long a run and a backup are expected to take."""

    cronjob: Schedule
    now: datetime
    run_duration: timedelta = DEFAULT_DURATION
    horizon: timedelta = HORIZON
    other_policies: Sequence[OtherPolicy] = ()
    backup_duration: timedelta = DEFAULT_DURATION


def check(context: CheckContext, backup: Schedule) -> ScheduleVerdict:
    """Compare the schedule `backup` with the context, over its horizon from its `now` on."""
    start = int(context.now.timestamp())
    fires = collect_fire_times(context.cronjob, backup, start, start + int(context.horizon.total_seconds()))
    all_findings = tuple(_find_all(fires, context))
    return ScheduleVerdict(
        verdict=verdict_of(all_findings),
        findings=all_findings,
        minimum_slack_seconds=findings.minimum_slack(fires),
        expected_duration_seconds=context.run_duration.total_seconds(),
        cronjob_next=_instants(fires.runs[:LISTED]),
        backup_next=_instants(fires.backups[:LISTED]),
        cronjob_text=context.cronjob.describe(),
        backup_text=backup.describe(),
    )


def _find_all(fires: FireTimes, context: CheckContext) -> Iterator[Finding]:
    alone = (
        clock_changes.NamedSchedule(
            name="CronJob", schedule=fires.cronjob, fires=fires.runs, start=fires.start
        ),
        clock_changes.NamedSchedule(
            name="backup", schedule=fires.backup, fires=fires.backups, start=fires.start
        ),
    )
    never = [clock_changes.find_never_fires(named) for named in alone]
    if not any(never):
        yield from _compare(fires, context)
    yield from filter(None, never)
    for named in alone:
        rare = clock_changes.find_rarely_fires(named)
        if rare is not None:
            yield rare
        yield from clock_changes.find_clock_changes(named, fires.end)


def _compare(fires: FireTimes, context: CheckContext) -> Iterator[Finding]:
    for finding in (
        findings.find_same_time(fires),
        findings.find_backup_before_run(fires),
        findings.find_too_close(fires, context.run_duration.total_seconds()),
        findings.find_nothing_new(fires),
        findings.find_run_not_archived(fires),
        find_storage_busy(fires, context.other_policies, context.backup_duration.total_seconds()),
    ):
        if finding is not None:
            yield finding


def verdict_of(findings: Sequence[Finding]) -> Literal["ok", "warning", "conflict"]:
    """Return the gravest severity of some findings, or `ok` where there are none."""
    severities = {finding.severity for finding in findings}
    return "conflict" if "conflict" in severities else "warning" if severities else "ok"


def _instants(seconds: Sequence[int]) -> tuple[datetime, ...]:
    return tuple(datetime.fromtimestamp(second, UTC) for second in seconds)
