"""Time zones of the `tzdata` package, as offsets from UTC over Unix seconds.

The machine's own zone files are not used: they may be older than the cluster's, and the package is pinned. A
zone is read through zoneinfo in stretches of 388 days, and kept as the few changes of its offset in each.

A clock change is *regular* where it stays within one local day and leaves its midnights alone, such as 02:00
to 03:00. Others (24 hours at once, a change at midnight, odd seconds) are *irregular*.
"""

import re
from bisect import bisect_left, bisect_right
from datetime import UTC, datetime
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from kronkeep_common.errors import InvalidTimeZone
from kronkeep_common.text import clean

# Kubernetes 1.36 validateTimeZone: what each part between slashes may be.
_PART = re.compile(r"[A-Za-z._0-9+-]{1,14}")
_STRETCH = 2**25  # seconds; 388 days
_DAY = 86400
_EDGE = 3 * _DAY  # read beyond both ends of a stretch: a change just outside has an effect inside
_MARGIN = 26 * 3600  # seconds; more than any change of an offset (Pacific/Apia moved by 24 h)
_FIRST = -62_135_596_800 + 2 * _DAY  # Unix seconds of the years 1 and 9999, two days inside
_LAST = 253_402_300_799 - 2 * _DAY
_MAGIC = b"TZif"


class CalmPeriod(NamedTuple):
    """A period of whole local days with one offset: no clock change has an effect on a fire in it."""

    start: int
    end: int
    offset: int


class _OffsetStretch(NamedTuple):
    """The offsets of 388 days, each from its start on, the calm period of each, and irregular changes."""

    starts: list[int]
    offsets: list[int]
    calm: list[CalmPeriod]
    irregular: list[int]


class Zone:
    """The offsets of a time zone; instants are Unix seconds."""

    def __init__(self, name: str, tzinfo: ZoneInfo) -> None:
        self.name = name
        self.tzinfo = tzinfo
        self._stretches: dict[int, _OffsetStretch] = {}

    def offset(self, instant: int) -> int:
        """Return the seconds east of UTC at `instant`."""
        stretch = self._find_stretch(instant // _STRETCH)
        return stretch.offsets[bisect_right(stretch.starts, instant) - 1]

    def calm_period(self, instant: int) -> CalmPeriod | None:
        """Return the calm period around `instant`; None near a clock change."""
        stretch = self._find_stretch(instant // _STRETCH)
        calm = stretch.calm[bisect_right(stretch.starts, instant) - 1]
        return calm if calm.start <= instant < calm.end else None

    def has_regular_midnights(self, start: int, end: int) -> bool:
        """Whether every midnight in [start, end] occurs once: no clock change there is irregular."""
        start = start - _MARGIN
        end = end + _MARGIN
        for bucket in range(start // _STRETCH, end // _STRETCH + 1):
            wild = self._find_stretch(bucket).irregular
            if wild and bisect_right(wild, end) > bisect_left(wild, start):
                return False
        return True

    def offset_changes(self, start: int, end: int) -> list[tuple[int, int, int]]:
        """Return the changes of the offset in [start, end): instant, offset before, offset from then on."""
        changes = []
        for bucket in range(start // _STRETCH, end // _STRETCH + 1):
            stretch = self._find_stretch(bucket)
            for at, (old, new) in zip(stretch.starts[1:], pairwise(stretch.offsets), strict=True):
                if at // _STRETCH == bucket and start <= at < end:
                    changes.append((at, old, new))
        return changes

    def instant_of(self, wall: int) -> int:
        """Return the instant of wall-clock seconds, in gaps and repeats as Go's `time.Date` does."""
        return wall - self.offset(wall - self.offset(wall))

    def _find_stretch(self, bucket: int) -> _OffsetStretch:
        known = self._stretches.get(bucket)
        if known is None:
            if len(self._stretches) > 64:
                self._stretches.clear()
            known = self._stretches[bucket] = self._read_stretch(
                bucket * _STRETCH - _EDGE, (bucket + 1) * _STRETCH + _EDGE
            )
        return known

    def _read_stretch(self, start: int, end: int) -> _OffsetStretch:
        starts = [start]
        offsets = [self._read_offset(start)]
        for day in range(start + _DAY, end + _DAY, _DAY):
            if self._read_offset(day) != offsets[-1]:
                starts.append(self._find_change(day - _DAY, day, offsets[-1]))
                offsets.append(self._read_offset(day))
        return _make_stretch(starts, offsets, end)

    def _find_change(self, before: int, after: int, old: int) -> int:
        """Return the first instant in (before, after] whose offset is not `old`."""
        while after - before > 1:
            middle = (before + after) // 2
            if self._read_offset(middle) == old:
                before = middle
            else:
                after = middle
        return after

    def _read_offset(self, instant: int) -> int:
        moment = datetime.fromtimestamp(min(max(instant, _FIRST), _LAST), UTC)
        delta = moment.astimezone(self.tzinfo).utcoffset()
        assert delta is not None
        return delta.days * _DAY + delta.seconds


def _make_stretch(starts: list[int], offsets: list[int], end: int) -> _OffsetStretch:
    froms = [starts[0]]
    untils = []
    irregular = []
    for at, (old, new) in zip(starts[1:], pairwise(offsets), strict=True):
        day = min(at + old, at + new) // _DAY * _DAY
        if _is_regular(at + old, at + new):
            untils.append(day - old)
            froms.append(day + _DAY - new)
        else:
            irregular.append(at)
            untils.append(at - _MARGIN)
            froms.append(at + _MARGIN)
    calm = [
        CalmPeriod(start, until if offset % 60 == 0 else start, offset)  # robfig/cron counts minutes of UTC
        for start, until, offset in zip(froms, [*untils, end], offsets, strict=True)
    ]
    return _OffsetStretch(starts=starts, offsets=offsets, calm=calm, irregular=irregular)


def _is_regular(before: int, after: int) -> bool:
    """Whether a change from one wall clock to another stays within a local day, its midnights excluded."""
    low = min(before, after)
    high = max(before, after)
    return low // _DAY == high // _DAY and low % _DAY > 0 and before % 60 == 0 == after % 60


@lru_cache(maxsize=64)
def load_zone(name: str) -> Zone:
    """Load the zone `name`, case-exact; raise InvalidTimeZone for what Kubernetes refuses."""
    if not name:
        raise InvalidTimeZone("The time zone is empty.", field="time_zone")
    if name.lower() == "local":
        raise InvalidTimeZone("The time zone 'Local' is refused: it means another zone on each machine.")
    parts = name.split("/")
    if any(part in (".", "..") or part.startswith("-") or not _PART.fullmatch(part) for part in parts):
        raise _unknown_zone(name)
    source = files("tzdata").joinpath("zoneinfo", *parts)
    if not source.is_file():
        raise _unknown_zone(name)
    with source.open("rb") as stream:
        if stream.read(4) != _MAGIC:
            raise _unknown_zone(name)
        stream.seek(0)
        return Zone(name, ZoneInfo.from_file(stream, key=name))


def _unknown_zone(name: str) -> InvalidTimeZone:
    return InvalidTimeZone(f"The time zone {clean(repr(name), 80)} is not known.", field="time_zone")
