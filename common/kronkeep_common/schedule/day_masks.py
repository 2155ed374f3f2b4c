"""Which days a schedule takes, as bit masks of whole months, so that days between two fires cost nothing.

Days are proleptic Gregorian ordinals, as `datetime.date.toordinal` counts them; ordinal % 7 is 0 on a Sunday.
"""

from collections.abc import Iterator
from datetime import date
from functools import lru_cache

from kronkeep_common.schedule.grammar import Parsed

YEARS = 5  # robfig gives up after the fifth calendar year that follows the start's
LAST_YEAR = 9998  # a fire in it can still be shown in every zone
_BACK = 8  # calendar years; two 29 Februaries are as far apart around 2100
_LENGTHS = (31, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)  # by month; [0] is the December before


class Days:
    """The matching days of one schedule; bit d-1 of a mask stands for day d of its month."""

    def __init__(self, parsed: Parsed) -> None:
        self.months = frozenset(parsed.months)
        self._masks = _masks(parsed.days, parsed.weekdays, parsed.any_of_days)

    def __contains__(self, day: date) -> bool:
        """Whether month and day fields take `day`."""
        return day.month in self.months and self.in_week_or_month(day)

    def in_week_or_month(self, day: date) -> bool:
        """Whether the day fields take `day`, months not considered."""
        first = day.toordinal() - day.day + 1
        return bool(self._masks[first % 7] >> (day.day - 1) & 1)

    def first(self, ordinal: int, skipped: int = 0) -> int | None:
        """The first matching day from `ordinal` + `skipped` (0 or 1) on; None when there is none in YEARS."""
        day = date.fromordinal(ordinal)
        year = day.year
        month = day.month
        first = ordinal - day.day + 1
        past = day.day - 1 + skipped
        last_year = min(year + YEARS, LAST_YEAR)
        while True:
            length = 29 if month == 2 and _leap(year) else _LENGTHS[month]
            if month in self.months and (bits := self._masks[first % 7] >> past):
                found = first + past + (bits & -bits).bit_length() - 1
                if found < first + length:
                    return found
            first += length
            past = 0
            month += 1
            if month == 13:
                month = 1
                year = year + 1
                if year > last_year:
                    return None

    def last(self, ordinal: int) -> int | None:
        """The last matching day up to `ordinal`, at most eight calendar years back."""
        day = date.fromordinal(ordinal)
        year = day.year
        month = day.month
        until = day.day
        first = ordinal - until + 1
        first_year = max(1, year - _BACK)
        while True:
            if month in self.months and (bits := self._masks[first % 7] & ((1 << until) - 1)):
                return first + bits.bit_length() - 1
            month -= 1
            if month == 0:
                month = 12
                year = year - 1
                if year < first_year:
                    return None
            until = 29 if month == 2 and _leap(year) else _LENGTHS[month]
            first -= until

    def within(self, ordinal: int, end: int) -> Iterator[int]:
        """Every matching day from `ordinal` up to, not including, `end`."""
        day = date.fromordinal(ordinal)
        year = day.year
        month = day.month
        past = day.day - 1
        first = ordinal - past
        while first < end:
            length = 29 if month == 2 and _leap(year) else _LENGTHS[month]
            bits = self._masks[first % 7] >> past << past if month in self.months else 0
            bits &= (1 << min(length, end - first)) - 1
            while bits:
                lowest = bits & -bits
                yield first + lowest.bit_length() - 1
                bits ^= lowest
            first = first + length
            past = 0
            month, year = (1, year + 1) if month == 12 else (month + 1, year)


@lru_cache(maxsize=512)
def _masks(days: tuple[int, ...], weekdays: tuple[int, ...], any_of_days: bool) -> tuple[int, ...]:
    """The days of a month of 31, by its first day (0 Sunday); shared, since most schedules take every day."""
    in_month = sum(1 << day - 1 for day in days)
    in_week = [sum(1 << day for day in range(31) if (first + day) % 7 in weekdays) for first in range(7)]
    return tuple(in_month | week if any_of_days else in_month & week for week in in_week)


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def some_day_exists(parsed: Parsed) -> bool:
    """Whether any day of a leap year matches; `0 0 30 2 *` has none."""
    days = Days(parsed)
    return days.first(date(2024, 1, 1).toordinal()) is not None
