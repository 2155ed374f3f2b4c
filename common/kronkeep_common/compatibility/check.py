"""The check itself: every finding of one question, in one verdict."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from kronkeep_common.compatibility import clock_changes, findings
from kronkeep_common.compatibility.fire_times import Fires, collect
from kronkeep_common.compatibility.storage_overlap import Busy, busy
from kronkeep_common.models import Finding, ScheduleVerdict
from kronkeep_common.schedule import Schedule

HORIZON = timedelta(days=400)  # holds every change of the clocks of both zones, with a month to spare
DEFAULT_DURATION = timedelta(minutes=10)
LISTED = 5


@dataclass(frozen=True, slots=True)
class Question:
    """What a backup's schedule is held against; `lasting` is how long one backup takes."""

    cronjob: Schedule
    now: datetime
    expected: timedelta = DEFAULT_DURATION
    horizon: timedelta = HORIZON
    others: Sequence[Busy] = ()
    lasting: timedelta = DEFAULT_DURATION


def check(question: Question, backup: Schedule) -> ScheduleVerdict:
    """The verdict on `backup` over the question's horizon from its `now`."""
    start = int(question.now.timestamp())
    fires = collect(question.cronjob, backup, start, start + int(question.horizon.total_seconds()))
    found = tuple(_all(fires, question))
    return ScheduleVerdict(
        verdict=worst(found),
        findings=found,
        minimum_slack_seconds=findings.slack(fires),
        expected_duration_seconds=question.expected.total_seconds(),
        cronjob_next=_instants(fires.runs[:LISTED]),
        backup_next=_instants(fires.backups[:LISTED]),
        cronjob_text=question.cronjob.describe(),
        backup_text=backup.describe(),
    )


def _all(fires: Fires, question: Question) -> Iterator[Finding]:
    alone = (
        clock_changes.Named(name="CronJob", schedule=fires.cronjob, fires=fires.runs, start=fires.start),
        clock_changes.Named(name="backup", schedule=fires.backup, fires=fires.backups, start=fires.start),
    )
    silent = [found for named in alone if (found := clock_changes.never(named)) is not None]
    if not silent:
        yield from _together(fires, question)
    yield from silent
    for named in alone:
        rare = clock_changes.rarely(named)
        if rare is not None:
            yield rare
        yield from clock_changes.changed(named, fires.end)


def _together(fires: Fires, question: Question) -> Iterator[Finding]:
    for found in (
        findings.same_time(fires),
        findings.before_run(fires),
        findings.too_close(fires, question.expected.total_seconds()),
        findings.nothing_new(fires),
        findings.not_archived(fires),
        busy(fires, question.others, question.lasting.total_seconds()),
    ):
        if found is not None:
            yield found


def worst(found: Sequence[Finding]) -> Literal["ok", "warning", "conflict"]:
    """The verdict that some findings come to."""
    severities = {finding.severity for finding in found}
    return "conflict" if "conflict" in severities else "warning" if severities else "ok"


def _instants(seconds: Sequence[int]) -> tuple[datetime, ...]:
    return tuple(datetime.fromtimestamp(second, UTC) for second in seconds)
