"""A schedule in plain English."""

from collections import Counter
from collections.abc import Sequence
from datetime import date

from kronkeep_common.schedule.grammar import Parsed
from kronkeep_common.text import duration

_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
_LISTED = 4


def describe(parsed: Parsed, zone: str) -> str:
    """One phrase that ends with the zone."""
    if parsed.every is not None:
        return f"every {duration(parsed.every.total_seconds())}"
    fields = (parsed.minutes, parsed.hours, parsed.days, parsed.months, parsed.weekdays)
    if any(not values for values in fields):
        return f"never, {zone}"
    return f"{_times(parsed)}{_dates(parsed)}, {zone}"


def _times(parsed: Parsed) -> str:
    minutes = parsed.minutes
    hours = parsed.hours
    if len(hours) == 24:
        return _every("minute", minutes, 60) or f"at {_list([f':{m:02d}' for m in minutes])} of every hour"
    if len(minutes) * len(hours) <= _LISTED:
        times = _list([f"{h:02d}:{m:02d}" for h in hours for m in minutes])
        return f"every day at {times}" if _every_day(parsed) else f"at {times}"
    phrase = _every("minute", minutes, 60) or f"at {_list([f':{m:02d}' for m in minutes])}"
    return f"{phrase} of the hours {_list([f'{h:02d}' for h in hours])}"


def _dates(parsed: Parsed) -> str:
    days = f"day {_list([str(d) for d in parsed.days])} of the month" if len(parsed.days) < 31 else ""
    weekdays = _list([_DAYS[d] for d in parsed.weekdays]) if len(parsed.weekdays) < 7 else ""
    joined = (" or " if parsed.any_of_days else " that is a ").join(part for part in (days, weekdays) if part)
    if parsed.any_of_days and not (days and weekdays):
        joined = ""  # one of the two takes every day
    months = f" in {_list([_MONTHS[m - 1] for m in parsed.months])}" if len(parsed.months) < 12 else ""
    return (f" on {joined}" if joined else "") + months


def _every_day(parsed: Parsed) -> bool:
    return not _dates(parsed)


def _every(unit: str, values: Sequence[int], whole: int) -> str | None:
    """`every 5 minutes` where the values are all multiples of one step that divides the whole."""
    if len(values) == whole:
        return f"every {unit}"
    step = whole // len(values)
    if step * len(values) == whole and list(values) == list(range(0, whole, step)) and len(values) > 1:
        return f"every {step} {unit}s"
    return None


def _list(parts: Sequence[str]) -> str:
    if len(parts) == 1:
        return parts[0]
    shown = list(parts) if len(parts) <= 8 else [*parts[:6], f"{len(parts) - 7} more", parts[-1]]
    return ", ".join(shown[:-1]) + f" and {shown[-1]}"


def explain(day: date, expected: Sequence[int], actual: Sequence[int]) -> list[str]:
    """The expected times (seconds of the day) that do not come, or come twice, on `day`."""
    counts = Counter(actual)
    found = []
    for second in expected:
        clock = f"{second // 3600:02d}:{second % 3600 // 60:02d}"
        if counts[second] == 0:
            found.append(f"{clock} does not exist on {day}: no run")
        elif counts[second] > 1:
            found.append(f"{clock} occurs twice on {day}: {counts[second]} runs")
    return found
