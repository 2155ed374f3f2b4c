"""The check itself: every finding of one question, in one verdict."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from kronkeep_common.compatibility import clock_changes, findings
from kronkeep_common.compatibility.fire_times import FireTimes, collect_fire_times
from kronkeep_common.compatibility.storage_overlap import OtherPolicy, find_storage_busy
from kronkeep_common.models import Finding, ScheduleVerdict
from kronkeep_common.schedule import Schedule

HORIZON = timedelta(days=400)  # holds every change of the clocks of both zones, with a month to spare
DEFAULT_DURATION = timedelta(minutes=10)
LISTED = 5


@dataclass(frozen=True, slots=True)
class CheckContext:
    """What a backup's schedule is held against; `lasting` is how long one backup takes."""

    cronjob: Schedule
    now: datetime
    run_duration: timedelta = DEFAULT_DURATION
    horizon: timedelta = HORIZON
    other_policies: Sequence[OtherPolicy] = ()
    backup_duration: timedelta = DEFAULT_DURATION


def check(context: CheckContext, backup: Schedule) -> ScheduleVerdict:
    """The verdict on `backup` over the question's horizon from its `now`."""
    start = int(context.now.timestamp())
    fires = collect_fire_times(context.cronjob, backup, start, start + int(context.horizon.total_seconds()))
    all_findings = tuple(find_all(fires, context))
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


def find_all(fires: FireTimes, context: CheckContext) -> Iterator[Finding]:
    alone = (
        clock_changes.NamedSchedule(
            name="CronJob", schedule=fires.cronjob, fires=fires.runs, start=fires.start
        ),
        clock_changes.NamedSchedule(
            name="backup", schedule=fires.backup, fires=fires.backups, start=fires.start
        ),
    )
    silent = [found for named in alone if (found := clock_changes.find_never_fires(named)) is not None]
    if not silent:
        yield from _compare(fires, context)
    yield from silent
    for named in alone:
        rare = clock_changes.find_rarely_fires(named)
        if rare is not None:
            yield rare
        yield from clock_changes.find_clock_changes(named, fires.end)


def _compare(fires: FireTimes, context: CheckContext) -> Iterator[Finding]:
    for found in (
        findings.find_same_time(fires),
        findings.find_backup_before_run(fires),
        findings.find_too_close(fires, context.run_duration.total_seconds()),
        findings.find_nothing_new(fires),
        findings.find_run_not_archived(fires),
        find_storage_busy(fires, context.other_policies, context.backup_duration.total_seconds()),
    ):
        if found is not None:
            yield found


def verdict_of(found: Sequence[Finding]) -> Literal["ok", "warning", "conflict"]:
    """The verdict that some findings come to."""
    severities = {finding.severity for finding in found}
    return "conflict" if "conflict" in severities else "warning" if severities else "ok"


def _instants(seconds: Sequence[int]) -> tuple[datetime, ...]:
    return tuple(datetime.fromtimestamp(second, UTC) for second in seconds)
