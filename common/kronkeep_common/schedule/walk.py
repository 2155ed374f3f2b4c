"""The steps by which the cron library of Kubernetes finds the next fire time, over integer seconds.

robfig/cron v3.0.1 `SpecSchedule.Next` walks month, day, hour, minute forward on local time and wraps to the
top at each carry. Around changes of the offset its answers follow from those very steps (a midnight that
does not exist can cost a whole day's run, a half-hour shift the minute-aligned runs of that day), so they
are repeated here one by one; `fast` answers where no change of the offset can be met on the way.
"""

from bisect import bisect_left
from datetime import date

from kronkeep_common.schedule.grammar import Parsed
from kronkeep_common.schedule.zone import Zone

_DAY = 86400
_EPOCH = date(1970, 1, 1).toordinal()
MARGIN = 26 * 3600  # wider than any change of an offset (Pacific/Apia moved by 24 h)
_YEARS = 5  # robfig gives up in the fifth calendar year after the start
_STEPS = 20_000  # a day loop of five years takes under 2,000; more means a local day that does not exist


def civil(wall: int) -> date:
    """The local date of wall-clock seconds."""
    return date.fromordinal(_EPOCH + wall // _DAY)


def midnight(day: date) -> int:
    """Wall-clock seconds of a local date's 00:00."""
    return (day.toordinal() - _EPOCH) * _DAY


class Walk:
    """One parsed schedule in one zone; instants are Unix seconds."""

    def __init__(self, parsed: Parsed, zone: Zone) -> None:
        self.zone = zone
        self._months = frozenset(parsed.months)
        self._days = frozenset(parsed.days)
        self._weekdays = frozenset(parsed.weekdays)
        self._any = parsed.any_of_days
        self._hours = frozenset(parsed.hours)
        self._minutes = frozenset(parsed.minutes)
        self.offsets = tuple(hour * 3600 + minute * 60 for hour in parsed.hours for minute in parsed.minutes)
        self.possible = bool(self.offsets) and self._some_day_exists()

    def _some_day_exists(self) -> bool:
        """Whether any date of a leap year matches; `0 0 30 2 *` has none."""
        if not self._months or not (
            (self._days and self._weekdays) or (self._any and (self._days or self._weekdays))
        ):
            return False
        if self._any and self._weekdays:
            return True
        longest = {
            month: 29 if month == 2 else 30 if month in (4, 6, 9, 11) else 31 for month in self._months
        }
        return any(day <= length for length in longest.values() for day in self._days)

    def day_matches(self, day: date) -> bool:
        """Whether the schedule's day fields take `day` (months not considered)."""
        in_month = day.day in self._days
        in_week = day.isoweekday() % 7 in self._weekdays
        return (in_month or in_week) if self._any else (in_month and in_week)

    def date_matches(self, day: date) -> bool:
        """Whether month and day fields take `day`."""
        return day.month in self._months and self.day_matches(day)

    def next(self, after: int) -> int | None:
        """The first fire time later than `after`, as the cron library finds it; None for never."""
        if not self.possible:
            return None
        found = self._fast(after + 1)
        return self.exact(after) if found is None else found

    def _fast(self, instant: int) -> int | None:
        """Plain arithmetic, or None when a change of the offset is near enough to matter."""
        start, end, offset = self.zone.span(instant)
        wall = instant + offset
        day = civil(wall)
        found = self._same_day(day, wall)
        if found is not None:
            quiet = instant - start > MARGIN and end - (found - offset) > MARGIN
            return found - offset if quiet else None
        back = midnight(day if day.month in self._months else day.replace(day=1)) - offset
        if back - start < MARGIN:
            return None
        return self._later_day(day, offset, end - MARGIN)

    def _same_day(self, day: date, wall: int) -> int | None:
        if not self.date_matches(day):
            return None
        base = midnight(day)
        index = bisect_left(self.offsets, wall - base)
        return base + self.offsets[index] if index < len(self.offsets) else None

    def _later_day(self, day: date, offset: int, limit: int) -> int | None:
        ordinal = day.toordinal() + 1
        last = (limit + offset) // _DAY + _EPOCH
        while ordinal <= last:
            day = date.fromordinal(ordinal)
            if day.month not in self._months:
                following = date(day.year + day.month // 12, day.month % 12 + 1, 1)
                ordinal = following.toordinal()
                continue
            if self.day_matches(day):
                found = (ordinal - _EPOCH) * _DAY + self.offsets[0] - offset
                return found if found < limit else None
            ordinal += 1
        return None

    def exact(self, after: int) -> int | None:
        """robfig's own walk, step by step."""
        zone = self.zone
        t = after + 1
        added = False
        limit = civil(t + zone.offset(t)).year + _YEARS
        for _ in range(_STEPS):
            day = civil(t + zone.offset(t))
            if day.year > limit:
                return None
            t, added, wrapped = self._month(t, added)
            if not wrapped:
                t, added, wrapped = self._day(t, added)
            if not wrapped:
                t, added, wrapped = self._hour(t, added)
            if not wrapped:
                t, added, wrapped = self._minute(t, added)
            if not wrapped:
                second = (t + zone.offset(t)) % 60
                if second == 0:
                    return t
                added = True
                t += 60 - second
        return None

    def _month(self, t: int, added: bool) -> tuple[int, bool, bool]:
        zone = self.zone
        wall = t + zone.offset(t)
        while civil(wall).month not in self._months:
            if not added:
                added = True
                wall = self._settle(midnight(civil(wall).replace(day=1)))
            day = civil(wall)
            following = date(day.year + day.month // 12, day.month % 12 + 1, 1)
            wall = self._settle(midnight(following) + (day.day - 1) * _DAY + wall % _DAY)
            if civil(wall).month == 1:
                return self._instant, added, True
            t = self._instant
        return t, added, False

    def _settle(self, wall: int) -> int:
        """The wall clock that Go's Date gives for `wall`; its instant is left in `_instant`."""
        self._instant = self.zone.resolve(wall)
        return self._instant + self.zone.offset(self._instant)

    def _day(self, t: int, added: bool) -> tuple[int, bool, bool]:
        zone = self.zone
        wall = t + zone.offset(t)
        for _ in range(_STEPS):
            if self.day_matches(civil(wall)):
                return t, added, False
            if not added:
                added = True
                wall = self._settle(midnight(civil(wall)))
            wall = self._settle(wall + _DAY)
            t = self._instant
            hour = wall % _DAY // 3600
            if hour:
                t += (24 - hour) * 3600 if hour > 12 else -hour * 3600
                wall = t + zone.offset(t)
            if civil(wall).day == 1:
                return t, added, True
        return t + _DAY, added, True

    def _hour(self, t: int, added: bool) -> tuple[int, bool, bool]:
        zone = self.zone
        wall = t + zone.offset(t)
        while wall % _DAY // 3600 not in self._hours:
            if not added:
                added = True
                self._settle(wall - wall % 3600)
                t = self._instant
            t += 3600
            wall = t + zone.offset(t)
            if wall % _DAY // 3600 == 0:
                return t, added, True
        return t, added, False

    def _minute(self, t: int, added: bool) -> tuple[int, bool, bool]:
        zone = self.zone
        while (t + zone.offset(t)) % 3600 // 60 not in self._minutes:
            if not added:
                added = True
                t -= t % 60
            t += 60
            if (t + zone.offset(t)) % 3600 // 60 == 0:
                return t, added, True
        return t, added, False
