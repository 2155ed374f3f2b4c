"""A schedule in plain English."""

from collections import Counter
from collections.abc import Sequence
from datetime import date

from kronkeep_common.schedule.grammar import ParsedSchedule
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


def describe(parsed: ParsedSchedule, zone: str) -> str:
    """Describe a schedule in one phrase that ends with its time zone."""
    if parsed.every is not None:
        return f"every {duration(parsed.every.total_seconds())}"
    fields = (parsed.minutes, parsed.hours, parsed.days, parsed.months, parsed.weekdays)
    if any(not values for values in fields):
        return f"never, {zone}"
    return f"{_describe_times(parsed)}{_describe_dates(parsed)}, {zone}"


def _describe_times(parsed: ParsedSchedule) -> str:
    minutes = parsed.minutes
    hours = parsed.hours
    if len(hours) == 24:
        return (
            _describe_step("minute", minutes, 60)
            or f"at {_join([f':{m:02d}' for m in minutes])} of every hour"
        )
    if len(minutes) * len(hours) <= _LISTED:
        times = _join([f"{h:02d}:{m:02d}" for h in hours for m in minutes])
        return f"every day at {times}" if _is_every_day(parsed) else f"at {times}"
    phrase = _describe_step("minute", minutes, 60) or f"at {_join([f':{m:02d}' for m in minutes])}"
    return f"{phrase} of the hours {_join([f'{h:02d}' for h in hours])}"


def _describe_dates(parsed: ParsedSchedule) -> str:
    days = f"day {_join([str(d) for d in parsed.days])} of the month" if len(parsed.days) < 31 else ""
    weekdays = _join([_DAYS[d] for d in parsed.weekdays]) if len(parsed.weekdays) < 7 else ""
    joined = (" or " if parsed.any_of_days else " that is a ").join(part for part in (days, weekdays) if part)
    if parsed.any_of_days and not (days and weekdays):
        joined = ""  # one of the two matches every day
    months = f" in {_join([_MONTHS[m - 1] for m in parsed.months])}" if len(parsed.months) < 12 else ""
    return (f" on {joined}" if joined else "") + months


def _is_every_day(parsed: ParsedSchedule) -> bool:
    return not _describe_dates(parsed)


def _describe_step(unit: str, values: Sequence[int], whole: int) -> str | None:
    """Return `every 5 minutes` where the values are all multiples of a step that divides the whole."""
    if len(values) == whole:
        return f"every {unit}"
    step = whole // len(values)
    if step * len(values) == whole and list(values) == list(range(0, whole, step)) and len(values) > 1:
        return f"every {step} {unit}s"
    return None


def _join(parts: Sequence[str]) -> str:
    if len(parts) == 1:
        return parts[0]
    shown = list(parts) if len(parts) <= 8 else [*parts[:6], f"{len(parts) - 7} more", parts[-1]]
    return ", ".join(shown[:-1]) + f" and {shown[-1]}"


def explain_clock_change(day: date, expected: Sequence[int], actual: Sequence[int]) -> list[str]:
    """Describe the expected times (seconds of the day) that do not occur, or occur twice, on `day`."""
    counts = Counter(actual)
    sentences = []
    for second in expected:
        clock = f"{second // 3600:02d}:{second % 3600 // 60:02d}"
        if counts[second] == 0:
            sentences.append(f"{clock} does not exist on {day}: no run")
        elif counts[second] > 1:
            sentences.append(f"{clock} occurs twice on {day}: {counts[second]} runs")
    return sentences
