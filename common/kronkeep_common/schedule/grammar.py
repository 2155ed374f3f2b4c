"""The grammar of a CronJob's schedule: what Kubernetes 1.36 accepts (robfig/cron v3.0.1 `ParseStandard`).

Exactly five fields (minute, hour, day of month, month, day of week) separated by Unicode white space, or one
descriptor. A field is a comma list of `*`, `?`, n, n-m, each with an optional `/step`. Items are parsed here,
since croniter has another grammar (7 as Sunday, wrapping ranges, L, W, #, R, and `5-5` as the whole field);
each item is then written as a plain list or range, which croniter expands.
"""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from kronkeep_common.errors import InvalidSchedule
from kronkeep_common.schedule.go_duration import parse_go_duration
from kronkeep_common.text import clean

# Go's unicode.IsSpace; str.split() would also split at U+001C..U+001F.
_SPACE = re.compile("[\t\n\v\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")
_INTEGER = re.compile(r"[+-]?[0-9]+")
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_LARGEST = 2**63 - 1  # Go's int
DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


class FieldBounds(NamedTuple):
    """The name of a field in messages, its lowest and highest value, and the names of values."""

    name: str
    low: int
    high: int
    names: dict[str, int]


FIELDS = (
    FieldBounds(name="minute", low=0, high=59, names={}),
    FieldBounds(name="hour", low=0, high=23, names={}),
    FieldBounds(name="day of month", low=1, high=31, names={}),
    FieldBounds(name="month", low=1, high=12, names={name: i for i, name in enumerate(_MONTHS, 1)}),
    FieldBounds(name="day of week", low=0, high=6, names={name: i for i, name in enumerate(_DAYS)}),
)


class ParsedSchedule(NamedTuple):
    """The values of the five fields, sorted; or, for `@every`, the interval `every` and empty fields.

    `any_of_days`: a day needs to match only one of the two day fields. This is so where neither has a star
    (robfig/cron's star bit).
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    any_of_days: bool
    every: timedelta | None


def parse_schedule(expr: str) -> ParsedSchedule:
    """Parse a cron expression; raise InvalidSchedule, which names the field and the fault."""
    if "TZ" in expr:
        upstream = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        raise _schedule_error(
            expr, "a zone inside the schedule is not allowed; use the time zone field", upstream
        )
    if not expr:
        raise _schedule_error(expr, "it is empty", "empty spec string")
    if expr.startswith("@"):
        return _parse_descriptor(expr)
    words = [word for word in _SPACE.split(expr) if word]
    if len(words) != 5:
        upstream = f"expected exactly 5 fields, found {len(words)}: [{' '.join(words)}]"
        raise _schedule_error(expr, f"expected 5 fields, found {len(words)}", upstream)
    return _parse_fields(expr, words)


def _parse_descriptor(expr: str) -> ParsedSchedule:
    if expr in DESCRIPTORS:
        return _parse_fields(expr, DESCRIPTORS[expr].split(" "))
    if expr.startswith("@every "):
        nanoseconds = parse_go_duration(expr.removeprefix("@every "))
        if nanoseconds is None:
            upstream = (
                f'failed to parse duration {expr}: time: invalid duration "{expr.removeprefix("@every ")}"'
            )
            raise _schedule_error(expr, "@every needs a duration such as 90s, 5m or 1h30m", upstream)
        seconds = max(1, nanoseconds // 10**9)  # robfig ConstantDelaySchedule: whole seconds, at least one
        return ParsedSchedule(
            minutes=(),
            hours=(),
            days=(),
            months=(),
            weekdays=(),
            any_of_days=False,
            every=timedelta(seconds=seconds),
        )
    known = " ".join([*DESCRIPTORS, "@every"])
    raise _schedule_error(expr, f"no such descriptor; there are {known}", f"unrecognized descriptor: {expr}")


def _parse_fields(expr: str, words: list[str]) -> ParsedSchedule:
    items = [_parse_field(expr, word, field) for word, field in zip(words, FIELDS, strict=True)]
    values = _expand_fields([canonical for canonical, _ in items])
    stars = items[2][1] or items[4][1]
    return ParsedSchedule(
        minutes=values[0],
        hours=values[1],
        days=values[2],
        months=values[3],
        weekdays=values[4],
        any_of_days=not stars,
        every=None,
    )


def _expand_fields(fields: list[str]) -> list[tuple[int, ...]]:
    """Expand plain lists and ranges with croniter; an empty field (`,`) has no value at all."""
    from croniter import croniter  # importing it takes 40 ms

    expanded, _ = croniter.expand(" ".join(field or "1" for field in fields))
    return [
        () if not text else _sort_numbers(values, field)
        for text, values, field in zip(fields, expanded, FIELDS, strict=True)
    ]


def _sort_numbers(values: Sequence[int | str], field: FieldBounds) -> tuple[int, ...]:
    if values == ["*"]:
        return tuple(range(field.low, field.high + 1))
    return tuple(sorted({int(value) for value in values}))


def _parse_field(expr: str, text: str, field: FieldBounds) -> tuple[str, bool]:
    """Return the field as croniter expands it rightly, and whether it has a star (robfig/cron's star bit)."""
    items = [_parse_item(expr, item, field) for item in text.split(",") if item]
    star = any(star for _, star in items)
    return ("*" if star else ",".join(canonical for canonical, _ in items)), star


def _parse_item(expr: str, item: str, field: FieldBounds) -> tuple[str, bool]:
    span, *steps = item.split("/")
    if len(steps) > 1:
        raise _field_error(expr, field, item, "has more than one '/'", f"too many slashes: {item}")
    first, *rest = span.split("-")
    star = first in ("*", "?")
    low, high = (field.low, field.high) if star else _parse_range(expr, field, item, first, rest)
    step = _parse_number(expr, field, item, steps[0]) if steps else 1
    if steps and not star and not rest:
        high = field.high
    _check_bounds(expr=expr, field=field, item=item, low=low, high=high, step=step)
    return _write_span(low, high, step), star and step == 1


def _parse_range(expr: str, field: FieldBounds, item: str, first: str, rest: list[str]) -> tuple[int, int]:
    low = _parse_number(expr, field, item, first, named=True)
    if len(rest) > 1:
        raise _field_error(expr, field, item, "has more than one '-'", f"too many hyphens: {item}")
    return low, _parse_number(expr, field, item, rest[0], named=True) if rest else low


def _check_bounds(expr: str, field: FieldBounds, item: str, low: int, high: int, step: int) -> None:
    if low < field.low:
        upstream = f"beginning of range ({low}) below minimum ({field.low}): {item}"
        raise _field_error(expr, field, item, f"begins below {field.low}", upstream)
    if high > field.high:
        upstream = f"end of range ({high}) above maximum ({field.high}): {item}"
        raise _field_error(expr, field, item, f"ends above {field.high}", upstream)
    if low > high:
        upstream = f"beginning of range ({low}) beyond end of range ({high}): {item}"
        raise _field_error(expr, field, item, "begins after it ends", upstream)
    if step == 0:
        raise _field_error(
            expr, field, item, "has a step of 0", f"step of range should be a positive number: {item}"
        )


def _write_span(low: int, high: int, step: int) -> str:
    """Write a span as numbers where croniter would misread a range (`5-5`, a step past the end)."""
    if step > high - low:
        return str(low)
    return f"{low}-{high}" if step == 1 else ",".join(str(n) for n in range(low, high + 1, step))


def _parse_number(expr: str, field: FieldBounds, item: str, text: str, *, named: bool = False) -> int:
    if named and text.lower() in field.names:
        return field.names[text.lower()]
    if not _INTEGER.fullmatch(text) or abs(int(text)) > _LARGEST:
        why = "value out of range" if _INTEGER.fullmatch(text) else "invalid syntax"
        upstream = f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": {why}'
        fault = f"holds {text!r}, which is not a number" if text else "lacks a number"
        raise _field_error(expr, field, item, fault, upstream)
    if int(text) < 0:
        upstream = f"negative number ({int(text)}) not allowed: {text}"
        raise _field_error(expr, field, item, "holds a negative number", upstream)
    return int(text)


def _field_error(expr: str, field: FieldBounds, item: str, fault: str, upstream: str) -> InvalidSchedule:
    return _schedule_error(expr, f"{field.name}: {item!r} {fault}", upstream, field.name)


def _schedule_error(expr: str, fault: str, upstream: str, field: str = "schedule") -> InvalidSchedule:
    """Make the error; `upstream` is the cron library's message, which the embedded cluster answers with."""
    sentence = f"The schedule {clean(repr(expr), 120)} is refused: {clean(fault, 200)}."
    return InvalidSchedule(sentence, field=field, upstream=clean(upstream, 300))
