"""The steps by which the cron library of Kubernetes finds the next fire time, over integer seconds.

robfig/cron v3.0.1 `SpecSchedule.Next` walks month, day, hour, minute forward on local time and wraps to the
top at each carry. Around changes of the offset its answers follow from those very steps (a midnight that
does not exist can cost a whole day's run, a half-hour shift the minute-aligned runs of that day), so they
are repeated here one by one (`exact`). Where no change can touch the steps, plain arithmetic gives the same
answer: both ends on calm days, and every midnight on the way there exactly once.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import date
from functools import lru_cache

from kronkeep_common.schedule.day_masks import LAST_YEAR, YEARS, Days, some_day_exists
from kronkeep_common.schedule.grammar import Parsed
from kronkeep_common.schedule.zone import Calm, Zone

_DAY = 86400
_EPOCH = date(1970, 1, 1).toordinal()
_STEPS = 20_000  # a day loop of five years takes under 2,000; more means a local day that does not exist
_FIRST = -62_135_424_000  # Unix seconds of 0001-01-03, and of 9999-01-01: Python's dates end there
_LAST = 253_370_764_800


def civil(wall: int) -> date:
    """The local date of wall-clock seconds."""
    return date.fromordinal(_EPOCH + wall // _DAY)


def midnight(day: date) -> int:
    """Wall-clock seconds of a local date's 00:00."""
    return (day.toordinal() - _EPOCH) * _DAY


@lru_cache(maxsize=512)
def _clock(hours: tuple[int, ...], minutes: tuple[int, ...]) -> tuple[int, ...]:
    """Seconds of the day, in order; shared, since a schedule of every minute has 1,440."""
    return tuple(hour * 3600 + minute * 60 for hour in hours for minute in minutes)


class Walk:
    """One parsed schedule in one zone; instants are Unix seconds."""

    def __init__(self, parsed: Parsed, zone: Zone) -> None:
        self.zone = zone
        self.days = Days(parsed)
        self.offsets = _clock(parsed.hours, parsed.minutes)
        self.possible = bool(self.offsets) and some_day_exists(parsed)
        self._hours = frozenset(parsed.hours)
        self._minutes = frozenset(parsed.minutes)
        self._latest = self.offsets[-1] if self.offsets else 0
        self._all_months = len(parsed.months) == 12
        self._calm = Calm(0, 0, 0)
        self._matching: int | None = None

    def next(self, after: int, until: int = _LAST) -> int | None:
        """The first fire time later than `after`, as the cron library finds it; None for never.

        One that is later than `until` may be None too.
        """
        if not self.possible:
            return None
        instant = max(after + 1, _FIRST)
        if instant > _LAST:
            return None
        calm = self._calm
        if not calm.start <= instant < calm.end:  # mostly they are those of the question before
            found_calm = self.zone.calm(instant)
            if found_calm is None:
                return self.exact(instant - 1)
            calm = self._calm = found_calm
        offset = calm.offset
        ordinal, second = divmod(instant + offset, _DAY)
        ordinal += _EPOCH
        found: int | None = ordinal
        if ordinal != self._matching or second > self._latest:
            found = self._matching = self.days.first(ordinal, second > self._latest)
        if found is None:
            return None
        offsets = self.offsets
        wall = (found - _EPOCH) * _DAY + offsets[bisect_left(offsets, second) if found == ordinal else 0]
        if wall - offset < calm.end and (self._all_months or self._plain(instant, offset, instant)):
            return wall - offset
        return None if wall - offset - 2 * _DAY > until else self._beyond(instant, wall, offset)

    def _beyond(self, instant: int, wall: int, offset: int) -> int | None:
        """The fire at `wall`, past a change of `offset`; step by step where that change can be felt."""
        opening = wall // _DAY * _DAY
        calm = self.zone.calm(opening - offset) or self.zone.calm(self.zone.resolve(opening))
        if (
            calm is None
            or not calm.start <= opening - calm.offset
            or not wall - calm.offset < calm.end
            or not self._plain(instant, offset, wall - calm.offset)
        ):
            return self.exact(instant - 1)
        return wall - calm.offset

    def _plain(self, instant: int, offset: int, target: int) -> bool:
        """Whether all midnights of the walk are there, from the first of a month that does not match on."""
        if not self._all_months:
            day = civil(instant + offset)
            if day.month not in self.days.months:
                instant = self.zone.resolve(midnight(day.replace(day=1)))
        return self.zone.settled(instant, target)

    def rest(self, after: int, end: int) -> Iterator[int]:
        """The fire times in (after, end) for as long as the calm days around `after` last; perhaps none."""
        calm = self.zone.calm(after)
        if calm is None:
            return
        end = min(end, calm.end)
        today = (after + calm.offset) // _DAY
        last = (end - 1 + calm.offset) // _DAY
        for ordinal in self.days.within(today + _EPOCH, last + _EPOCH + 1):
            base = (ordinal - _EPOCH) * _DAY - calm.offset
            first = bisect_right(self.offsets, after - base) if base <= after else 0
            stop = bisect_left(self.offsets, end - base) if end - base < _DAY else len(self.offsets)
            for second in self.offsets[first:stop] if first or stop < len(self.offsets) else self.offsets:
                yield base + second

    def last(self, before: int) -> int | None:
        """The last fire time earlier than `before`, up to eight years back."""
        if not self.possible or not _FIRST < before < _LAST:
            return None
        ordinal = civil(before + self.zone.offset(before)).toordinal() + 1
        while (found := self.days.last(ordinal)) is not None:
            fires = self.on(date.fromordinal(found), before)
            if fires:
                return fires[-1]
            ordinal = found - 1
        return None

    def on(self, day: date, end: int) -> list[int]:
        """The fire times of the local `day` before `end`, and any others in the three hours around it."""
        wall = midnight(day)
        opening = self.zone.resolve(wall)
        calm = self.zone.calm(opening)
        # The day before must be calm too: a half-hour change can cost the fires of the midnight after it.
        if calm is not None and calm.start <= opening - _DAY and opening + _DAY <= calm.end:
            return [opening + second for second in self.offsets[: bisect_left(self.offsets, end - opening)]]
        fires = []
        fire = self.next(opening - _DAY - 10801)
        while fire is not None and fire < min(end, opening + _DAY + 10800):
            fires.append(fire)
            fire = self.next(fire)
        return [fire for fire in fires if fire >= opening - 10800]

    def exact(self, after: int) -> int | None:
        """robfig's own walk, step by step."""
        zone = self.zone
        t = after + 1
        added = False
        limit = min(civil(t + zone.offset(t)).year + YEARS, LAST_YEAR)
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
                if (t + zone.offset(t)) % 60 == 0:
                    return t
                added = True
                while (t + zone.offset(t)) % 60:  # one by one: the offset's seconds may change on the way
                    t += 1
        return None

    def _month(self, t: int, added: bool) -> tuple[int, bool, bool]:
        wall = t + self.zone.offset(t)
        while civil(wall).month not in self.days.months:
            if not added:
                added = True
                t, wall = self._settle(midnight(civil(wall).replace(day=1)))
            day = civil(wall)
            following = date(day.year + day.month // 12, day.month % 12 + 1, 1)
            t, wall = self._settle(midnight(following) + (day.day - 1) * _DAY + wall % _DAY)
            if civil(wall).month == 1:
                return t, added, True
        return t, added, False

    def _settle(self, wall: int) -> tuple[int, int]:
        """The instant that Go's Date gives for `wall`, and the wall clock there."""
        instant = self.zone.resolve(wall)
        return instant, instant + self.zone.offset(instant)

    def _day(self, t: int, added: bool) -> tuple[int, bool, bool]:
        wall = t + self.zone.offset(t)
        for _ in range(_STEPS):
            if self.days.in_week_or_month(civil(wall)):
                return t, added, False
            if not added:
                added = True
                wall = self._settle(midnight(civil(wall)))[1]
            t, wall = self._settle(wall + _DAY)
            hour = wall % _DAY // 3600
            if hour:
                t += (24 - hour) * 3600 if hour > 12 else -hour * 3600
                wall = t + self.zone.offset(t)
            if civil(wall).day == 1:
                return t, added, True
        return t + _DAY, added, True

    def _hour(self, t: int, added: bool) -> tuple[int, bool, bool]:
        wall = t + self.zone.offset(t)
        while wall % _DAY // 3600 not in self._hours:
            if not added:
                added = True
                t = self._settle(wall - wall % 3600)[0]
            t += 3600
            wall = t + self.zone.offset(t)
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
