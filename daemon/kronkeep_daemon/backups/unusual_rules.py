"""The rules by which a backup that succeeded is unusual, as when its source was emptied or encrypted; pure.

A figure is compared with the same figure of the backups before it, as median ± k · MAD (median absolute
deviation) of the last 30, on a logarithmic scale for sizes and durations, and after the trend is taken off
(Theil and Sen: the median of the slopes between all pairs), since data grows. It is unusual only where it is
outside by the last 30 of all days and, where there are ten, by the last 30 of the same weekday; where there
are fewer, one of the same weekday that is near says that it is usual. Nothing is judged before ten backups.

Bounds are never narrower than the floors below: a very regular past makes nobody learn of one file more.
Less data is unusual sooner than more. `tests/unit/backups/test_unusual_rules.py` has the histories by
which the numbers were chosen: at most one false alarm in 1,000 backups.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date, datetime
from itertools import combinations
from statistics import median
from typing import NamedTuple

from kronkeep_common.text import duration, size

LEAST_PAST = 10
LEAST_DAYS = 13.0  # of a past in which each weekday was seen twice
MOST_PAST = 30
MOST_OF_DAY = 3
LEAST_DATES = 5
RECENT = 3  # of the same weekday: after a step what was last is usual
DEVIATIONS = 5.0  # k: so many standard deviations, which are 1.4826 · MAD where values are normal
NORMAL_MAD = 1.4826
REWRITTEN_SHARE = 0.3  # of the bytes; less new data is not all files rewritten
CHANGED_STEP = 0.25  # that a share of changed files must be above the usual one
PERCENT = 100


class ArchiveFigures(NamedTuple):
    """The figures of a backup; `at` is in the zone whose weekdays count, sizes are in bytes.

    `changed` is the share of files that are new or changed, 0 to 1.
    """

    at: datetime
    seconds: float
    files: int
    bytes_read: int
    bytes_new: int
    changed: float


class _Measure(NamedTuple):
    """A figure that is compared on a logarithmic scale, and by which factor it must differ at least.

    offset: added before the logarithm, so that small values do not differ much.
    """

    value: Callable[[ArchiveFigures], float]
    offset: float
    least_drop: float
    least_rise: float


class _FigureComparison(NamedTuple):
    """What was expected of a figure that is outside all that is usual: above it, or below.

    slope: by how much its logarithm grows a day.
    """

    expected: float
    slope: float
    is_high: bool


def _files(figures: ArchiveFigures) -> float:
    return figures.files


def _bytes_read(figures: ArchiveFigures) -> float:
    return figures.bytes_read


def _bytes_new(figures: ArchiveFigures) -> float:
    return figures.bytes_new


def _seconds(figures: ArchiveFigures) -> float:
    return figures.seconds


FILES = _Measure(value=_files, offset=2, least_drop=1.25, least_rise=3)
BYTES_READ = _Measure(value=_bytes_read, offset=4096, least_drop=1.15, least_rise=3)
BYTES_NEW = _Measure(value=_bytes_new, offset=65536, least_drop=100, least_rise=5)
SECONDS = _Measure(value=_seconds, offset=30, least_drop=20, least_rise=5)


def explain_unusual(
    figures: ArchiveFigures, past: Sequence[ArchiveFigures], accepted: Sequence[ArchiveFigures] = ()
) -> tuple[str, ...]:
    """Return in a sentence each what is unusual about a backup; nothing for a usual one.

    past: earlier good backups of the same data and type, newest first, without those that were unusual.
    accepted: unusual ones that somebody has acknowledged; what is near one of them is usual.
    """
    if len(past) < LEAST_PAST:
        return ()
    sentences = (
        _explain_files(figures, past, accepted),
        _explain_bytes_read(figures, past, accepted),
        _explain_rewritten(figures, past, accepted) or _explain_bytes_new(figures, past, accepted),
        _explain_seconds(figures, past, accepted),
    )
    return tuple(filter(None, sentences))


def _explain_files(
    figures: ArchiveFigures, past: Sequence[ArchiveFigures], accepted: Sequence[ArchiveFigures]
) -> str:
    comparison = _compare(FILES, figures, past, accepted)
    if comparison is None:
        return ""
    return f"It has {figures.files} files, where about {comparison.expected:.0f} were expected."


def _explain_bytes_read(
    figures: ArchiveFigures, past: Sequence[ArchiveFigures], accepted: Sequence[ArchiveFigures]
) -> str:
    comparison = _compare(BYTES_READ, figures, past, accepted)
    if comparison is None:
        return ""
    return f"It has {size(figures.bytes_read)}, where about {size(comparison.expected)} were expected."


def _explain_rewritten(
    figures: ArchiveFigures, past: Sequence[ArchiveFigures], accepted: Sequence[ArchiveFigures]
) -> str:
    """Return a sentence where nearly all files are new or changed, and their content is new too."""
    shares = [each.changed for each in past[:MOST_PAST]]
    usual = median(shares)
    deviation = NORMAL_MAD * median(abs(share - usual) for share in shares)
    least = usual + max(CHANGED_STEP, DEVIATIONS * deviation)
    same_days = [each.changed for each in _of_weekday(figures, past)]
    is_known = any(share > figures.changed - CHANGED_STEP for share in same_days)
    is_accepted = any(each.changed > figures.changed - CHANGED_STEP for each in accepted)
    if figures.changed < least or not _is_mostly_new(figures) or is_known or is_accepted:
        return ""
    share = f"{PERCENT * figures.changed:.0f} %"
    return (
        f"{share} of its files are new or changed, usually {PERCENT * usual:.0f} %, "
        f"and {size(figures.bytes_new)} of {size(figures.bytes_read)} are new data."
    )


def _explain_bytes_new(
    figures: ArchiveFigures, past: Sequence[ArchiveFigures], accepted: Sequence[ArchiveFigures]
) -> str:
    if figures.bytes_new == 0:
        return _explain_nothing_new(figures, past, accepted)
    comparison = _compare(BYTES_NEW, figures, past, accepted)
    if comparison is None or (comparison.is_high and not _is_mostly_new(figures)):
        return ""
    new = size(figures.bytes_new)
    return f"{new} of it are new data, where about {size(comparison.expected)} were expected."


def _explain_nothing_new(
    figures: ArchiveFigures, past: Sequence[ArchiveFigures], accepted: Sequence[ArchiveFigures]
) -> str:
    """Return a sentence where nothing is new, as it never was for 30 backups and on this weekday before."""
    same_days = _of_weekday(figures, past)
    known = (*past[:MOST_PAST], *same_days, *accepted)
    is_long = any(_days_before(figures, each) < -LEAST_DAYS for each in same_days)
    if len(past) < MOST_PAST or not is_long or any(each.bytes_new == 0 for each in known):
        return ""
    return f"Nothing in it is new; each of the {MOST_PAST} backups before it had new data."


def _explain_seconds(
    figures: ArchiveFigures, past: Sequence[ArchiveFigures], accepted: Sequence[ArchiveFigures]
) -> str:
    comparison = _compare(SECONDS, figures, past, accepted)
    if comparison is None:
        return ""
    return f"It took {duration(figures.seconds)}, where about {duration(comparison.expected)} were expected."


def _is_mostly_new(figures: ArchiveFigures) -> bool:
    return figures.bytes_new >= REWRITTEN_SHARE * max(1, figures.bytes_read)


def _of_weekday(figures: ArchiveFigures, past: Sequence[ArchiveFigures]) -> list[ArchiveFigures]:
    """Return the last 30 of the same weekday, three of one day at most."""
    same_days: list[ArchiveFigures] = []
    by_date: Counter[date] = Counter()
    for each in past:
        day = each.at.date()
        if each.at.weekday() == figures.at.weekday() and by_date[day] < MOST_OF_DAY:
            by_date[day] += 1
            same_days.append(each)
    return same_days[:MOST_PAST]


def _is_enough(same_days: Sequence[ArchiveFigures]) -> bool:
    """Whether a weekday's own past says what is usual: with some days of it only, its trend is not known."""
    return len(same_days) >= LEAST_PAST and len({each.at.date() for each in same_days}) >= LEAST_DATES


def _compare(
    measure: _Measure,
    figures: ArchiveFigures,
    past: Sequence[ArchiveFigures],
    accepted: Sequence[ArchiveFigures],
) -> _FigureComparison | None:
    """Return how a figure is outside all that is usual; None where it is not."""
    same_days = _of_weekday(figures, past)
    has_enough = _is_enough(same_days)
    comparison = _compare_with(measure, figures, same_days if has_enough else past[:MOST_PAST])
    if comparison is None:
        return None
    alike = same_days[:RECENT] if has_enough else same_days
    return None if _is_near_one(measure, figures, (*alike, *accepted), comparison) else comparison


def _compare_with(
    measure: _Measure, figures: ArchiveFigures, sample: Sequence[ArchiveFigures]
) -> _FigureComparison | None:
    """Return how a figure is outside median ± k · MAD of a sample; None where it is inside."""
    days = [_days_before(figures, each) for each in sample]
    values = [_to_scale(measure, each) for each in sample]
    slope = _trend(days, values)
    levels = [value - slope * day for day, value in zip(days, values, strict=True)]  # as of this backup
    expected = median(levels)
    deviation = NORMAL_MAD * median(abs(level - expected) for level in levels)
    distance = _to_scale(measure, figures) - expected
    is_low = -distance > max(DEVIATIONS * deviation, math.log(measure.least_drop))
    is_high = distance > max(DEVIATIONS * deviation, math.log(measure.least_rise))
    if not is_low and not is_high:
        return None
    usual = max(0.0, math.exp(expected) - measure.offset)
    return _FigureComparison(expected=usual, slope=slope, is_high=is_high)


def _days_before(figures: ArchiveFigures, other: ArchiveFigures) -> float:
    return (other.at - figures.at).total_seconds() / 86400


def _to_scale(measure: _Measure, figures: ArchiveFigures) -> float:
    return math.log(measure.value(figures) + measure.offset)


def _trend(days: Sequence[float], values: Sequence[float]) -> float:
    """Return the median slope between all pairs of values, a day."""
    slopes = [
        (values[first] - values[second]) / (days[first] - days[second])
        for first, second in combinations(range(len(days)), 2)
        if days[first] != days[second]
    ]
    return median(slopes) if slopes else 0.0


def _is_near_one(
    measure: _Measure,
    figures: ArchiveFigures,
    others: Sequence[ArchiveFigures],
    comparison: _FigureComparison,
) -> bool:
    """Whether a figure differs from one of the others, with the trend since then, by less than the floor."""
    value = _to_scale(measure, figures)
    floor = math.log(measure.least_rise if comparison.is_high else measure.least_drop)
    levels = (_to_scale(measure, other) - comparison.slope * _days_before(figures, other) for other in others)
    return any(abs(value - level) <= floor for level in levels)
