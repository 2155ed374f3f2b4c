"""The search for the next fire time, with the results of Kubernetes' cron library, over Unix seconds.

robfig/cron v3.0.1 `SpecSchedule.Next` advances month, day, hour and minute on local time, and starts over at
each carry. Around clock changes its results depend on those very steps: a midnight that does not exist can
cost a whole day's runs, a change by half an hour the runs of that day. There `next_fire_stepwise` takes the
same steps. Elsewhere arithmetic gives the same result: where both ends of the search are in calm periods
(`zone.CalmPeriod`), and every midnight between them occurs exactly once.

*Wall-clock seconds* are an instant plus its offset from UTC: the local time as if it were UTC.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import date
from functools import lru_cache

from kronkeep_common.schedule.day_masks import LAST_YEAR, YEARS, DayMasks, some_day_exists
from kronkeep_common.schedule.grammar import ParsedSchedule
from kronkeep_common.schedule.zone import CalmPeriod, Zone

_DAY = 86400
_EPOCH = date(1970, 1, 1).toordinal()
_STEPS = 20_000  # five years of days take under 2,000 steps; more means a local day that does not exist
_FIRST = -62_135_424_000  # 0001-01-03 in Unix seconds: Python's dates begin there
_LAST = 253_370_764_800  # 9999-01-01: they end there


def local_date(wall: int) -> date:
    """Return the local date of wall-clock seconds."""
    return date.fromordinal(_EPOCH + wall // _DAY)


def midnight_wall(day: date) -> int:
    """Return the wall-clock seconds of a local date's 00:00."""
    return (day.toordinal() - _EPOCH) * _DAY


@lru_cache(maxsize=512)
def _times_of_day(hours: tuple[int, ...], minutes: tuple[int, ...]) -> tuple[int, ...]:
    """Return seconds of the day, in order; cached, since a schedule of every minute has 1,440."""
    return tuple(hour * 3600 + minute * 60 for hour in hours for minute in minutes)


class FireSearch:
    """The fire times of one parsed schedule in one zone; instants are Unix seconds."""

    def __init__(self, parsed: ParsedSchedule, zone: Zone) -> None:
        self.zone = zone
        self.days = DayMasks(parsed)
        self.times_of_day = _times_of_day(parsed.hours, parsed.minutes)
        self.possible = bool(self.times_of_day) and some_day_exists(parsed)
        self._hours = frozenset(parsed.hours)
        self._minutes = frozenset(parsed.minutes)
        self._latest = self.times_of_day[-1] if self.times_of_day else 0
        self._all_months = len(parsed.months) == 12
        self._calm = CalmPeriod(0, 0, 0)
        self._matching_day: int | None = None

    def next_fire(self, after: int, until: int = _LAST) -> int | None:
        """Return the first fire time later than `after`; None where there is none within five years.

        A fire time later than `until` may be left out, too, which spares the search around a clock change.
        """
        if not self.possible:
            return None
        instant = max(after + 1, _FIRST)
        if instant > _LAST:
            return None
        # Callers ask for one fire after the other, so the calm period and the matching day of the last
        # search are kept: most searches then need one bisection only.
        calm = self._calm
        if not calm.start <= instant < calm.end:
            found_calm = self.zone.calm_period(instant)
            if found_calm is None:
                return self.next_fire_stepwise(instant - 1)
            calm = self._calm = found_calm
        offset = calm.offset
        today, second = divmod(instant + offset, _DAY)
        today += _EPOCH
        day: int | None = today
        if today != self._matching_day or second > self._latest:
            day = self._matching_day = self.days.first_day(today, second > self._latest)
        if day is None:
            return None
        times = self.times_of_day
        # Today the first time from `second` on; on a later day the first time of all.
        wall = (day - _EPOCH) * _DAY + times[bisect_left(times, second) if day == today else 0]
        # The result stands where it lies in the same calm period. With a month field the library first
        # goes back to the first of the month, which must not lie behind an irregular change.
        if wall - offset < calm.end and (
            self._all_months or self._has_regular_midnights(instant, offset, instant)
        ):
            return wall - offset
        # Beyond the calm period offsets differ by less than two days.
        return None if wall - offset - 2 * _DAY > until else self._fire_after_change(instant, wall, offset)

    def _fire_after_change(self, instant: int, wall: int, offset: int) -> int | None:
        """Return the fire at `wall`, after a clock change; stepwise where the change has an effect on it."""
        opening = wall // _DAY * _DAY
        calm = self.zone.calm_period(opening - offset) or self.zone.calm_period(self.zone.instant_of(opening))
        if (
            calm is None
            or not calm.start <= opening - calm.offset
            or not wall - calm.offset < calm.end
            or not self._has_regular_midnights(instant, offset, wall - calm.offset)
        ):
            return self.next_fire_stepwise(instant - 1)
        return wall - calm.offset

    def _has_regular_midnights(self, instant: int, offset: int, target: int) -> bool:
        """Whether every midnight that the library would pass on its way to `target` occurs once.

        In a month that does not match, it first goes back to the first of that month.
        """
        if not self._all_months:
            day = local_date(instant + offset)
            if day.month not in self.days.months:
                instant = self.zone.instant_of(midnight_wall(day.replace(day=1)))
        return self.zone.has_regular_midnights(instant, target)

    def fires_in_calm_period(self, after: int, end: int) -> Iterator[int]:
        """Yield the fire times in (after, end) up to the end of the calm period around `after`."""
        calm = self.zone.calm_period(after)
        if calm is None:
            return
        end = min(end, calm.end)
        today = (after + calm.offset) // _DAY
        last = (end - 1 + calm.offset) // _DAY
        for ordinal in self.days.days_between(today + _EPOCH, last + _EPOCH + 1):
            base = (ordinal - _EPOCH) * _DAY - calm.offset
            times = self.times_of_day
            if base <= after or end - base < _DAY:  # the first and the last day
                times = times[bisect_right(times, after - base) : bisect_left(times, end - base)]
            for second in times:
                yield base + second

    def previous_fire(self, before: int) -> int | None:
        """Return the last fire time earlier than `before`, up to eight years back."""
        if not self.possible or not _FIRST < before < _LAST:
            return None
        ordinal = local_date(before + self.zone.offset(before)).toordinal() + 1
        while (day := self.days.last_day(ordinal)) is not None:
            fires = self.fires_on(date.fromordinal(day), before)
            if fires:
                return fires[-1]
            ordinal = day - 1
        return None

    def fires_on(self, day: date, end: int) -> list[int]:
        """Return the fire times of a local day before `end`, and any in the three hours around the day."""
        wall = midnight_wall(day)
        opening = self.zone.instant_of(wall)
        calm = self.zone.calm_period(opening)
        # The day before must be calm too: a half-hour change can cost the fires of the midnight after it.
        if calm is not None and calm.start <= opening - _DAY and opening + _DAY <= calm.end:
            times = self.times_of_day[: bisect_left(self.times_of_day, end - opening)]
            return [opening + second for second in times]
        fires = []
        fire = self.next_fire(opening - _DAY - 10801)
        while fire is not None and fire < min(end, opening + _DAY + 10800):
            fires.append(fire)
            fire = self.next_fire(fire)
        return [fire for fire in fires if fire >= opening - 10800]

    def next_fire_stepwise(self, after: int) -> int | None:
        """Return the first fire time later than `after` by the very steps of robfig/cron.

        `added` and the early returns are the library's: it sets the lower fields to zero only once, and
        starts over with the month after each carry into a higher field.
        """
        zone = self.zone
        t = after + 1
        added = False
        limit = min(local_date(t + zone.offset(t)).year + YEARS, LAST_YEAR)
        for _ in range(_STEPS):
            day = local_date(t + zone.offset(t))
            if day.year > limit:
                return None
            t, added, wrapped = self._advance_month(t, added)
            if not wrapped:
                t, added, wrapped = self._advance_day(t, added)
            if not wrapped:
                t, added, wrapped = self._advance_hour(t, added)
            if not wrapped:
                t, added, wrapped = self._advance_minute(t, added)
            if not wrapped:
                if (t + zone.offset(t)) % 60 == 0:
                    return t
                added = True
                while (t + zone.offset(t)) % 60:  # one by one: the offset's seconds may change on the way
                    t += 1
        return None

    def _advance_month(self, t: int, added: bool) -> tuple[int, bool, bool]:
        wall = t + self.zone.offset(t)
        while local_date(wall).month not in self.days.months:
            if not added:
                added = True
                t, wall = self._resolve(midnight_wall(local_date(wall).replace(day=1)))
            day = local_date(wall)
            following = date(day.year + day.month // 12, day.month % 12 + 1, 1)
            t, wall = self._resolve(midnight_wall(following) + (day.day - 1) * _DAY + wall % _DAY)
            if local_date(wall).month == 1:
                return t, added, True
        return t, added, False

    def _resolve(self, wall: int) -> tuple[int, int]:
        """Return the instant that Go's `time.Date` gives for `wall`, and the wall-clock seconds there."""
        instant = self.zone.instant_of(wall)
        return instant, instant + self.zone.offset(instant)

    def _advance_day(self, t: int, added: bool) -> tuple[int, bool, bool]:
        wall = t + self.zone.offset(t)
        for _ in range(_STEPS):
            if self.days.matches_day_fields(local_date(wall)):
                return t, added, False
            if not added:
                added = True
                wall = self._resolve(midnight_wall(local_date(wall)))[1]
            t, wall = self._resolve(wall + _DAY)
            hour = wall % _DAY // 3600
            if hour:
                t += (24 - hour) * 3600 if hour > 12 else -hour * 3600
                wall = t + self.zone.offset(t)
            if local_date(wall).day == 1:
                return t, added, True
        return t + _DAY, added, True

    def _advance_hour(self, t: int, added: bool) -> tuple[int, bool, bool]:
        wall = t + self.zone.offset(t)
        while wall % _DAY // 3600 not in self._hours:
            if not added:
                added = True
                t = self._resolve(wall - wall % 3600)[0]
            t += 3600
            wall = t + self.zone.offset(t)
            if wall % _DAY // 3600 == 0:
                return t, added, True
        return t, added, False

    def _advance_minute(self, t: int, added: bool) -> tuple[int, bool, bool]:
        zone = self.zone
        while (t + zone.offset(t)) % 3600 // 60 not in self._minutes:
            if not added:
                added = True
                t -= t % 60
            t += 60
            if (t + zone.offset(t)) % 3600 // 60 == 0:
                return t, added, True
        return t, added, False
