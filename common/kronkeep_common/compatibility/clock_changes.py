"""The findings about one schedule alone: it never or rarely fires, or clock changes skip or repeat a fire."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from kronkeep_common.compatibility.findings import LISTED, make_finding
from kronkeep_common.models import Finding
from kronkeep_common.schedule import Schedule
from kronkeep_common.text import duration

RARE = timedelta(days=190)  # longer than any half year: one fire each half year is not rare
_DAY = 86400


class NamedSchedule(NamedTuple):
    """A schedule, its name in messages, and its fires from `start` on (Unix seconds)."""

    name: str
    schedule: Schedule
    fires: list[int]
    start: int


def find_never_fires(named: NamedSchedule) -> Finding | None:
    """Return NeverFires where the schedule has no fires."""
    if named.fires:
        return None
    message = f"The {named.name}'s schedule {named.schedule.expr!r} never fires."
    return make_finding(
        code="NeverFires", severity="conflict", message=message, hits=[], of=0, zone=named.schedule
    )


def find_rarely_fires(named: NamedSchedule) -> Finding | None:
    """Count the waits of more than RARE, from the horizon's start on."""
    waits = pairwise([named.start, *named.fires])
    ends = [(later - earlier, later) for earlier, later in waits if later - earlier > RARE.total_seconds()]
    if not ends:
        return None
    longest, end = max(ends)
    message = (
        f"The {named.name}'s schedule fires rarely: {duration(longest)} pass until "
        f"{_local(named.schedule, end):%Y-%m-%d %H:%M}."
    )
    hits = [later for _, later in ends]
    return make_finding(
        code="RarelyFires",
        severity="warning",
        message=message,
        hits=hits,
        of=len(named.fires),
        zone=named.schedule,
    )


def find_clock_changes(named: NamedSchedule, end: int) -> Iterator[Finding]:
    """Yield DstSkip and DstRepeat: fire times that a local day does not have, or has twice.

    A schedule that fires in every hour goes on over a clock change, so it is only reported where a wait
    becomes longer than any of its usual ones: a change by half an hour can cost it a whole day.
    """
    schedule = named.schedule
    if schedule.every is not None:
        return
    skipped: list[tuple[int, str]] = []
    repeated: list[tuple[int, str]] = []
    for day in schedule.changing_days(named.start, end):
        missing, twice = _missing_and_repeated(schedule, day)
        if missing and (len(schedule.parsed.hours) < 24 or _has_longer_wait(schedule, day)):
            skipped.append((_start_of_day(schedule, day), _describe_times(missing, day)))
        if twice and len(schedule.parsed.hours) < 24:
            repeated.append((_start_of_day(schedule, day), _describe_times(twice, day)))
    for code, days_of_code, template in (
        ("DstSkip", skipped, "The clocks skip a fire time of the {name}: {days}."),
        ("DstRepeat", repeated, "The clocks repeat a fire time of the {name}, which fires twice: {days}."),
    ):
        if days_of_code:
            days = ", ".join(times for _, times in days_of_code[:LISTED])
            message = template.format(name=named.name, days=days)
            hits = [at for at, _ in days_of_code]
            yield make_finding(
                code=code, severity="warning", message=message, hits=hits, of=len(named.fires), zone=schedule
            )


def _describe_times(times: list[str], day: date) -> str:
    more = f" and {len(times) - 1} more" if len(times) > 1 else ""
    return f"{times[0]}{more} on {day}"


def _missing_and_repeated(schedule: Schedule, day: date) -> tuple[list[str], list[str]]:
    """Return the clock times of `day` that the schedule misses, and those at which it fires twice."""
    counts = Counter(schedule.wall_times_on(day))
    expected = schedule.times_of_day
    missing = [format_clock(second) for second in expected if counts[second] == 0]
    return missing, [format_clock(second) for second in expected if counts[second] > 1]


def format_clock(second: int) -> str:
    """Write a second of the day as HH:MM."""
    return f"{second // 3600:02d}:{second % 3600 // 60:02d}"


def _has_longer_wait(schedule: Schedule, day: date) -> bool:
    """Whether some wait around `day` is longer than the schedule's longest on an ordinary day."""
    times = schedule.times_of_day
    usual = max(later - earlier for earlier, later in pairwise([*times, times[0] + _DAY]))
    opening = _start_of_day(schedule, day)
    fires = list(schedule.seconds_between(opening - usual - 3600, opening + _DAY + usual + 3600))
    return any(later - earlier > usual for earlier, later in pairwise(fires))


def _start_of_day(schedule: Schedule, day: date) -> int:
    """Return the first second of the local day, as Unix seconds."""
    return int(datetime(day.year, day.month, day.day, tzinfo=schedule.zone_info).timestamp())


def _local(schedule: Schedule, second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC).astimezone(schedule.zone_info)
