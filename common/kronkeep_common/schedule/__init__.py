"""When a CronJob fires, computed as Kubernetes' controller does, to the minute and in every time zone.

The results are for planning and display; what has happened is read from Jobs. The rules are those of
robfig/cron v3.0.1 (`grammar`, `fire_search`) on IANA zones (`zone`).
`description` puts a schedule into words.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, tzinfo
from functools import cached_property, lru_cache
from math import floor

from kronkeep_common.errors import InvalidTimeZone
from kronkeep_common.schedule import description, grammar, zone
from kronkeep_common.schedule.fire_search import FireSearch, local_date, midnight_wall

CACHED = 4096  # parsed schedules: a list of all CronJobs of a large cluster needs each of them again


class Schedule:
    """A cron expression in a time zone; immutable. Arguments are aware datetimes, results are in UTC."""

    def __init__(
        self, *, expr: str, zone_name: str, search: FireSearch, parsed: grammar.ParsedSchedule
    ) -> None:
        self.expr = expr
        self.zone = zone_name
        self.every = parsed.every
        self.parsed = parsed
        self._step = 0 if parsed.every is None else int(parsed.every.total_seconds())
        self._search = search

    @staticmethod
    def parse(expr: str, zone: str | None = None, *, controller_zone: str = "UTC") -> "Schedule":
        """Parse `expr` in `zone`, or in the controller's zone where that is None.

        Raise InvalidSchedule or InvalidTimeZone for what Kubernetes 1.36 refuses.
        """
        return _parse(expr, controller_zone if zone is None else zone)

    @staticmethod
    def parse_existing(expr: str, zone: str | None, *, controller_zone: str = "UTC") -> "Schedule":
        """Parse the schedule of a CronJob that exists, as Kubernetes' controller does.

        Objects from before 1.27 may begin with `TZ=ZONE` or `CRON_TZ=ZONE`, which then overrides
        `spec.timeZone`; a zone that cannot be loaded is ignored. Raise InvalidSchedule, InvalidTimeZone.
        """
        if expr.startswith(("TZ=", "CRON_TZ=")) and " " in expr:
            inside, rest = expr.split(" ", 1)
            return _parse(rest.strip(), inside.partition("=")[2] or "UTC")
        try:
            return Schedule.parse(expr, zone, controller_zone=controller_zone)
        except InvalidTimeZone:
            return _parse(expr, controller_zone)

    @property
    def zone_info(self) -> tzinfo:
        """The time zone, for showing instants in it."""
        return self._search.zone.tzinfo

    def next(self, after: datetime) -> datetime | None:
        """Return the first fire time later than `after`; None where there is none within five years."""
        second = self.next_second(floor(after.timestamp()))
        return None if second is None else datetime.fromtimestamp(second, UTC)

    def next_second(self, after: int) -> int | None:
        """Return the first fire time later than `after`, both in Unix seconds."""
        if self.every is not None:
            return after + self._step
        return self._search.next_fire(after)

    def between(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Yield every fire time in [start, end); those of `@every` are counted from `start`."""
        first = -(-start.timestamp() // 1)
        for second in self.seconds_between(int(first), -int(-end.timestamp() // 1)):
            yield datetime.fromtimestamp(second, UTC)

    def seconds_between(self, start: int, end: int) -> Iterator[int]:
        """Yield every fire time in [start, end), in Unix seconds.

        Whole days are computed at once where the clocks do not change, single fires elsewhere.
        """
        if self.every is not None:
            yield from range(start - 1 + self._step, end, self._step)
            return
        at = start - 1
        while (fire := self._search.next_fire(at, end)) is not None and fire < end:
            yield fire
            at = fire
            for fire in self._search.fires_in_calm_period(at, end):
                yield fire
                at = fire

    def previous(self, before: datetime) -> datetime | None:
        """Return the last fire time earlier than `before`, up to eight years back; None for `@every`."""
        if self.every is not None:
            return None
        second = self._search.previous_fire(-int(-before.timestamp() // 1))
        return None if second is None else datetime.fromtimestamp(second, UTC)

    def describe(self) -> str:
        """Describe the schedule: `every day at 02:00, Europe/Berlin`."""
        return self._words

    @cached_property
    def _words(self) -> str:
        return description.describe(self.parsed, self.zone)

    @property
    def times_of_day(self) -> tuple[int, ...]:
        """The fire times of a day without clock changes, in seconds after midnight; none for `@every`."""
        return self._search.times_of_day

    def changing_days(self, start: int, end: int) -> list[date]:
        """Return the days on which a clock change in [start, end) (Unix seconds) may move or drop a fire."""
        days: set[date] = set()
        for at, old, new in self._search.zone.offset_changes(start, end):
            low, high = sorted((at + old, at + new))
            days.update((local_date(low), local_date(high), local_date(high + 86400)))
        return sorted(day for day in days if day in self._search.days)

    def wall_times_on(self, day: date) -> list[int]:
        """Return the fire times of a local day as its clocks show them, in seconds after midnight."""
        opening = midnight_wall(day)
        fires = self._search.fires_on(day, opening + 3 * 86400)
        walls = [fire + self._search.zone.offset(fire) - opening for fire in fires]
        return [wall for wall in walls if 0 <= wall < 86400]

    def explain(self, day: date) -> list[str]:
        """Describe what a clock change does to the fire times of a local day; nothing on other days."""
        if self.every is not None or day not in self._search.days:
            return []
        return description.explain_clock_change(day, self._search.times_of_day, self.wall_times_on(day))


@lru_cache(maxsize=CACHED)
def _parse(expr: str, zone_name: str) -> Schedule:
    parsed = grammar.parse_schedule(expr)
    return Schedule(
        expr=expr, zone_name=zone_name, search=FireSearch(parsed, zone.load_zone(zone_name)), parsed=parsed
    )


__all__ = ["Schedule"]
