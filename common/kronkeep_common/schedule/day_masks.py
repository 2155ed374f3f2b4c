"""The days on which a schedule fires, as bit masks of months, so that days between two fires cost nothing.

Days are proleptic Gregorian ordinals, as `datetime.date.toordinal` counts them; ordinal % 7 is 0 on a Sunday.
"""

from collections.abc import Iterator
from datetime import date
from functools import lru_cache

from kronkeep_common.schedule.grammar import ParsedSchedule

YEARS = 5  # robfig/cron searches to the end of the fifth calendar year after the start's
LAST_YEAR = 9998  # a fire in it can still be shown in every zone
_YEARS_BACK = 8  # two 29 Februaries can be that far apart, around 2100
_LENGTHS = (31, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)  # by month; [0] is the December before


class DayMasks:
    """The days of one schedule; bit d-1 of a mask stands for day d of its month."""

    def __init__(self, parsed: ParsedSchedule) -> None:
        self.months = frozenset(parsed.months)
        self._masks = _month_masks(parsed.days, parsed.weekdays, parsed.any_of_days)

    def __contains__(self, day: date) -> bool:
        """Whether the month and day fields match `day`."""
        return day.month in self.months and self.matches_day_fields(day)

    def matches_day_fields(self, day: date) -> bool:
        """Whether the two day fields match `day`, whatever its month."""
        first = day.toordinal() - day.day + 1
        return bool(self._masks[first % 7] >> (day.day - 1) & 1)

    def first_day(self, ordinal: int, skipped: int = 0) -> int | None:
        """Return the first matching day from `ordinal` + `skipped` (0 or 1) on; None without one in YEARS."""
        day = date.fromordinal(ordinal)
        year = day.year
        month = day.month
        first = ordinal - day.day + 1
        past = day.day - 1 + skipped
        last_year = min(year + YEARS, LAST_YEAR)
        while True:
            length = 29 if month == 2 and _is_leap_year(year) else _LENGTHS[month]
            if month in self.months and (bits := self._masks[first % 7] >> past):
                match = first + past + (bits & -bits).bit_length() - 1
                if match < first + length:
                    return match
            first += length
            past = 0
            month += 1
            if month == 13:
                month = 1
                year = year + 1
                if year > last_year:
                    return None

    def last_day(self, ordinal: int) -> int | None:
        """Return the last matching day up to `ordinal`, at most eight calendar years back."""
        day = date.fromordinal(ordinal)
        year = day.year
        month = day.month
        until = day.day
        first = ordinal - until + 1
        first_year = max(1, year - _YEARS_BACK)
        while True:
            if month in self.months and (bits := self._masks[first % 7] & ((1 << until) - 1)):
                return first + bits.bit_length() - 1
            month -= 1
            if month == 0:
                month = 12
                year = year - 1
                if year < first_year:
                    return None
            until = 29 if month == 2 and _is_leap_year(year) else _LENGTHS[month]
            first -= until

    def days_between(self, ordinal: int, end: int) -> Iterator[int]:
        """Yield every matching day of [ordinal, end)."""
        day = date.fromordinal(ordinal)
        year = day.year
        month = day.month
        past = day.day - 1
        first = ordinal - past
        while first < end:
            length = 29 if month == 2 and _is_leap_year(year) else _LENGTHS[month]
            bits = self._masks[first % 7] >> past << past if month in self.months else 0
            bits &= (1 << min(length, end - first)) - 1
            while bits:
                lowest = bits & -bits
                yield first + lowest.bit_length() - 1
                bits ^= lowest
            first = first + length
            past = 0
            month += 1
            if month == 13:
                month = 1
                year += 1


@lru_cache(maxsize=512)
def _month_masks(days: tuple[int, ...], weekdays: tuple[int, ...], any_of_days: bool) -> tuple[int, ...]:
    """Return the mask of a month of 31 days for each weekday (0 Sunday) that it may begin with.

    Cached, since most schedules fire on every day.
    """
    in_month = sum(1 << day - 1 for day in days)
    in_week = [sum(1 << day for day in range(31) if (first + day) % 7 in weekdays) for first in range(7)]
    return tuple(in_month | week if any_of_days else in_month & week for week in in_week)


def _is_leap_year(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def some_day_exists(parsed: ParsedSchedule) -> bool:
    """Whether the schedule matches any day; `0 0 30 2 *` matches none."""
    days = DayMasks(parsed)
    return days.first_day(date(2024, 1, 1).toordinal()) is not None
