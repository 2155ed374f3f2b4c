"""When a CronJob fires: the arithmetic of Kubernetes' own controller, to the minute, in every zone.

Predictions are for planning and display; facts come from Jobs. The rules are those of robfig/cron v3.0.1
(`grammar`, `walk`) on IANA zones (`zone`); `words` says them in plain English.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from math import floor

from kronkeep_common.schedule import grammar, words, zone
from kronkeep_common.schedule.walk import MARGIN, Walk, civil, midnight

_DAY = 86400
_FAR_BACK = 366 * 8 + 2  # days between two 29 Februaries around 2100


class Schedule:
    """A cron expression in a zone; immutable. Instants in and out are aware datetimes, out in UTC."""

    def __init__(self, expr: str, zone_name: str, walk: Walk, parsed: grammar.Parsed) -> None:
        self.expr = expr
        self.zone = zone_name
        self.every = parsed.every
        self.parsed = parsed
        self._walk = walk

    @staticmethod
    def parse(expr: str, zone: str | None = None, *, controller_zone: str = "UTC") -> "Schedule":
        """The schedule `expr` in `zone`, or in the controller's zone when None.

        Raises InvalidSchedule or InvalidTimeZone for what Kubernetes 1.36 refuses.
        """
        return _parse(expr, controller_zone if zone is None else zone)

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
            return after + int(self.every.total_seconds())
        return self._walk.next(after)

    def between(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Every fire time in [start, end), in order. For `@every`, counted from `start`."""
        first = -(-start.timestamp() // 1)
        for second in self.seconds_between(int(first), -int(-end.timestamp() // 1)):
            yield datetime.fromtimestamp(second, UTC)

    def seconds_between(self, start: int, end: int) -> Iterator[int]:
        """`between` on Unix seconds: whole days at once where the zone is quiet, step by step elsewhere."""
        at = start - 1
        while (fire := self.next_second(at)) is not None and fire < end:
            yield fire
            at = fire
            if self.every is None:
                for fire in self._rest_of_quiet_days(at, end):
                    yield fire
                    at = fire

    def _rest_of_quiet_days(self, at: int, end: int) -> Iterator[int]:
        """The fire times after `at` for as long as no change of the offset is within 26 hours."""
        walk = self._walk
        start, stop, offset = walk.zone.span(at)
        stop = min(stop - MARGIN, end)
        if at - start < 2 * _DAY:
            return
        day = civil(at + offset)
        for ordinal in range(day.toordinal(), civil(max(stop, at) + offset).toordinal() + 1):
            day = date.fromordinal(ordinal)
            if walk.date_matches(day):
                base = midnight(day) - offset
                for second in walk.offsets:
                    if base + second >= stop:
                        return
                    if base + second > at:
                        yield base + second

    def previous(self, before: datetime) -> datetime | None:
        """The last fire time earlier than `before`, up to eight years back; None for `@every`."""
        if self.every is not None or not self._walk.possible:
            return None
        limit = -int(-before.timestamp() // 1)
        day = civil(limit + self._walk.zone.offset(limit)) + timedelta(days=1)
        for _ in range(_FAR_BACK):
            if self._walk.date_matches(day) and (found := self._last_of(day, limit)) is not None:
                return datetime.fromtimestamp(found, UTC)
            day -= timedelta(days=1)
        return None

    def _last_of(self, day: date, limit: int) -> int | None:
        """The last fire time of the local `day` before `limit`, walking from three hours before the day."""
        opening = self._walk.zone.resolve(midnight(day))
        fires = self.seconds_between(opening - 10800, min(limit, opening + _DAY + 10800))
        return max(fires, default=None)

    def describe(self) -> str:
        """The schedule in words: `every day at 02:00, Europe/Berlin`."""
        return words.describe(self.parsed, self.zone)

    def explain(self, day: date) -> list[str]:
        """What a change of the clocks does to the fire times of a local `day`; nothing on other days."""
        if self.every is not None or not self._walk.date_matches(day):
            return []
        opening = self._walk.zone.resolve(midnight(day))
        fires = self.seconds_between(opening - 10800, opening + _DAY + 10800)
        walls = [fire + self._walk.zone.offset(fire) - midnight(day) for fire in fires]
        return words.explain(day, self._walk.offsets, walls)


@lru_cache(maxsize=4096)
def _parse(expr: str, zone_name: str) -> Schedule:
    parsed = grammar.parse(expr)
    return Schedule(expr, zone_name, Walk(parsed, zone.load(zone_name)), parsed)


__all__ = ["Schedule"]
