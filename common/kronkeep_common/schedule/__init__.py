"""When a CronJob fires: the arithmetic of Kubernetes' own controller, to the minute, in every zone.

Predictions are for planning and display; facts come from Jobs. The rules are those of robfig/cron v3.0.1
(`grammar`, `walk`) on IANA zones (`zone`); `words` says them in plain English.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, tzinfo
from functools import cached_property, lru_cache
from math import floor

from kronkeep_common.errors import InvalidTimeZone
from kronkeep_common.schedule import description, grammar, zone
from kronkeep_common.schedule.fire_search import Walk, civil, midnight

KEPT = 4096  # schedules that are kept read: a look at all CronJobs of a large cluster asks for each again


class Schedule:
    """A cron expression in a zone; immutable. Instants in and out are aware datetimes, out in UTC."""

    def __init__(self, *, expr: str, zone_name: str, walk: Walk, parsed: grammar.Parsed) -> None:
        self.expr = expr
        self.zone = zone_name
        self.every = parsed.every
        self.parsed = parsed
        self._step = 0 if parsed.every is None else int(parsed.every.total_seconds())
        self._walk = walk

    @staticmethod
    def parse(expr: str, zone: str | None = None, *, controller_zone: str = "UTC") -> "Schedule":
        """The schedule `expr` in `zone`, or in the controller's zone when None.

        Raises InvalidSchedule or InvalidTimeZone for what Kubernetes 1.36 refuses.
        """
        return _parse(expr, controller_zone if zone is None else zone)

    @staticmethod
    def existing(expr: str, zone: str | None, *, controller_zone: str = "UTC") -> "Schedule":
        """The schedule of a CronJob that is there already, as Kubernetes' controller reads it.

        Objects from before 1.27 may carry `TZ=ZONE` or `CRON_TZ=ZONE` in front, which then wins over
        `spec.timeZone`; a zone that cannot be loaded is passed over. Raises InvalidSchedule, InvalidTimeZone.
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
        """The zone, for showing instants in it."""
        return self._walk.zone.tzinfo

    def next(self, after: datetime) -> datetime | None:
        """The first fire time later than `after`; None when there is none within five years."""
        found = self.next_second(floor(after.timestamp()))
        return None if found is None else datetime.fromtimestamp(found, UTC)

    def next_second(self, after: int) -> int | None:
        """`next` on Unix seconds."""
        if self.every is not None:
            return after + self._step
        return self._walk.next(after)

    def between(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Every fire time in [start, end), in order. For `@every`, counted from `start`."""
        first = -(-start.timestamp() // 1)
        for second in self.seconds_between(int(first), -int(-end.timestamp() // 1)):
            yield datetime.fromtimestamp(second, UTC)

    def seconds_between(self, start: int, end: int) -> Iterator[int]:
        """`between` on Unix seconds: whole days at once where the clocks are calm, step by step elsewhere."""
        if self.every is not None:
            yield from range(start - 1 + self._step, end, self._step)
            return
        at = start - 1
        while (fire := self._walk.next(at, end)) is not None and fire < end:
            yield fire
            at = fire
            for fire in self._walk.rest(at, end):
                yield fire
                at = fire

    def previous(self, before: datetime) -> datetime | None:
        """The last fire time earlier than `before`, up to eight years back; None for `@every`."""
        if self.every is not None:
            return None
        found = self._walk.last(-int(-before.timestamp() // 1))
        return None if found is None else datetime.fromtimestamp(found, UTC)

    def describe(self) -> str:
        """The schedule in words: `every day at 02:00, Europe/Berlin`."""
        return self._words

    @cached_property
    def _words(self) -> str:
        return description.describe(self.parsed, self.zone)

    @property
    def times_of_day(self) -> tuple[int, ...]:
        """The fire times of an ordinary day, in seconds after midnight; none for `@every`."""
        return self._walk.offsets

    def changing_days(self, start: int, end: int) -> list[date]:
        """The days of the schedule that a change of the clocks in [start, end) may touch (Unix seconds)."""
        found: set[date] = set()
        for at, old, new in self._walk.zone.changes(start, end):
            low, high = sorted((at + old, at + new))
            found.update((civil(low), civil(high), civil(high + 86400)))
        return sorted(day for day in found if day in self._walk.days)

    def walls_of(self, day: date) -> list[int]:
        """The fire times of a local `day` as its clocks show them, in seconds after midnight."""
        opening = midnight(day)
        fires = self._walk.on(day, opening + 3 * 86400)
        walls = [fire + self._walk.zone.offset(fire) - opening for fire in fires]
        return [wall for wall in walls if 0 <= wall < 86400]

    def explain(self, day: date) -> list[str]:
        """What a change of the clocks does to the fire times of a local `day`; nothing on other days."""
        if self.every is not None or day not in self._walk.days:
            return []
        return description.explain(day, self._walk.offsets, self.walls_of(day))


@lru_cache(maxsize=KEPT)
def _parse(expr: str, zone_name: str) -> Schedule:
    parsed = grammar.parse(expr)
    return Schedule(expr=expr, zone_name=zone_name, walk=Walk(parsed, zone.load(zone_name)), parsed=parsed)


__all__ = ["Schedule"]
